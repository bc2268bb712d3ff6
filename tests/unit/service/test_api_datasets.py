"""Orders, looks, cancellation and deletion over HTTP, on memory adapters."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from core.corpora import CorpusBook, CorpusManifest, CorpusShard
from core.datasets.dataset import utcnow
from core.errors import LiveViewUnavailable, StoreUnavailable
from core.messages import Reconcile
from matteforge.schemas.corpora import CorpusKind, Split
from matteforge.schemas.datasets import DatasetState
from matteforge.schemas.orders import DatasetSpec
from service.fingerprint import fingerprint
from service.wire import dataset_out


def test_an_order_is_claimed_shown_and_rung(world):
    answer = world.http.post(
        "/v1/datasets", json={"count": 25, "shard_size": 10, "labels": {"team": "a"}}
    )
    assert answer.status_code == 202
    body = answer.json()
    assert answer.headers["Location"] == f"/v1/datasets/{body['id']}" == body["links"]["self"]
    assert body["state"] == "queued"
    assert body["bundle"] == world.bundle.digest
    assert body["counts"] == {
        "requested": 25,
        "accepted": 0,
        "attempted": 0,
        "rejected": {},
        "shards_done": 0,
        "shards_total": 3,
        "size_bytes": 0,
        "attributes": {},
    }
    assert body["spec"]["labels"] == {"team": "a"}
    assert body["spec"]["seed"] >= 0, "the drawn seed is shown"
    assert world.doorbell.rung[0][0] == Reconcile(dataset_id=body["id"])
    plan = world.catalog.request(body["id"]).plan
    assert plan.seed == body["spec"]["seed"]
    assert plan.thresholds == {"mad": 0.03, "iou": 0.9}
    seen = world.http.get(answer.headers["Location"]).json()
    assert {**seen, "estimate": None, "waiting": None} == {**body, "estimate": None}


def test_thresholds_of_the_order_override_the_bundles(world):
    out = world.order(filter={"mad": 0.5})
    assert world.catalog.request(out["id"]).plan.thresholds == {"mad": 0.5, "iou": 0.9}


def test_an_order_takes_the_bundles_truncation_unless_it_names_its_own(world, tmp_path):
    assert world.order()["spec"]["truncation_psi"] == 0.7
    world.publish(tmp_path, "whole", psi=1.0)
    out = world.order(model="whole")
    assert out["spec"]["truncation_psi"] == world.catalog.request(out["id"]).plan.psi == 1.0
    assert world.order(model="whole", truncation_psi=0.3)["spec"]["truncation_psi"] == 0.3
    assert world.http.get("/v1/models/whole").json()["truncation_psi"] == 1.0
    assert world.http.get("/v1/models/humans").json()["truncation_psi"] is None


def test_a_replay_from_before_bundles_had_a_truncation_is_known(world):
    said = fingerprint(DatasetSpec(count=3, truncation_psi=0.7))
    assert said == fingerprint(DatasetSpec(count=3))
    assert said != fingerprint(DatasetSpec(count=3, truncation_psi=1.0))


def test_seeds_are_drawn_anew(world):
    assert world.order()["spec"]["seed"] != world.order()["spec"]["seed"]
    assert world.order(seed=7)["spec"]["seed"] == 7


def test_a_model_can_be_named_by_digest_and_alias(world):
    for reference in ("humans", "humans@champion", f"humans@{world.bundle.digest}"):
        assert world.order(model=reference)["bundle"] == world.bundle.digest


def test_the_same_key_and_body_replay_the_same_dataset(world):
    headers = {"Idempotency-Key": "k1"}
    first = world.http.post("/v1/datasets", json={"count": 5}, headers=headers)
    again = world.http.post("/v1/datasets", json={"count": 5, "model": "humans"}, headers=headers)
    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    assert first.headers["Location"] == again.headers["Location"]
    assert len(list(world.catalog.dataset_ids())) == 1


def test_the_same_key_with_another_body_is_refused(world):
    headers = {"Idempotency-Key": "k1"}
    world.http.post("/v1/datasets", json={"count": 5}, headers=headers)
    answer = world.http.post("/v1/datasets", json={"count": 6}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")


def test_the_key_of_a_deleted_dataset_stays_used(world):
    headers = {"Idempotency-Key": "k1"}
    first = world.http.post("/v1/datasets", json={"count": 5}, headers=headers).json()
    assert world.http.delete(first["links"]["self"]).status_code == 204
    world.catalog.purge(first["id"])
    answer = world.http.post("/v1/datasets", json={"count": 5}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "state_conflict")


def test_two_claims_at_once_give_one_dataset(world, monkeypatch):
    """The second order passes its first look before the first one's claim lands."""
    headers = {"Idempotency-Key": "k1"}
    first = world.http.post("/v1/datasets", json={"count": 5}, headers=headers).json()
    request, calls = type(world.catalog).request, []

    def blind_once(catalog, dataset_id):
        calls.append(dataset_id)
        return request(catalog, "ds_none" if len(calls) == 1 else dataset_id)

    monkeypatch.setattr(type(world.catalog), "request", blind_once)
    again = world.http.post("/v1/datasets", json={"count": 5}, headers=headers)
    assert again.json() == first
    assert len(calls) > 1


def test_an_order_survives_a_dead_redis(world, monkeypatch):
    def dead(*args: object, **kwargs: object) -> None:
        raise LiveViewUnavailable

    for name in ("put", "get"):
        monkeypatch.setattr(world.live, name, dead)
    monkeypatch.setattr(world.doorbell, "ring", dead)
    out = world.order()
    assert world.catalog.request(out["id"]).plan.count == 30
    assert world.http.get(out["links"]["self"]).json()["id"] == out["id"]
    assert world.http.post(out["links"]["cancel"]).status_code == 202


def test_a_dead_store_is_a_503(world, monkeypatch):
    def dead(*args: object, **kwargs: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(world.store, "put", dead)
    answer = world.http.post("/v1/datasets", json={"count": 5})
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert answer.headers["Retry-After"]


def test_a_flushed_redis_is_rebuilt_from_the_store(world):
    out = world.order()
    world.commit(out["id"], 0)
    world.live.flush()
    again = world.http.get(out["links"]["self"]).json()
    assert again["counts"]["accepted"] == 10
    assert again["counts"]["rejected"] == {"mad": 2}
    assert world.live.undone(out["id"], start=0, limit=9) == [1, 2]


def test_pace_counts_from_the_start_of_the_work(world):
    out = world.order()
    start = datetime.now(UTC)
    world.live.set_state(out["id"], DatasetState.RUNNING, start)
    world.commit(out["id"], 0)
    later = dataset_out(world.live.get(out["id"]), start + timedelta(seconds=5))
    assert later.rate == pytest.approx(2.0)
    assert later.eta_s == pytest.approx(10.0)
    world.end(out["id"])
    ended = world.http.get(out["links"]["self"]).json()
    assert ended["rate"] > 0
    assert ended["eta_s"] is None
    assert set(ended["timestamps"]) == {"queued", "running", "completed"}


def test_lists_page_newest_first_and_by_state(world):
    ids = [world.order()["id"] for _ in range(5)]
    world.end(ids[1])
    seen, cursor = [], None
    while True:
        page = world.http.get(
            "/v1/datasets", params={"limit": 2} | ({"cursor": cursor} if cursor else {})
        ).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(ids)
    completed = world.http.get("/v1/datasets", params={"state": "completed"}).json()
    assert [item["id"] for item in completed["items"]] == [ids[1]]


def test_cancel_leaves_a_tombstone_and_may_be_repeated(world):
    out = world.order()
    for _ in range(2):
        answer = world.http.post(out["links"]["cancel"])
        assert answer.status_code == 202
        assert answer.json()["cancel_requested"] is True
    assert world.catalog.has_tombstone(out["id"], "cancel")
    assert world.live.get(out["id"]).cancel_requested
    world.end(out["id"], DatasetState.CANCELLED)
    assert world.http.post(out["links"]["cancel"]).json()["state"] == "cancelled"


def test_what_has_completed_cannot_be_cancelled(world):
    out = world.order()
    world.end(out["id"])
    answer = world.http.post(out["links"]["cancel"])
    assert (answer.status_code, answer.json()["code"]) == (409, "state_conflict")


def test_a_deleted_dataset_is_gone_everywhere(world):
    out = world.order()
    world.commit(out["id"], 0)
    assert world.http.delete(out["links"]["self"]).status_code == 204
    assert world.doorbell.rung[-1][0] == Reconcile(dataset_id=out["id"])
    paths = [out["links"][name] for name in ("self", "events", "shards", "manifest")]
    for path in [*paths, out["links"]["shards"] + "/000000.tar"]:
        assert world.http.get(path).status_code == 404, path
    assert world.http.post(out["links"]["cancel"]).status_code == 404
    assert world.http.delete(out["links"]["self"]).status_code == 404
    assert world.http.get("/v1/datasets").json()["items"] == []


def test_the_manifest_is_streamed_once_it_exists(world):
    out = world.order()
    early = world.http.get(out["links"]["manifest"])
    assert (early.status_code, early.json()["code"]) == (409, "state_conflict")
    records = [world.commit(out["id"], shard) for shard in range(3)]
    world.end(out["id"])
    manifest = world.http.get(out["links"]["manifest"])
    assert manifest.headers["content-type"] == "application/json"
    assert manifest.json()["state"] == "completed"
    assert [shard["sha256"] for shard in manifest.json()["shards"]] == [
        record.sha256 for record in records
    ]


def test_datasets_are_found_by_label_source_and_time(world):
    old = world.order(labels={"team": "a", "run": "1"})
    time.sleep(0.01)
    new = world.order(labels={"team": "b", "run": "1"})

    def found(**params) -> list[str]:
        page = world.http.get("/v1/datasets", params=params)
        assert page.status_code == 200, page.text
        return [item["id"] for item in page.json()["items"]]

    assert found(label="team=a") == [old["id"]]
    assert found(label=["run=1", "team=b"]) == [new["id"]]
    assert found(label="run=1", source="generated") == [new["id"], old["id"]]
    assert found(source="rendered") == []
    assert found(since=new["timestamps"]["queued"]) == [new["id"]]
    for wrong in ({"label": "team"}, {"since": "yesterday"}, {"source": "photos"}):
        assert world.http.get("/v1/datasets", params=wrong).status_code in (400, 422)


def test_backgrounds_of_a_corpus_are_pinned_when_ordered(world):
    body = {"count": 30, "members": ["composite"], "background": "corpus:walls"}
    refused = world.http.post("/v1/datasets", json=body)
    assert (refused.status_code, "no corpus 'walls'" in refused.json()["detail"]) == (422, True)
    for name, kind in (("walls", CorpusKind.BACKGROUNDS), ("people", CorpusKind.PAIRS)):
        shard = CorpusShard(
            name=f"train-{name}.tar", split=Split.TRAIN, samples=1, size_bytes=1, sha256="0" * 64
        )
        corpus = CorpusManifest(
            name=name, kind=kind, licence="CC0-1.0", sources=[], updated_at=utcnow(), shards=[shard]
        )
        CorpusBook(world.store).grow(corpus)
    plan = world.catalog.request(world.http.post("/v1/datasets", json=body).json()["id"]).plan
    assert plan.backgrounds.shards == {"train-walls.tar": "0" * 64}
    refused = world.http.post("/v1/datasets", json=body | {"background": "corpus:people"})
    assert "holds pairs" in refused.json()["detail"]
