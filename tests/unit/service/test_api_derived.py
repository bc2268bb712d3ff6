"""/v1/datasets/{id}/subsets, extend, regenerate, comparison over committed shards."""

import json
from pathlib import Path
from typing import Any

import pytest

from core import keys
from core.datasets.manifest import ShardRecord
from core.datasets.plan import FORMAT_VERSION
from core.datasets.sample_tables import SampleTables
from core.datasets.selection import get_selection
from matteforge.schemas.datasets import DatasetState
from workers.shards.tar import ShardTar

KEYS = [f"{shard:06d}{index:05d}" for shard in range(3) for index in range(10)]


def sample(number: int) -> dict[str, bytes]:
    facts = {
        "key": KEYS[number], "shard": number // 10, "index": number % 10, "seed": number,
        "width": 8, "height": 8, "scores": {"iou": 1 - number / 100}, "thresholds": {},
    }  # fmt: skip
    return {"json": json.dumps(facts).encode()}


@pytest.fixture
def parent(world: Any, tmp_path: Path) -> str:
    """A completed dataset of thirty samples."""
    dataset_id: str = world.order(labels={"team": "a"}, seed=5)["id"]
    for shard in range(3):
        path = tmp_path / f"{shard}.tar"
        with ShardTar(path) as tar:
            for index in range(10):
                tar.add(KEYS[shard * 10 + index], sample(shard * 10 + index))
        world.store.upload(keys.shard_tar(dataset_id, shard), path)
        world.commit(dataset_id, shard)
        SampleTables(world.store).put(dataset_id, shard, path)
    world.end(dataset_id)
    return dataset_id


def post(world: Any, path: str, body: Any = None, **headers: str) -> Any:
    return world.http.post(f"/v1/datasets/{path}", json=body, headers=headers)


def test_a_subset_by_filter_is_a_dataset_of_its_own(world: Any, parent: str) -> None:
    body = {"where": "iou > 0.75", "order": "iou", "limit": 12, "labels": {"cut": "1"}}
    answer = post(world, f"{parent}/subsets", body)
    assert answer.status_code == 202, answer.text
    made = answer.json()
    assert answer.headers["Location"] == made["links"]["self"]
    assert made["spec"]["derived_from"] == {
        "dataset_id": parent, "how": "subset", "copies": True,
        "where": "iou > 0.75", "order": "iou", "limit": 12,
    }  # fmt: skip
    assert (made["counts"]["requested"], made["spec"]["labels"]) == (12, {"cut": "1"})
    assert get_selection(world.store, made["id"]).keys == KEYS[13:25]
    plan = world.catalog.request(made["id"]).plan
    assert (plan.parent, plan.shards_total, plan.shard_size) == (parent, 2, 10)


def test_a_subset_by_keys_takes_each_once(world: Any, parent: str) -> None:
    made = post(world, f"{parent}/subsets", {"keys": [KEYS[9], KEYS[2], KEYS[9]]}).json()
    assert get_selection(world.store, made["id"]).keys == [KEYS[2], KEYS[9]]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"where": "iou > 2"}, 422, "no sample"),
        ({"where": "nothing > 2"}, 400, "there is no column"),
        ({"keys": ["00000900000"]}, 422, "has no sample 00000900000"),
        ({"keys": [KEYS[0]], "where": "iou > 0"}, 422, "not both"),
        ({"keys": []}, 422, "keys"),
        ({"keys": ["x"]}, 422, "keys"),
        ({"limit": 0}, 422, "limit"),
        ({"what": 1}, 422, "what"),
    ],
)
def test_a_selection_that_makes_no_sense_is_refused(
    world: Any, parent: str, body: dict[str, Any], status: int, said: str
) -> None:
    answer = post(world, f"{parent}/subsets", body)
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text


def test_what_is_still_made_has_no_subsets(world: Any) -> None:
    answer = post(world, f"{world.order()['id']}/subsets", {})
    assert answer.status_code == 409
    assert "wait for its end" in answer.json()["detail"]


def test_a_repeated_request_makes_one_dataset(world: Any, parent: str) -> None:
    key = {"Idempotency-Key": "k1"}
    first = post(world, f"{parent}/extend", {"count": 5}, **key).json()
    assert post(world, f"{parent}/extend", {"count": 5}, **key).json()["id"] == first["id"]
    assert post(world, f"{parent}/extend", {"count": 6}, **key).status_code == 422
    assert post(world, f"{parent}/subsets", {"limit": 5}, **key).status_code == 422


def test_extensions_take_turns(world: Any, parent: str) -> None:
    first = post(world, f"{parent}/extend", {"count": 15}).json()
    second = post(world, f"{parent}/extend", {"count": 5}).json()
    third = post(world, f"{first['id']}/extend", {"count": 5}).json()
    plans = [world.catalog.request(made["id"]).plan for made in (first, second, third)]
    assert [(plan.first_shard, plan.first_slot) for plan in plans] == [(3, 30), (5, 45), (6, 50)]
    assert {plan.seed for plan in plans} == {5}
    assert first["spec"]["derived_from"]["dataset_id"] == parent


def test_a_part_and_a_repetition_say_what_can_be_extended(world: Any, parent: str) -> None:
    def refused(dataset_id: str) -> str:
        answer = post(world, f"{dataset_id}/extend", {"count": 5})
        assert answer.status_code == 409
        detail: str = answer.json()["detail"]
        return detail

    part = post(world, f"{parent}/subsets", {"limit": 5}).json()["id"]
    again = post(world, f"{parent}/regenerate").json()["id"]
    part_again = post(world, f"{part}/regenerate").json()["id"]
    assert f"extend {parent}, and make a subset of the extension" in refused(part)
    assert f"extend {parent}, and make a subset of the extension" in refused(part_again)
    assert refused(again).endswith(f"extend {parent}")
    world.http.delete(f"/v1/datasets/{parent}")
    assert "is deleted: order a new one" in refused(part)


def test_names_and_keys_of_an_extension_lead_to_its_shards(world: Any, parent: str) -> None:
    made = post(world, f"{parent}/extend", {"count": 15}).json()["id"]
    record = ShardRecord(
        shard=0, name="000003.tar", samples=10, attempted=10, rejected={}, size_bytes=9,
        sha256="0" * 64,
    )  # fmt: skip
    world.catalog.put_shard_record(made, record)
    assert world.http.get(f"/v1/datasets/{made}/shards/000003.tar").status_code == 307
    assert world.http.get(f"/v1/datasets/{made}/shards/000000.tar").status_code == 404
    assert world.http.get(f"/v1/datasets/{made}/samples/00000000000/json").status_code == 404


def test_a_regenerated_dataset_says_whether_it_is_the_same(world: Any, parent: str) -> None:
    made = post(world, f"{parent}/regenerate").json()["id"]
    assert world.catalog.request(made).plan == world.catalog.request(parent).plan
    path = f"/v1/datasets/{made}/comparison"
    world.commit(made, 0)
    found = world.http.get(path).json()
    assert (found["identical"], found["complete"], found["shards_compared"]) == (None, False, 1)
    world.commit(made, 1)
    world.commit(made, 2)
    world.end(made)
    assert world.http.get(path).json() == {
        "dataset_id": made, "original": parent, "complete": True, "identical": True,
        "shards_compared": 3, "different": [],
    }  # fmt: skip
    assert world.http.get(f"/v1/datasets/{parent}/comparison").status_code == 409


def test_other_bytes_are_named(world: Any, parent: str) -> None:
    made = post(world, f"{parent}/regenerate").json()["id"]
    for shard in (0, 2):
        world.commit(made, shard)
    other = world.catalog.shard_record(made, 0).model_copy(
        update={"shard": 1, "name": "000001.tar", "sha256": "f" * 64}
    )
    world.catalog.put_shard_record(made, other)
    world.end(made, DatasetState.COMPLETED)
    found = world.http.get(f"/v1/datasets/{made}/comparison").json()
    assert (found["identical"], found["different"]) == (False, ["000001.tar"])


def test_what_another_version_made_is_not_made_again(world: Any, parent: str) -> None:
    record = world.catalog.request(parent)
    older = record.plan.model_copy(update={"format_version": FORMAT_VERSION - 1})
    body = record.model_copy(update={"plan": older}).model_dump_json().encode()
    world.store.put(keys.request(parent), body)
    world.http.app.state.services.catalog._records.clear()
    answer = post(world, f"{parent}/regenerate")
    assert answer.status_code == 409
    assert f"format version {FORMAT_VERSION - 1}" in answer.json()["detail"]


def test_an_order_can_t_say_that_it_was_made_from_another(world: Any, parent: str) -> None:
    origin = {"dataset_id": parent, "how": "subset", "copies": True}
    answer = world.http.post("/v1/datasets", json={"count": 5, "derived_from": origin})
    assert answer.status_code == 422
    assert "subsets, extend and regenerate" in answer.json()["detail"]


def test_two_parts_at_once_under_one_idempotency_key_do_not_mix(world: Any, parent: str) -> None:
    """What the first has chosen stays, though it has not claimed its dataset yet."""
    chosen = {"keys": KEYS[:2]}
    path, header = f"/v1/datasets/{parent}/subsets", {"Idempotency-Key": "once"}
    first = world.http.post(path, json=chosen, headers=header).json()
    world.store.delete(keys.request(first["id"]))  # as if it were just before its claim
    other = world.http.post(path, json={"keys": KEYS[:3]}, headers=header)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    assert get_selection(world.store, first["id"]).keys == KEYS[:2]
    again = world.http.post(path, json=chosen, headers=header)
    assert (again.status_code, again.json()["id"]) == (202, first["id"])
