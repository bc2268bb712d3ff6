"""Start-up, health, metrics, OpenAPI, and what the API may import."""

import asyncio
import re
import stat
import subprocess
import sys
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient
from openapi_spec_validator import validate

from core.adapters.memory import MemoryLiveView
from core.adapters.memory_doorbell import MemoryDoorbell
from core.adapters.memory_store import MemoryStore
from core.errors import (
    LiveViewUnavailable,
    PermanentError,
    StoreRefused,
    StoreUnavailable,
    StoreUnfit,
    Unauthorized,
)
from core.keyring import KeyRing
from core.settings import Settings
from service import startup
from service.app import create_app
from service.middleware import BearerAuth

BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "models", "workers", "transformers", "numba", "deploy"}:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocker())
import service.app
service.app.create_app
"""


def memory_app(settings: Settings, store: MemoryStore):
    return create_app(settings, store=store, live=MemoryLiveView(), doorbell=MemoryDoorbell())


@pytest.mark.thorough
def test_the_api_needs_neither_torch_nor_models_nor_workers():
    subprocess.run([sys.executable, "-W", "error", "-c", BLOCKER], check=True, timeout=60)


def test_the_first_start_makes_one_key_and_tells_where_it_lies(capsys, tmp_path):
    store, path = MemoryStore(), tmp_path / "key"
    settings = Settings(api_key=None, api_key_file=path)
    with TestClient(memory_app(settings, store)):
        pass
    key = path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KeyRing(store).find(key) is not None
    assert all(key not in name for name in store.list_keys(""))
    told = capsys.readouterr()
    assert str(path) in told.err
    assert key not in told.err + told.out
    with TestClient(memory_app(settings, store)) as http:
        headers = {"Authorization": f"Bearer {key}"}
        assert http.get("/v1/datasets", headers=headers).status_code == 200
    assert capsys.readouterr().err == ""


def test_a_first_key_that_can_not_be_kept_is_not_made(tmp_path):
    store = MemoryStore()
    settings = Settings(api_key=None, api_key_file=tmp_path / "lacks" / "key")
    with (
        pytest.raises(PermanentError, match="set MATTEFORGE_API_KEY"),
        TestClient(memory_app(settings, store)),
    ):
        pass
    assert list(store.list_keys("keys/")) == []


def test_a_given_key_is_registered_and_none_made(capsys):
    store = MemoryStore()
    with TestClient(memory_app(Settings(api_key="mf_given"), store)) as http:
        assert (
            http.get("/v1/datasets", headers={"Authorization": "bearer mf_given"}).status_code
            == 200
        )
    assert len(list(store.list_keys("keys/"))) == 1
    assert capsys.readouterr().err == ""


def test_valid_keys_are_cached_for_a_minute(world, monkeypatch):
    (key,) = world.store.list_keys("keys/")
    assert world.http.get("/v1/datasets").status_code == 200
    world.store.delete(key)
    assert world.http.get("/v1/datasets").status_code == 200
    monkeypatch.setattr("service.middleware.time.monotonic", lambda: 1e12)
    assert world.http.get("/v1/datasets").status_code == 401


def test_the_cache_of_keys_is_bounded():
    ring = SimpleNamespace(find=lambda secret: secret)
    auth = BearerAuth(None, ring)  # type: ignore[arg-type]

    async def fill() -> None:
        for number in range(1500):
            assert await auth._key(f"k{number}", ring.find, Unauthorized(), 1.0) == f"k{number}"

    asyncio.run(fill())
    assert len(auth._known) <= 1000


def test_ready_names_what_is_missing(world, monkeypatch):
    assert world.http.get("/healthz").json() == {"status": "ALIVE"}
    assert world.http.get("/readyz").json() == {"status": "READY"}

    def dead(*args: object) -> None:
        raise LiveViewUnavailable("no Redis here")

    monkeypatch.setattr(world.live, "ping", dead)
    answer = world.http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["code"] == "not_ready"
    assert "no Redis here" in answer.json()["detail"]
    assert world.http.get("/healthz").status_code == 200


def test_the_api_starts_before_its_store(monkeypatch):
    store = MemoryStore()
    probe = store.probe

    def dead() -> None:
        raise StoreUnavailable

    monkeypatch.setattr(startup, "RETRY_S", 0.05)
    monkeypatch.setattr(store, "probe", dead)
    app = memory_app(Settings(api_key="mf_test"), store)
    with TestClient(app) as http:
        assert "STARTING" in http.get("/readyz").json()["detail"]
        monkeypatch.setattr(store, "probe", probe)
        for _ in range(100):
            if http.get("/readyz").status_code == 200:
                break
            app.state.startup._stop.wait(0.05)
        assert (
            http.get("/v1/datasets", headers={"Authorization": "Bearer mf_test"}).status_code == 200
        )


@pytest.mark.parametrize("error", [StoreUnfit, StoreRefused])
def test_a_store_that_no_waiting_mends_stops_the_start(monkeypatch, error):
    store = MemoryStore()

    def unfit() -> None:
        raise error

    monkeypatch.setattr(store, "probe", unfit)
    with pytest.raises(error), TestClient(memory_app(Settings(api_key="mf_test"), store)):
        pass


def test_refused_credentials_are_told_apart_from_an_outage(world, monkeypatch):
    for error in (StoreUnavailable("SlowDown"), StoreRefused("AccessDenied")):

        def fail(key: str, error=error) -> None:
            raise error

        monkeypatch.setattr(world.store, "head", fail)
        monkeypatch.setattr(world.store, "get", fail)
        answer = world.http.get("/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        assert f"{error.code}: {error.detail}" in answer.json()["detail"]
        asked = world.http.get("/v1/datasets/ds_" + "0" * 24)
        assert asked.json()["code"] == error.code


def test_an_api_whose_store_refuses_it_later_says_so_and_goes_on_once_mended(monkeypatch):
    store = MemoryStore()
    probe, answers = store.probe, iter([StoreUnavailable(), StoreRefused("AccessDenied")])

    def failing() -> None:
        raise next(answers, StoreRefused("AccessDenied"))

    monkeypatch.setattr(startup, "RETRY_S", 0.02)
    monkeypatch.setattr(store, "probe", failing)
    app = memory_app(Settings(api_key="mf_test"), store)
    with TestClient(app) as http:

        def ready_says(text: str) -> bool:
            for _ in range(100):
                if text in http.get("/readyz").text:
                    return True
                app.state.startup._stop.wait(0.02)
            return False

        assert ready_says("STARTING: AccessDenied")
        monkeypatch.setattr(store, "probe", probe)
        assert ready_says('"READY"')


def test_metrics_count_requests_by_route_and_datasets_by_state(world, monkeypatch):
    out = world.order()
    world.http.get(out["links"]["self"])
    world.http.get("/nowhere")
    text = world.http.get("/metrics").text
    assert (
        'matteforge_request_seconds_count{method="POST",route="/v1/datasets",status="202"} 1.0'
        in text
    )
    assert (
        'matteforge_request_seconds_count{method="GET",'
        'route="/v1/datasets/{dataset_id}",status="200"} 1.0' in text
    )
    assert (
        'matteforge_request_seconds_count{method="any",route="unmatched",status="404"} 1.0' in text
    )
    assert out["id"] not in text
    assert 'matteforge_active_datasets{state="queued"} 1.0' in text
    assert 'matteforge_queue_messages{queue="control"} 1.0' in text

    def dead() -> None:
        raise LiveViewUnavailable

    monkeypatch.setattr(world.live, "active_ids", dead)
    without = world.http.get("/metrics")
    assert without.status_code == 200
    assert "matteforge_active_datasets" not in without.text


def test_the_documentation_needs_neither_a_key_nor_another_host(world):
    http = TestClient(world.http.app)
    page = http.get("/docs").text
    needed = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert len(needed) == 3, "script, style, icon"
    assert "//" not in "".join(needed)
    for path in needed:
        answer = http.get(path)
        assert answer.status_code == 200
        assert len(answer.content) > 1000
    assert http.get("/docs/files/%2e%2e/core.py").status_code == 404
    assert http.get("/docs/files/../../v1/datasets").status_code == 401


@pytest.mark.thorough
def test_openapi_is_valid_and_complete(world):
    schema = world.http.get("/openapi.json").json()
    validate(schema)
    assert set(schema["paths"]) == {
        "/v1/datasets",
        "/v1/datasets/{dataset_id}",
        "/v1/estimates",
        "/v1/audit",
        "/v1/datasets/{dataset_id}/expiry",
        "/v1/datasets/{dataset_id}/cancel",
        "/v1/datasets/{dataset_id}/events",
        "/v1/datasets/{dataset_id}/files",
        "/v1/datasets/{dataset_id}/manifest",
        "/v1/datasets/{dataset_id}/preview.webp",
        "/v1/datasets/{dataset_id}/rejected",
        "/v1/datasets/{dataset_id}/rejected/{name}.webp",
        "/v1/datasets/{dataset_id}/samples",
        "/v1/datasets/{dataset_id}/samples/{key}/{member}",
        "/v1/datasets/{dataset_id}/shards",
        "/v1/datasets/{dataset_id}/shards/{name}",
        "/v1/training-schedules",
        "/v1/training-schedules/{name}",
        "/v1/keys",
        "/v1/keys/{key_id}",
        "/v1/keys/{key_id}/rotate",
        "/v1/models",
        "/v1/models/{name}",
        "/v1/models/{name}/promote",
        "/v1/models/{name}/rollback",
        "/v1/models/{name}/history",
        "/v1/models/{name}/versions/{version}",
        "/v1/webhooks/secret",
        "/v1/webhooks/test",
        "/v1/webhooks/deliveries",
        "/v1/webhooks/deliveries/{delivery_id}",
        "/v1/webhooks/deliveries/{delivery_id}/replay",
        "/v1/datasets/{dataset_id}/subsets",
        "/v1/datasets/{dataset_id}/extend",
        "/v1/datasets/{dataset_id}/regenerate",
        "/v1/datasets/{dataset_id}/comparison",
        "/v1/datasets/{dataset_id}/files/{name}",
        "/v1/mattes",
        "/v1/mattes/{matte_id}",
        "/v1/mattes/{matte_id}/result",
        "/v1/matte-batches",
        "/v1/matte-batches/{batch_id}",
        "/v1/matte-batches/{batch_id}/cancel",
        "/v1/matte-batches/{batch_id}/events",
        "/v1/matte-batches/{batch_id}/pictures",
        "/v1/matte-batches/{batch_id}/result",
        "/v1/corpora",
        "/v1/corpora/{name}",
        "/v1/training-runs",
        "/v1/training-runs/{run_id}",
        "/v1/training-runs/{run_id}/cancel",
        "/v1/training-runs/{run_id}/curves",
        "/v1/training-runs/{run_id}/events",
        "/healthz",
        "/readyz",
        "/metrics",
    }
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            problems = [s for s in operation["responses"] if int(s) >= 400]
            for status in problems:
                assert operation["responses"][status]["content"] == {
                    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                }
            if path not in ("/healthz", "/readyz"):
                assert operation["security"] == [{"ApiKey": []}], path
                assert "401" in problems
    assert "HTTPValidationError" not in schema["components"]["schemas"]
    examples = schema["components"]["schemas"]["DatasetSpec"]["properties"]
    assert examples["count"]["examples"] == [64]
