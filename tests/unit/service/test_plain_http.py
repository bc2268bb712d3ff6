"""HEAD, and a reverse proxy that strips a prefix."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from core.settings import Settings
from matteforge import MatteForge
from service.app import create_app


@pytest.mark.thorough
def test_head_is_get_without_its_body(world):
    made = world.order()
    world.commit(made["id"], 0)
    own = f"/v1/datasets/{made['id']}"
    open_to_all = ["/healthz", "/readyz", "/", "/docs", "/openapi.json"]
    paths = [*open_to_all, "/v1/datasets", own, f"{own}/shards/000000.tar"]
    for path in paths:
        head, get = world.http.head(path), world.http.get(path)
        assert (path, head.status_code) == (path, get.status_code)
        assert head.content == b""
        assert head.headers.get("content-type") == get.headers.get("content-type")
        if path in open_to_all:  # others tell of a dataset's age
            assert head.headers.get("content-length") == get.headers.get("content-length")
    shard = world.http.head(paths[-1])
    assert shard.status_code == 307
    assert "000000.tar" in shard.headers["location"]


def test_head_asks_for_a_key_as_get_does_and_changes_nothing(world):
    assert TestClient(world.http.app).head("/v1/datasets").status_code == 401
    assert world.http.head("/v1/datasets/ds_" + "0" * 24).status_code == 404
    assert world.http.head(f"/v1/datasets/{world.order()['id']}/cancel").status_code == 405


@pytest.fixture
def behind(world: Any) -> Iterator[TestClient]:
    settings = Settings(api_key="mf_test", root_path="/mf")
    app = create_app(settings, store=world.store, live=world.live, doorbell=world.doorbell)
    with TestClient(app, headers=world.http.headers, follow_redirects=False) as http:
        yield http


def test_locations_and_the_reference_stay_below_a_prefix_that_is_stripped(behind):
    made = behind.post("/v1/datasets", json={"count": 5})
    assert made.headers["location"] == f"/mf/v1/datasets/{made.json()['id']}"
    page = behind.get("/docs").text
    assert "'/mf/openapi.json'" in page
    assert 'src="/mf/docs/files/swagger-ui-bundle.js"' in page
    assert behind.get("/openapi.json").json()["servers"] == [{"url": "/mf"}]


def test_the_console_stays_below_a_prefix(behind):
    page = behind.get("/").text
    assert 'src="/mf/console/app.js"' in page
    assert page.count('="/') == page.count('="/mf/') > 4
    for name in ("app.js", "api.js", "dom.js"):  # scripts find the others from where they are
        assert '"/console' not in behind.get(f"/console/{name}").text


def test_the_cookie_is_not_sent_to_others_of_the_same_host(behind):
    cookie = behind.post("/session", json={"key": "mf_test"}).headers["set-cookie"]
    assert "Path=/mf;" in cookie
    ended = behind.delete("/session", headers={"Cookie": cookie.split(";")[0]})
    assert "Path=/mf;" in ended.headers["set-cookie"]


def test_a_store_s_own_address_is_left_alone(world, behind):
    made = behind.post("/v1/datasets", json={"count": 10, "shard_size": 10}).json()
    world.commit(made["id"], 0)
    answer = behind.get(f"/v1/datasets/{made['id']}/shards/000000.tar")
    assert answer.headers["location"].startswith("memory://")


def test_the_client_works_below_a_prefix():
    import httpx

    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        return httpx.Response(200, json={"items": []})

    with MatteForge("http://x/mf", "k", transport=httpx.MockTransport(answer)) as client:
        client.models()
    assert seen == ["/mf/v1/models"]
