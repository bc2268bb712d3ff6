"""/v1/training-runs, /v1/corpora and what is done with a model's versions."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from core import keys
from core.corpora import CorpusBook, CorpusManifest
from core.datasets.dataset import utcnow
from core.messages import Reconcile
from core.training.run import RunEnd, RunProgress, StageRecord
from core.training.runs import TrainingRuns
from matteforge.schemas.corpora import CorpusKind, Split
from matteforge.schemas.training import RunState, Stage
from models.training.scalars import ScalarLog
from service.routes import training_runs


@pytest.fixture
def book(world: Any, corpus_of: Callable[..., CorpusManifest]) -> CorpusBook:
    book = CorpusBook(world.store)
    book.grow(corpus_of("people", samples=5, rejected={"unreadable": 2}))
    book.grow(corpus_of("scenes", samples=5, kind=CorpusKind.BACKGROUNDS))
    return book


BODY = {"domain": "humans", "labelled": ["people"], "unlabelled": ["people"], "preset": "tiny"}


def order(world, **changes):
    answer = world.http.post("/v1/training-runs", json={**BODY, **changes})
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_an_order_pins_corpora_and_champion_and_rings(world, book):
    answer = world.http.post("/v1/training-runs", json=BODY)
    assert answer.status_code == 202
    run = answer.json()
    assert answer.headers["Location"] == f"/v1/training-runs/{run['id']}"
    assert (run["state"], run["champion"], run["corpora"]) == (
        "queued",
        world.bundle.digest,
        {"people": book.get("people").digest},
    )
    assert run["spec"]["generator"] == "tiny-32"
    assert [stage["state"] for stage in run["stages"]] == ["waiting"] * len(Stage)
    assert Reconcile() in [message for message, _ in world.doorbell.rung]
    assert world.http.get(run["links"]["self"]).json() == run


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"labelled": ["nobody"]}, "no corpus 'nobody'; known: people, scenes"),
        ({"labelled": ["scenes"]}, "holds backgrounds; labelled ones hold pairs"),
        ({"unlabelled": ["scenes"]}, "nothing to label"),
        ({"backgrounds": ["people"]}, "not backgrounds"),
        ({"domain": "No!"}, "/domain"),
        ({"samples": "many"}, "/samples"),
        ({"preset": "huge"}, "/preset"),
        ({"unknown": 1}, "/unknown"),
    ],
)
def test_a_wrong_order_says_what_is_wrong(world, book, changes, says):
    answer = world.http.post("/v1/training-runs", json={**BODY, **changes})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_spec")
    assert says in answer.json()["detail"]


def test_corpora_without_test_pairs_are_refused(world, book, corpus_of):
    book.grow(corpus_of("thin", splits=(Split.TRAIN, Split.VALIDATION)))
    answer = world.http.post("/v1/training-runs", json={**BODY, "labelled": ["thin"]})
    assert "no test pairs" in answer.json()["detail"]


def test_an_idempotency_key_orders_once(world, book):
    headers = {"Idempotency-Key": "k1"}
    first = world.http.post("/v1/training-runs", json=BODY, headers=headers).json()
    again = world.http.post("/v1/training-runs", json=BODY, headers=headers).json()
    other = world.http.post("/v1/training-runs", json={**BODY, "seed": 5}, headers=headers)
    assert again == first
    assert other.json()["code"] == "idempotency_mismatch"
    assert (
        len(list(TrainingRuns(world.store).ids())) == len(TrainingRuns(world.store).active()) == 1
    )


def test_progress_figures_and_pictures_are_shown(world, book):
    run = order(world)
    runs = TrainingRuns(world.store)
    runs.put_stage(
        run["id"], StageRecord(stage=Stage.BASELINE, at=utcnow(), seconds=3.0, figures={"step": 4})
    )
    runs.put_progress(
        run["id"],
        RunProgress(
            sequence=7,
            at=utcnow(),
            stage=Stage.LABEL,
            fraction=0.25,
            eta_s=30.0,
            seconds=10.0,
            log=["a", "b"],
            grids=["grids/labels.png"],
        ),
    )
    shown = world.http.get(f"/v1/training-runs/{run['id']}").json()
    assert shown["state"] == "running"
    baseline, label, *rest = shown["stages"]
    assert (baseline["state"], baseline["figures"], baseline["fraction"]) == (
        "done",
        {"step": 4},
        1.0,
    )
    assert (label["state"], label["fraction"], label["eta_s"]) == ("running", 0.25, 30.0)
    assert f"training-runs/{run['id']}/files/label/grids/labels.png" in label["grids"][0]["url"]
    assert {stage["state"] for stage in rest} == {"waiting"}
    assert shown["log"] == ["a", "b"]


def test_pages_are_newest_first(world, book):
    ids = [order(world, seed=seed)["id"] for seed in range(3)]
    order(world, domain="others")
    first = world.http.get("/v1/training-runs?domain=humans&limit=2").json()
    second = world.http.get(
        f"/v1/training-runs?domain=humans&limit=2&cursor={first['next_cursor']}"
    ).json()
    assert [run["id"] for run in first["items"] + second["items"]] == ids[::-1]
    assert second["next_cursor"] is None
    assert world.http.get("/v1/training-runs?cursor=nonsense").json()["code"] == "invalid_cursor"


def test_cancelling_is_asked_for_once_and_refused_at_the_end(world, book):
    run = order(world)
    for _ in range(2):
        answer = world.http.post(f"/v1/training-runs/{run['id']}/cancel")
        assert (answer.status_code, answer.json()["cancel_requested"]) == (202, True)
    other = order(world, seed=1)
    TrainingRuns(world.store).finish(other["id"], RunEnd(state=RunState.COMPLETED, at=utcnow()))
    assert world.http.post(f"/v1/training-runs/{other['id']}/cancel").status_code == 409
    for path in ("tr_" + "0" * 24, "nonsense"):
        assert world.http.get(f"/v1/training-runs/{path}").status_code == 404


def test_events_tell_the_end(world, book):
    run = order(world)
    TrainingRuns(world.store).finish(
        run["id"], RunEnd(state=RunState.COMPLETED, at=utcnow(), promoted=True)
    )
    body = world.http.get(run["links"]["events"]).text
    assert body.startswith("event: state\ndata: ")
    assert json.loads(body.partition("data: ")[2])["promoted"] is True


def test_events_follow_a_run_through_its_stages(world, book, monkeypatch):
    monkeypatch.setattr(training_runs, "POLL_S", 0.0)
    run = order(world)
    told = [
        RunProgress(
            sequence=i,
            at=utcnow(),
            stage=stage,
            fraction=0.5,
            eta_s=9.0,
            seconds=1.0,
            log=["a line"],
            grids=["grids/labels.png"],
        )
        for i, stage in enumerate((Stage.BASELINE, Stage.BASELINE, Stage.LABEL))
    ]
    script = iter([told[0], told[0], told[1], told[2], told[2]])  # a snapshot reads it once more

    def progress(runs, run_id):
        now = next(script, None)
        if now is None:
            runs.finish(run_id, RunEnd(state=RunState.COMPLETED, at=utcnow()))
        return now

    monkeypatch.setattr(TrainingRuns, "progress", progress)
    frames = world.http.get(run["links"]["events"]).text.strip().split("\n\n")
    parts = [dict(line.split(": ", 1) for line in frame.splitlines()) for frame in frames]
    assert [part["event"] for part in parts] == ["snapshot", "progress", "snapshot", "state"]
    assert [part.get("id") for part in parts] == ["0", "1", "2", None]
    snapshot = json.loads(parts[2]["data"])
    label = next(stage for stage in snapshot["stages"] if stage["stage"] == "label")
    assert (label["state"], label["eta_s"], snapshot["log"]) == ("running", 9.0, ["a line"])
    assert "files/label/grids/labels.png" in label["grids"][0]["url"]
    assert json.loads(parts[1]["data"])["fraction"] == 0.5


def test_corpora_are_listed(world, book):
    listed = world.http.get("/v1/corpora").json()["items"]
    assert [c["name"] for c in listed] == ["people", "scenes"]
    assert listed[0]["samples"] == {"train": 5, "validation": 5, "test": 5}
    assert listed[0]["rejected"] == {"unreadable": 2}
    assert len(world.http.get("/v1/corpora/people").json()["shards"]) == 3
    assert world.http.get("/v1/corpora/nobody").status_code == 404


def test_promote_and_rollback_leave_an_audit_trail(world, tmp_path):
    first = world.bundle.digest
    second = world.bundle.model_copy(update={"card": {"kimg": 200}})
    world.store.put(f"registry/{second.digest[7:]}/bundle.json", second.to_bytes())
    moved = world.http.post(
        "/v1/models/humans/promote", json={"version": second.digest, "reason": "looks better"}
    )
    assert moved.status_code == 200, moved.text
    assert world.http.get("/v1/models/humans").json()["aliases"]["champion"] == second.digest
    back = world.http.post("/v1/models/humans/rollback", json={"reason": "it does not"})
    assert world.http.get("/v1/models/humans").json()["aliases"]["champion"] == first
    trail = back.json()["items"]
    assert [(move["digest"], move["reason"]) for move in trail[:2]] == [
        (first, "it does not"),
        (second.digest, "looks better"),
    ]
    assert len(trail[0]["actor"]) == 64
    assert world.http.get("/v1/models/humans/history").json() == back.json()
    late = world.http.post(
        "/v1/models/humans/rollback", json={"reason": "again", "present": second.digest}
    )
    assert late.json() == back.json()
    again = world.http.post("/v1/models/humans/rollback", json={"reason": "again"})
    assert again.status_code == 409
    assert world.http.get("/v1/models/humans/versions/champion").json()["card"] == {"kimg": 100}
    unknown = world.http.post(
        "/v1/models/humans/promote", json={"version": "sha256:" + "0" * 64, "reason": "x"}
    )
    assert unknown.status_code == 404


def test_an_order_takes_the_new_champion_and_an_earlier_one_keeps_its_own(world):
    before = world.order()
    second = world.bundle.model_copy(update={"card": {"kimg": 200}})
    world.store.put(f"registry/{second.digest[7:]}/bundle.json", second.to_bytes())
    world.http.post(
        "/v1/models/humans/promote", json={"version": second.digest, "reason": "better"}
    )
    after = world.order()
    assert (before["bundle"], after["bundle"]) == (world.bundle.digest, second.digest)
    assert world.http.get(f"/v1/datasets/{before['id']}").json()["bundle"] == world.bundle.digest
    assert world.catalog.request(before["id"]).plan.bundle == world.bundle.digest


def test_curves_are_what_the_trainer_wrote(world, book, tmp_path):
    run = order(world)
    path = f"/v1/training-runs/{run['id']}/curves"
    assert world.http.get(path).json() == {"items": []}
    with ScalarLog(tmp_path, "gan") as log:
        for step in range(1000):
            log.write(step, {"total": 1 / (step + 1), "broken": float("nan")})
        log.write(500, {"total": 7.0})  # a restart from an older state
        log.write(501, {"val_mad": 0.25})
    key = keys.training_run(run["id"], "files/adversarial/gan.jsonl")
    world.store.put(key, (tmp_path / "gan.jsonl").read_bytes() + b'{"step": 502, "tot')
    (found,) = world.http.get(path, params={"points": 100}).json()["items"]
    assert (found["stage"], found["log"], found["whole"]) == ("adversarial", "gan", True)
    total, val_mad = found["curves"]
    assert (val_mad["steps"], val_mad["values"]) == ([501], [0.25])
    assert len(total["steps"]) <= 100
    assert total["steps"] == sorted(set(total["steps"]))
    assert (total["steps"][-1], total["values"][-1]) == (500, 7.0)
    assert total["values"][0] > total["values"][10] > total["values"][-2]
    assert world.http.get(path, params={"stage": "fine_tune"}).json() == {"items": []}
    assert world.http.get(path, params={"stage": "lunch"}).status_code == 422
    assert world.http.get("/v1/training-runs/tr_" + "0" * 24 + "/curves").status_code == 404


def test_of_a_long_log_the_newest_part_is_read(world, book, monkeypatch):
    monkeypatch.setattr("core.training.curves.MAX_BYTES", 1000)
    run = order(world)
    lines = b"".join(b'{"step": %d, "total": 1}\n' % step for step in range(1000))
    world.store.put(keys.training_run(run["id"], "files/warm_start/warm-start.jsonl"), lines)
    (found,) = world.http.get(f"/v1/training-runs/{run['id']}/curves").json()["items"]
    assert not found["whole"]
    assert found["curves"][0]["steps"][-1] == 999
    assert len(found["curves"][0]["steps"]) < 50
