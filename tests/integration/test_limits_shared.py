"""Two processes of the API on one Valkey and one store: a limit is one limit for both."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from core.adapters.memory_store import MemoryStore
from core.datasets.catalog import Catalog
from core.registry import Registry
from core.settings import Settings
from service.app import create_app

ORDER = {"count": 100, "shard_size": 100}  # about 3.2 MB at 128 px


@pytest.fixture
def apis(valkey_url: str, bundle_folder: Path) -> Iterator[list[TestClient]]:
    """Two services that share what their processes would."""
    store, settings = MemoryStore(), Settings(api_key="mf_test", redis_url=valkey_url)
    Registry(store).publish_shipped(bundle_folder)
    headers = {"Authorization": "Bearer mf_test"}
    with ExitStack() as opened:
        yield [
            opened.enter_context(TestClient(create_app(settings, store=store), headers=headers))
            for _ in range(2)
        ]


def clients(apis: list[TestClient], **limits: float) -> list[TestClient]:
    """One key of the tenant `lab`, at both services."""
    made = apis[0].post("/v1/keys", json={"name": "x", "tenant": "lab", "limits": limits}).json()
    headers = {"Authorization": f"Bearer {made['key']}"}
    return [TestClient(api.app, headers=headers) for api in apis]


def raced(https: list[TestClient], number: int) -> list[int]:
    """The statuses of so many orders at once, half of them at each service."""
    with ThreadPoolExecutor(8) as pool:
        orders = [pool.submit(https[n % 2].post, "/v1/datasets", json=ORDER) for n in range(number)]
        return [order.result().status_code for order in orders]


def test_datasets_at_once(apis: list[TestClient], monkeypatch: pytest.MonkeyPatch) -> None:
    claim = Catalog.claim
    monkeypatch.setattr(Catalog, "claim", lambda *args: time.sleep(0.1) or claim(*args))
    https = clients(apis, datasets_at_once=5)
    answers = raced(https, 24)
    assert set(answers) <= {202, 429}
    assert answers.count(202) <= 5
    answers += raced(https, 10)  # who was refused for an order that was refused itself comes again
    assert answers.count(202) == 5
    assert len(https[0].get("/v1/datasets").json()["items"]) == 5


def test_bytes_stored(apis: list[TestClient]) -> None:
    size = apis[0].post("/v1/estimates", json=ORDER).json()["size_bytes"]
    https = clients(apis, bytes_stored=round(5.5 * size))
    assert [http.post("/v1/datasets", json=ORDER).status_code for http in https] == [202, 202]
    answers = raced(https, 24)
    assert set(answers) <= {202, 429}
    assert answers.count(202) <= 3
    answers += raced(https, 10)
    assert answers.count(202) == 3
    (made, *_) = https[0].get("/v1/datasets").json()["items"]
    assert https[1].delete(f"/v1/datasets/{made['id']}").status_code == 204
    assert https[1].post("/v1/datasets", json=ORDER).status_code == 202
