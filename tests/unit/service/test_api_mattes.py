"""POST /v1/mattes: what it takes, what it refuses, who may see the result. No worker here."""

import pytest

from core.keyring import KeyRing
from core.mattes import MatteBook, MatteOutcome
from core.messages import RunMatte
from matteforge.schemas.keys import KeyIn

PICTURE = b"whatever: the worker reads it"


def send(world, picture: bytes = PICTURE, **form: str):
    files = {"image": ("photo.jpg", picture, "image/jpeg")}
    if behind := form.pop("background_image", None):
        files["background_image"] = ("beach.jpg", behind.encode(), "image/jpeg")
    return world.http.post("/v1/mattes", files=files, data=form)


def test_a_picture_waits_for_a_worker_and_is_told_when_done(world):
    answer = send(world, output="alpha", side="256")
    assert answer.status_code == 202, answer.text
    made = answer.json()
    assert (made["state"], made["output"], made["bundle"]) == (
        "waiting",
        "alpha",
        world.bundle.digest,
    )
    assert answer.headers["location"] == made["links"]["self"]
    assert world.doorbell.rung[-1][0] == RunMatte(matte_id=made["id"])
    book = MatteBook(world.store)
    assert book.picture(made["id"], "image") == PICTURE
    assert (book.order(made["id"]).side, book.order(made["id"]).background) == (256, None)
    early = world.http.get(f"{made['links']['self']}/result")
    assert (early.status_code, early.json()["code"]) == (409, "state_conflict")
    book.end(made["id"], MatteOutcome(width=3, height=2, side=3, seconds=0.5, notice="n"), b"PNG")
    done = world.http.get(made["links"]["self"]).json()
    assert (done["state"], done["width"], done["notice"]) == ("done", 3, "n")
    result = world.http.get(done["links"]["result"])
    assert (result.content, result.headers["content-type"]) == (b"PNG", "image/png")


def test_a_refused_picture_fails_with_its_reason(world):
    made = send(world).json()
    outcome = MatteOutcome(code="picture_rejected", detail="the picture can't be read")
    MatteBook(world.store).end(made["id"], outcome, None)
    failed = world.http.get(made["links"]["self"]).json()
    assert failed["state"] == "failed"
    assert failed["error"] == {"code": "picture_rejected", "detail": "the picture can't be read"}
    assert "result" not in failed["links"]
    assert "can't be read" in world.http.get(f"{made['links']['self']}/result").json()["detail"]


def test_waiting_ends_with_the_work_or_the_deadline(world, monkeypatch):
    assert send(world, wait_s="0.2").json()["state"] == "waiting"
    monkeypatch.setattr(
        MatteBook, "outcome", lambda book, matte_id: MatteOutcome(width=1, height=1)
    )
    assert send(world, wait_s="30").json()["state"] == "done"


@pytest.mark.parametrize(
    ("form", "named"),
    [
        ({"output": "sticker"}, "output"),
        ({"background": "blur"}, "output=composite"),
        ({"output": "composite", "background": "mauve"}, "'mauve' is neither #rrggbb nor blur"),
        ({"output": "composite", "background": "picture"}, "neither #rrggbb nor blur"),
        ({"output": "composite", "background": "blur", "background_image": "x"}, "either"),
        ({"model": "cats"}, "there is no model 'cats'"),
        ({"side": "8"}, "side"),
        ({"wait_s": "3600"}, "wait_s"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(world, form, named):
    answer = send(world, **form)
    assert answer.status_code == 422, answer.text
    assert named in answer.json()["detail"]
    assert not list(world.store.list_folders("mattes/"))


def test_an_empty_file_and_no_file_are_refused(world):
    assert "empty" in send(world, b"").json()["detail"]
    assert world.http.post("/v1/mattes", data={"output": "alpha"}).status_code == 422


def test_pictures_may_be_larger_than_orders_but_not_boundless(world):
    assert send(world, b"x" * (2 << 20)).status_code == 202
    announced = {"Content-Length": str(1 << 40), "Content-Type": "multipart/form-data; boundary=b"}
    answer = world.http.post("/v1/mattes", content=b"", headers=announced)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    order = world.http.post("/v1/datasets", content=b"[" * (2 << 20))
    assert order.status_code in (413, 415)


def test_only_the_tenant_that_ordered_sees_the_picture(world):
    _, secret = KeyRing(world.store).create(KeyIn(name="other", tenant="other"))
    made = send(world).json()
    other = {"Authorization": f"Bearer {secret}"}
    for path in (made["links"]["self"], f"{made['links']['self']}/result"):
        assert world.http.get(path, headers=other).status_code == 404
    assert world.http.get("/v1/mattes/mt_nothing").status_code == 404
