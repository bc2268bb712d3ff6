"""A route that waits too long is answered for; health waits for nothing."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.responses import PlainTextResponse

from core import keyring as module
from core.adapters.memory import MemoryLiveView
from core.adapters.memory_doorbell import MemoryDoorbell
from core.adapters.memory_store import MemoryStore
from core.keyring import KeyRing
from core.messages import QUEUE_GENERATE, Consumer
from core.settings import Settings
from service import lookups, readiness
from service.app import create_app
from service.deadline import Deadline

AUTH = {"Authorization": "Bearer mf_test"}


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Held shut during a test: what waits for it hangs."""
    event = threading.Event()
    yield event
    event.set()


def test_a_late_response_is_a_503_with_retry_after(gate):
    app = FastAPI()

    @app.get("/slow")
    def slow() -> str:
        gate.wait(20)
        return "late"

    @app.get("/quick")
    def quick() -> str:
        return "in time"

    app.add_middleware(Deadline, seconds=0.2)
    with TestClient(app) as http:
        begun_s = time.monotonic()
        answer = http.get("/slow")
        assert time.monotonic() - begun_s < 5
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert answer.json()["code"] == "transient"
        assert http.get("/quick").json() == "in time"
        gate.set()


def test_who_asks_to_wait_longer_gets_longer():
    async def slow(scope, receive, send):
        await asyncio.sleep(0.4)
        await PlainTextResponse("waited")(scope, receive, send)

    http = TestClient(Deadline(slow, seconds=0.1, longer={"/waits": 30}))
    assert http.get("/other").status_code == 503
    assert http.get("/waits").text == "waited"


def test_a_response_that_began_may_take_its_time():
    app = FastAPI()

    async def scope(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        time.sleep(0.4)
        await send({"type": "http.response.body", "body": b"whole"})

    app.mount("/", scope)
    app.add_middleware(Deadline, seconds=0.1)
    with TestClient(app) as http:
        assert http.get("/").content == b"whole"


def test_a_slow_upload_is_no_late_response_and_some_paths_may_take_longer():
    app = FastAPI()

    async def reads_all(scope, receive, send):
        while (await receive()).get("more_body"):
            time.sleep(0.15)
        await asyncio.sleep(0.15 if scope["path"] == "/" else 0.4)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"whole"})

    app.mount("/", reads_all)
    app.add_middleware(Deadline, seconds=0.3, longer={"/patient": 5})
    with TestClient(app) as http:
        assert http.post("/", content=iter([b"x"] * 4)).content == b"whole"
        assert http.post("/patient", content=b"x").content == b"whole"
        assert http.post("/hasty", content=b"x").status_code == 503


GUESSES = {
    "keys": lambda http, n: http.get("/v1/datasets", headers={"Authorization": f"Bearer {n}"}),
    "keys to sign in": lambda http, n: http.post("/session", json={"key": f"wrong-{n}"}),
    "sessions": lambda http, n: http.get("/session", headers=cookie(n)),
    "sessions of requests": lambda http, n: http.get("/v1/datasets", headers=cookie(n)),
}


def cookie(number: int) -> dict[str, str]:
    return {"Cookie": f"matteforge_session=999999999999.wrong-{number}"}


@pytest.mark.thorough
@pytest.mark.parametrize("what", GUESSES)
def test_guesses_cost_no_thread_of_others_while_the_store_hangs(gate, monkeypatch, what):
    monkeypatch.setattr(lookups, "WAIT_S", 0.3)
    monkeypatch.setattr(readiness, "WAIT_S", 0.3)
    store = MemoryStore()
    app = create_app(
        Settings(api_key="mf_test"), store=store, live=MemoryLiveView(), doorbell=MemoryDoorbell()
    )
    with TestClient(app) as http:
        assert http.get("/v1/datasets", headers=AUTH).status_code == 200
        for name in ("list_names", "head", "get"):
            monkeypatch.setattr(store, name, lambda *_, **__: gate.wait(20) and iter(()))
        time.sleep(1.1)  # the list of keys is not fresh any more
        statuses = set()

        def guess(number: int) -> None:
            statuses.add(GUESSES[what](http, number).status_code)

        guesses = [threading.Thread(target=guess, args=(number,)) for number in range(60)]
        for thread in guesses:
            thread.start()
        begun_s = time.monotonic()
        assert http.get("/healthz").status_code == 200
        assert http.get("/v1/datasets", headers=AUTH).status_code == 200  # known, and Redis answers
        assert "the object store did not answer" in http.get("/readyz").json()["detail"]
        for thread in guesses:
            thread.join()
        assert time.monotonic() - begun_s < 10
        assert statuses == {503}
        gate.set()


def test_guessed_keys_cost_one_listing_a_second(monkeypatch):
    store = MemoryStore()
    ring = KeyRing(store)
    ring.register("mf_test")
    calls = []
    listed = store.list_names
    monkeypatch.setattr(store, "list_names", lambda prefix: calls.append(1) or listed(prefix))
    assert [ring.find(f"guess {number}") for number in range(1000)] == [None] * 1000
    assert ring.find("mf_test") is not None
    assert len(calls) <= 2


def test_streams_do_not_queue_for_the_list_of_keys(gate, monkeypatch):
    store = MemoryStore()
    ring = KeyRing(store)
    ring.register("mf_test")
    own = ring.find("mf_test")
    monkeypatch.setattr(module, "FRESH_S", 0.0)
    monkeypatch.setattr(store, "list_names", lambda prefix: gate.wait(20) and iter(()))
    lister = threading.Thread(target=ring.find, args=("mf_test",))
    lister.start()
    time.sleep(0.2)
    begun_s = time.monotonic()
    assert [ring.by_hash(own.sha256, wait=False) for _ in range(100)] == [own] * 100
    assert time.monotonic() - begun_s < 10
    gate.set()
    lister.join()


def test_a_new_key_counts_within_a_second():
    store = MemoryStore()
    ring = KeyRing(store)
    assert ring.find("mf_new") is None
    KeyRing(store).register("mf_new")
    time.sleep(1.05)
    assert ring.find("mf_new") is not None


def test_ready_knows_workers_that_take_nothing(world):
    idle = Consumer(name="generate-1@host generate", queue=QUEUE_GENERATE, idle_s=0.0)
    world.doorbell.attend(idle)
    assert world.http.get("/readyz").status_code == 200
    world.doorbell.attend(Consumer(name=idle.name, queue=idle.queue, idle_s=20.0))
    answer = world.http.get("/readyz")
    assert answer.status_code == 503
    assert "generate-1@host generate took nothing for 20 s" in answer.json()["detail"]
    text = world.http.get("/metrics").text
    assert 'matteforge_workers{queue="generate"} 1.0' in text
    assert 'matteforge_stalled_workers{queue="generate"} 1.0' in text
