"""Orders of rendered portraits: what is taken, what is refused and by which name."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from core.adapters.memory_doorbell import MemoryDoorbell
from core.settings import Settings
from matteforge.schemas.orders import DatasetSpec, RenderedSpec
from service.app import create_app
from service.fingerprint import fingerprint

FINGERPRINT = "f8c4874ccaf6e798ee186e60ffa8b101d57c895c9b9e377671557af49f3ef462"
RENDERED_FINGERPRINT = "882ecf325e212734a87bd582adde7d77dcd58c2be48012e355865d8f634639a5"
ORDER = {"count": 5, "source": "rendered"}


@pytest.fixture
def http(world: Any) -> Iterator[TestClient]:
    settings = Settings(api_key="mf_test", rendered=True)
    app = create_app(settings, store=world.store, live=world.live, doorbell=MemoryDoorbell())
    with TestClient(
        app, headers={"Authorization": "Bearer mf_test"}, follow_redirects=False
    ) as made:
        yield made


def test_an_order_of_people_is_claimed(http, world):
    answer = http.post(
        "/v1/datasets", json={**ORDER, "attributes": {"glasses": 0.3}, "members": ["trimap", "fg"]}
    )
    assert answer.status_code == 202, answer.text
    spec = answer.json()["spec"]
    assert (spec["source"], spec["size"], spec["shard_size"], spec["members"]) == (
        "rendered",
        256,
        6,
        ["fg", "trimap"],
    )
    assert "truncation_psi" not in spec
    record = world.catalog.request(answer.json()["id"])
    assert record.plan.thresholds == {}
    assert record.plan.render.shares["glasses"] == {"no": 0.7, "yes": 0.3}
    assert http.get(answer.headers["Location"]).json()["spec"] == spec


def test_another_domain_has_attributes_of_its_own(http, world):
    order = {**ORDER, "domain": "animals", "attributes": {"kind": {"cat": 0.6}, "collar": 0.2}}
    answer = http.post("/v1/datasets", json=order)
    assert answer.status_code == 202, answer.text
    assert answer.json()["spec"]["domain"] == "animals"
    render = world.catalog.request(answer.json()["id"]).plan.render
    assert render.domain == "animals"
    assert (render.shares["kind"]["cat"], render.shares["collar"]["yes"]) == (0.6, 0.2)
    assert "glasses" not in render.shares


def test_without_a_renderer_it_is_refused_at_once_with_what_to_install(world):
    answer = world.http.post("/v1/datasets", json=ORDER)
    assert (answer.status_code, answer.json()["code"]) == (422, "source_unavailable")
    assert "pip install '.[portraits]'" in answer.json()["detail"]
    assert not list(world.catalog.dataset_ids())


@pytest.mark.parametrize(
    ("spec", "pointer", "detail"),
    [
        (
            {**ORDER, "truncation_psi": 0.7},
            "/truncation_psi",
            "only orders of source 'generated' have it",
        ),
        ({"count": 5, "attributes": {}}, "/attributes", "only orders of source 'rendered' have it"),
        (
            {"count": 5, "source": "generated", "members": ["fg", "depth"]},
            "/members",
            "only rendered portraits have depth",
        ),
        ({"count": 5, "size": 64}, "/size", "only orders of source 'rendered' have it"),
        ({"count": 5, "source": "photos"}, "/source", "generated and rendered"),
        ({"count": 5, "source": ["rendered"]}, "/source", "generated and rendered"),
        (
            {"count": 5, "framing": "aligned"},
            "/framing",
            "only orders of source 'rendered' have it",
        ),
        ({**ORDER, "framing": "tight"}, "/framing", "'free' or 'aligned'"),
        ({**ORDER, "size": 63}, "/size", "greater than or equal to 64"),
        ({**ORDER, "size": 1025}, "/size", "less than or equal to 1024"),
        ({**ORDER, "members": ["mask"]}, "/members/0", "'fg'"),
        ({**ORDER, "attributes": {"hair": {"mohawk": 1}}}, "/attributes", "no value 'mohawk'"),
        ({**ORDER, "domain": "cars"}, "/domain", "nothing of the domain 'cars' is rendered"),
        ({**ORDER, "domain": 1}, "/domain", "string"),
        (
            {**ORDER, "domain": "animals", "attributes": {"glasses": 0.3}},
            "/attributes",
            "unknown attribute 'glasses'; known: kind",
        ),
        ({"count": 5, "domain": "animals"}, "/domain", "only orders of source 'rendered' have it"),
        ({**ORDER, "attributes": {"glasses": [1]}}, "/attributes", "must be a share"),
        ({**ORDER, "attributes": [1]}, "/attributes", "dictionary"),
        ({**ORDER, "surprise": 1}, "/surprise", "not permitted"),
        ({"source": "rendered"}, "/count", "required"),
    ],
)
def test_what_can_not_be_is_refused_by_its_name(http, spec, pointer, detail):
    answer = http.post("/v1/datasets", json=spec)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_spec")
    error = answer.json()["errors"][0]
    assert error["pointer"] == pointer
    assert detail in error["detail"]


def test_the_fingerprint_of_an_order_is_what_it_was_before_there_were_sources():
    """Else an Idempotency-Key sent again after an upgrade would be refused."""
    assert fingerprint(DatasetSpec(count=3, seed=1)) == FINGERPRINT


def test_the_fingerprint_of_rendered_people_is_what_it_was_before_there_were_framings():
    people = RenderedSpec(source="rendered", count=3, seed=1)
    assert fingerprint(people) == RENDERED_FINGERPRINT
    assert fingerprint(people.model_copy(update={"framing": "aligned"})) != RENDERED_FINGERPRINT


def test_both_kinds_of_order_are_in_the_api_description(http):
    schema = http.get("/openapi.json").json()
    examples = schema["paths"]["/v1/datasets"]["post"]["requestBody"]["content"][
        "application/json"
    ]["examples"]
    for example in examples.values():
        assert http.post("/v1/datasets", json=example["value"]).status_code == 202
    assert {"DatasetSpec", "RenderedSpec"} <= set(schema["components"]["schemas"])
