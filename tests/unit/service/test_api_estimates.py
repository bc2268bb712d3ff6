"""What an order would take, and why one waits."""

import pytest

from core.datasets.dataset import utcnow
from core.messages import QUEUE_GENERATE, QUEUE_RENDER, Consumer
from matteforge.schemas.datasets import DatasetState, InWork


def attend(world, *queues: str) -> None:
    for number, queue in enumerate(queues):
        world.doorbell.attend(Consumer(name=f"w{number}", queue=queue, idle_s=0.0))


def test_without_history_no_time_is_made_up(world):
    attend(world, QUEUE_GENERATE)
    answer = world.http.post("/v1/estimates", json={"count": 1000}).json()
    assert (answer["shards"], answer["shard_size"], answer["workers"]) == (16, 63, 1)
    assert answer["total_s"] is answer["first_shard_s"] is answer["seconds_a_sample"] is None
    assert answer["basis"] == "nothing of this kind was made here yet"
    assert list(world.catalog.dataset_ids()) == []


def test_the_pace_of_this_model_and_source_counts(world):
    attend(world, QUEUE_GENERATE, QUEUE_GENERATE, QUEUE_RENDER)
    world.live.note_pace(f"generated/{world.bundle.digest}", 0.5)
    world.live.note_pace("rendered/256", 9.0)
    answer = world.http.post("/v1/estimates", json={"count": 100, "shard_size": 10}).json()
    assert (answer["workers"], answer["first_shard_s"], answer["total_s"]) == (2, 5.0, 25.0)
    ordered = world.order(count=100, shard_size=10)
    assert ordered["estimate"] == answer
    assert world.http.get(ordered["links"]["self"]).json()["estimate"] is None


def test_bytes_and_acceptance_come_from_the_order_and_from_those_before_it(world):
    small = world.http.post("/v1/estimates", json={"count": 100}).json()
    large = world.http.post("/v1/estimates", json={"count": 1000}).json()
    assert large["size_bytes"] == pytest.approx(10 * small["size_bytes"], rel=0.01)
    assert small["acceptance"] is None
    ordered = world.order()
    world.live.set_state(ordered["id"], DatasetState.RUNNING, utcnow())
    world.commit(ordered["id"], 0)  # 10 of 12
    world.order(filter={"coverage_min": 0.5})
    again = world.http.post("/v1/estimates", json={"count": 100}).json()
    assert again["acceptance"] == pytest.approx(10 / 12)
    other = {"count": 100, "filter": {"coverage_min": 0.7}}
    assert world.http.post("/v1/estimates", json=other).json()["acceptance"] is None


def test_an_order_that_could_not_be_placed_can_t_be_estimated(world):
    answer = world.http.post("/v1/estimates", json={"count": 5, "source": "rendered"})
    assert (answer.status_code, answer.json()["code"]) == (422, "source_unavailable")


def test_an_order_says_why_it_waits(world):
    first, second = world.order(count=2000), world.order(count=3000)
    lonely = world.http.get(first["links"]["self"]).json()["waiting"]
    assert lonely == {"ahead": 0, "reason": "no worker of the queue `generate` is there"}
    attend(world, QUEUE_GENERATE)
    waiting = world.http.get(first["links"]["self"]).json()["waiting"]
    assert waiting == {"ahead": 0, "reason": "the next free worker takes it"}
    world.live.report_work(first["id"], 0, InWork(shards=1, accepted=3, attempted=4), 60)
    assert world.http.get(first["links"]["self"]).json()["waiting"] is None
    assert world.http.get(second["links"]["self"]).json()["waiting"]["ahead"] == 1
    small = world.order(count=5)
    assert world.http.get(second["links"]["self"]).json()["waiting"]["ahead"] == 2
    assert world.http.get(small["links"]["self"]).json()["waiting"]["ahead"] == 1


def test_pace_and_time_left_count_what_is_in_work(world):
    out = world.order(count=30, shard_size=10)
    world.live.report_work(out["id"], 0, InWork(shards=1, accepted=6, attempted=9), 60)
    seen = world.http.get(out["links"]["self"]).json()
    assert seen["in_work"] == {"shards": 1, "accepted": 6, "attempted": 9, "rejected": {}}
    assert seen["counts"]["accepted"] == 0
    assert seen["eta_s"] == pytest.approx(24 / seen["rate"])
