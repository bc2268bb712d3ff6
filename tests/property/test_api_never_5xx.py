"""Whatever arrives, the API answers below 500, and what it refuses it refuses as a problem."""

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.adapters.memory import MemoryLiveView
from core.adapters.memory_doorbell import MemoryDoorbell
from core.adapters.memory_store import MemoryStore
from core.bundle import Bundle
from core.registry import Registry
from core.settings import Settings
from matteforge.schemas.orders import DatasetSpec
from service.app import create_app

FIELDS = tuple(DatasetSpec.model_fields)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
NEAR_MISSES = st.fixed_dictionaries(
    {"count": st.integers(-1, 10**9) | JSON},
    optional={
        "model": st.just("humans") | st.from_regex(r"[a-z0-9@:\n-]{0,70}") | JSON,
        "seed": st.integers() | JSON,
        "truncation_psi": st.floats() | JSON,
        "shard_size": st.integers(0, 20_000) | JSON,
        "filter": st.dictionaries(
            st.sampled_from(["mad", "iou", "x"]), st.floats() | JSON, max_size=3
        )
        | JSON,
        "labels": st.dictionaries(st.text(), st.text(), max_size=3) | JSON,
    },
)
ORDERS = JSON | st.dictionaries(st.sampled_from(FIELDS) | st.text(), JSON, max_size=6) | NEAR_MISSES
HEADER_VALUES = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=300)
MANY = settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    store = MemoryStore()
    folder = tmp_path_factory.mktemp("bundle")
    bundle = Bundle(name="humans", files={}, thresholds={"mad": 0.03}, resolution=64)
    (folder / "bundle.json").write_bytes(bundle.to_bytes())
    Registry(store).publish(folder)
    app = create_app(
        Settings(api_key="k"), store=store, live=MemoryLiveView(), doorbell=MemoryDoorbell()
    )
    with TestClient(app, headers={"Authorization": "Bearer k"}, follow_redirects=False) as made:
        yield made


def check(answer) -> None:
    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code


@MANY
@given(order=ORDERS)
def test_any_json_is_taken_or_refused(http, order):
    answer = http.post(
        "/v1/datasets", content=json.dumps(order), headers={"Content-Type": "application/json"}
    )
    check(answer)
    if answer.status_code == 202:
        at_once = {"estimate": None, "waiting": None}  # told once, or looked at anew
        seen = http.get(answer.headers["Location"]).json()
        assert seen | at_once == answer.json() | at_once
        assert DatasetSpec.model_validate(answer.json()["spec"]).count == order["count"]


@MANY
@given(
    body=st.binary(max_size=200),
    media_type=st.sampled_from(["application/json", "text/plain", "", "application/"]),
)
def test_any_bytes_are_refused(http, body, media_type):
    answer = http.post("/v1/datasets", content=body, headers={"Content-Type": media_type})
    check(answer)
    assert answer.status_code >= 400


@MANY
@given(key=HEADER_VALUES)
def test_any_idempotency_key_is_taken_or_refused(http, key):
    headers = [("Idempotency-Key", key.encode("latin-1"))]
    first = http.post("/v1/datasets", json={"count": 1, "seed": 1}, headers=headers)
    check(first)
    if first.status_code == 202:
        assert (
            http.post("/v1/datasets", json={"count": 1, "seed": 1}, headers=headers).json()
            == first.json()
        )


@MANY
@given(
    path=st.sampled_from(
        ["/v1/datasets/{}", "/v1/datasets/{}/shards", "/v1/datasets/{}/manifest", "/v1/models/{}"]
    ),
    name=st.text(max_size=40),
    query=st.dictionaries(st.sampled_from(["cursor", "limit", "state"]), st.text(max_size=40)),
)
def test_any_address_is_answered(http, path, name, query):
    encoded = quote(name.encode("utf-8", "replace"), safe="")
    check(
        http.get(
            path.format(encoded), params={k: v.encode("utf-8", "replace") for k, v in query.items()}
        )
    )
    check(
        http.get("/v1/datasets", params={k: v.encode("utf-8", "replace") for k, v in query.items()})
    )


@MANY
@given(last_event_id=HEADER_VALUES, authorization=HEADER_VALUES)
def test_any_header_is_answered(http, last_event_id, authorization):
    missing = "/v1/datasets/ds_" + "0" * 24 + "/events"
    check(http.get(missing, headers=[("Last-Event-ID", last_event_id.encode("latin-1"))]))
    refused = TestClient(http.app).get(
        "/v1/datasets", headers=[("Authorization", authorization.encode("latin-1"))]
    )
    assert refused.status_code == 401
