"""/v1/matte-batches: what it takes, what it refuses, who may see what. No worker here."""

import json

import pytest

from core import keys
from core.datasets.dataset import utcnow
from core.keyring import KeyRing
from core.matte_batch import BatchEnd, BatchPicture, BatchPictures
from core.matte_batches import MatteBatches
from core.mattes import MatteOutcome
from core.messages import RunMatteBatch
from matteforge.schemas.datasets import DatasetState
from matteforge.schemas.keys import KeyIn


def send(world, archive: bytes | None = b"PK", headers: dict | None = None, **form: str):
    files = {"archive": ("photos.zip", archive, "application/zip")} if archive is not None else {}
    if "background_image" in form:
        files["background_image"] = ("b.png", form.pop("background_image").encode(), "image/png")
    return world.http.post(
        "/v1/matte-batches", files=files or None, data=form, headers=headers or {}
    )


def made(world, batch_id: str, outcomes: int = 2) -> None:
    """What a worker does."""
    book = MatteBatches(world.store)
    pictures = [
        BatchPicture(name=f"{i}.jpg", result=f"{i}.png", key="k") for i in range(outcomes + 1)
    ]
    book.put_pictures(batch_id, BatchPictures(items=pictures))
    refused = MatteOutcome(code="picture_rejected", detail="it is damaged")
    book.put_part(batch_id, 0, [MatteOutcome(width=3, height=2)] * outcomes + [refused])


def test_a_zip_is_kept_and_a_worker_is_told(world):
    answer = send(world, b"PK..", output="alpha", side="256")
    assert answer.status_code == 202, answer.text
    batch = answer.json()
    assert (batch["state"], batch["output"], batch["counts"]["total"]) == ("queued", "alpha", None)
    assert answer.headers["location"] == batch["links"]["self"]
    assert world.store.get(keys.matte_batch(batch["id"], "archive.zip"))[0] == b"PK.."
    assert world.doorbell.rung[-1][0] == RunMatteBatch(batch_id=batch["id"])
    assert MatteBatches(world.store).record(batch["id"]).matte.side == 256
    assert world.http.get(batch["links"]["pictures"]).json()["items"] == []
    assert world.http.get(f"{batch['links']['self']}/result").status_code == 409


def test_progress_pictures_and_the_result(world):
    batch = send(world).json()
    made(world, batch["id"])
    now = world.http.get(batch["links"]["self"]).json()
    assert (now["state"], now["counts"]) == ("finalizing", {"total": 3, "made": 2, "failed": 1})
    first = world.http.get(batch["links"]["pictures"], params={"limit": 2}).json()
    assert [picture["state"] for picture in first["items"]] == ["done", "done"]
    assert "results/0.png" in first["items"][0]["url"]
    rest = world.http.get(
        batch["links"]["pictures"], params={"limit": 2, "cursor": first["next_cursor"]}
    ).json()
    assert rest["items"][0]["error"]["detail"] == "it is damaged"
    assert rest["next_cursor"] is None
    end = BatchEnd(state=DatasetState.COMPLETED, at=utcnow(), size_bytes=9, notice="n")
    MatteBatches(world.store).finish(batch["id"], end)
    done = world.http.get(batch["links"]["self"]).json()
    assert (done["state"], done["size_bytes"], done["notice"]) == ("completed", 9, "n")
    result = world.http.get(done["links"]["result"])
    assert result.status_code == 307
    assert f"{batch['id']}/results.zip" in result.headers["location"]


def test_a_stream_tells_each_change_and_the_end(world, monkeypatch):
    from service.routes import matte_batches as routes

    batch, book = send(world).json(), MatteBatches(world.store)
    end = BatchEnd(state=DatasetState.COMPLETED, at=utcnow())
    steps = [lambda: None, lambda: made(world, batch["id"]), lambda: book.finish(batch["id"], end)]
    view = MatteBatches.view

    def viewed(self, batch_id):
        found = view(self, batch_id)
        if steps:
            steps.pop(0)()
        return found

    monkeypatch.setattr(routes, "POLL_S", 0.01)
    monkeypatch.setattr(MatteBatches, "view", viewed)
    frames = world.http.get(batch["links"]["events"]).text.strip().split("\n\n")
    told = [dict(line.split(": ", 1) for line in frame.splitlines()) for frame in frames]
    assert [event["event"] for event in told] == ["snapshot", "snapshot", "state"]
    said = [json.loads(event["data"]) for event in told]
    assert [now["state"] for now in said] == ["queued", "finalizing", "completed"]
    assert said[1]["counts"] == {"total": 3, "made": 2, "failed": 1}
    resumed = {"Last-Event-ID": told[2]["id"]}
    assert "event: state" in world.http.get(batch["links"]["events"], headers=resumed).text
    assert world.http.get("/v1/matte-batches/mb_" + "1" * 24 + "/events").status_code == 404


def test_the_same_key_is_the_same_batch(world):
    key = {"Idempotency-Key": "monday"}
    first, again = send(world, headers=key), send(world, headers=key)
    assert first.json()["id"] == again.json()["id"]
    for other in ({"archive": b"PK2"}, {"output": "alpha"}, {"model": f"humans@{'champion'}"}):
        answer = send(world, headers=key, **other)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")


def test_a_retry_brings_what_did_not_arrive(world, monkeypatch):
    key = {"Idempotency-Key": "k"}
    batch = send(world, headers=key).json()
    world.store.delete(keys.matte_batch(batch["id"], "archive.zip"))
    send(world, headers=key)
    assert world.store.head(keys.matte_batch(batch["id"], "archive.zip"))


@pytest.mark.parametrize(
    ("archive", "form", "named"),
    [
        (None, {"output": "alpha"}, "either a zip"),
        (b"PK", {"prefix": "june"}, "either a zip"),
        (b"", {}, "empty"),
        (None, {"prefix": "../other"}, "prefix: name a folder"),
        (None, {"prefix": "/"}, "prefix: name a folder"),
        (None, {"prefix": "a//b"}, "prefix: name a folder"),
        (b"PK", {"background": "blur"}, "output=composite"),
        (b"PK", {"model": "cats"}, "there is no model 'cats'"),
        (b"PK", {"side": "8"}, "side"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(world, archive, form, named):
    answer = send(world, archive, **form)
    assert answer.status_code == 422, answer.text
    assert named in answer.json()["detail"]
    assert not list(world.store.list_keys(keys.MATTE_BATCHES))


def test_a_folder_is_normalised(world):
    assert send(world, None, prefix="/june/").json()["prefix"] == "june/"


def test_cancel_and_delete(world):
    batch = send(world).json()
    path = batch["links"]["self"]
    assert world.http.delete(path).status_code == 409
    assert world.http.post(f"{path}/cancel").json()["cancel_requested"]
    assert world.http.post(f"{path}/cancel").status_code == 202
    MatteBatches(world.store).finish(
        batch["id"], BatchEnd(state=DatasetState.COMPLETED, at=utcnow())
    )
    assert world.http.post(f"{path}/cancel").status_code == 409
    assert world.http.delete(path).status_code == 204
    assert world.http.get(path).status_code == 404
    assert not list(world.store.list_keys(keys.MATTE_BATCHES))


def test_pages_newest_first_of_one_s_own_tenant(world):
    _, secret = KeyRing(world.store).create(KeyIn(name="other", tenant="other"))
    ids = [send(world).json()["id"] for _ in range(3)][::-1]
    page = world.http.get("/v1/matte-batches", params={"limit": 2}).json()
    assert [item["id"] for item in page["items"]] == ids[:2]
    rest = world.http.get("/v1/matte-batches", params={"cursor": page["next_cursor"]}).json()
    assert [item["id"] for item in rest["items"]] == ids[2:]
    assert world.http.get("/v1/matte-batches", params={"cursor": "mb_x"}).status_code == 400
    pictures = f"/v1/matte-batches/{ids[0]}/pictures"
    assert world.http.get(pictures, params={"cursor": "x"}).status_code == 400
    other = {"Authorization": f"Bearer {secret}"}
    assert world.http.get("/v1/matte-batches", headers=other).json()["items"] == []
    path = f"/v1/matte-batches/{ids[0]}"
    for method, tail in (("GET", ""), ("GET", "/pictures"), ("GET", "/result"),
                         ("POST", "/cancel"), ("DELETE", "")):  # fmt: skip
        assert world.http.request(method, path + tail, headers=other).status_code == 404
    assert world.http.get("/v1/matte-batches/mb_nothing").status_code == 404
