"""Stores whose disk is full: they take nothing, and can be read. So does the API."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from core.adapters.memory_store import MemoryStore
from core.adapters.redis_connection import connect
from core.errors import StoreUnavailable
from core.registry import Registry
from core.settings import Settings
from service.app import create_app

ORDER = {"count": 5}


@pytest.fixture
def store(bundle_folder: Path) -> MemoryStore:
    store = MemoryStore()
    Registry(store).publish_shipped(bundle_folder)
    return store


@pytest.fixture
def redis(valkey_url: str) -> Iterator[Any]:
    """A Valkey that can be told to take no writes."""
    client = connect(valkey_url)
    yield client
    client.config_set("min-replicas-to-write", 0)
    client.close()


@pytest.fixture
def http(store: MemoryStore, redis: Any, valkey_url: str) -> Iterator[TestClient]:
    settings = Settings(api_key="mf_test", redis_url=valkey_url)
    headers = {"Authorization": "Bearer mf_test"}
    with TestClient(create_app(settings, store=store), headers=headers) as client:
        yield client


def test_a_valkey_that_takes_no_writes(http: TestClient, redis: Any) -> None:
    made = http.post("/v1/datasets", json=ORDER).json()["id"]
    redis.config_set("min-replicas-to-write", 1)  # with none there, as with a full disk
    for _ in range(3):
        later = http.post("/v1/datasets", json=ORDER)
        assert later.status_code == 202, "claimed in the store"
        assert [one["id"] for one in http.get("/v1/datasets").json()["items"]] == [made]
        for known in (made, later.json()["id"]):
            assert http.get(f"/v1/datasets/{known}").json()["state"] == "queued"


def test_a_store_that_takes_no_writes(
    http: TestClient, store: MemoryStore, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = http.post("/v1/datasets", json=ORDER).json()["id"]
    redis.flushall()  # so that the store is asked

    def full(*_: object, **__: object) -> str:
        error = StoreUnavailable("the object store answered 500")
        error.answered = True
        raise error

    monkeypatch.setattr(store, "put", full)
    for _ in range(3):
        refused = http.post("/v1/datasets", json=ORDER)
        assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
        redis.flushall()
        assert http.get(f"/v1/datasets/{made}").json()["state"] == "queued"
