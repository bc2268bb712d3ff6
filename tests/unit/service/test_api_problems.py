"""Whatever is sent, a failure is an RFC 9457 problem with a stable code: 4xx for the caller's
faults, never a trace."""

import json
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from core import errors
from matteforge.schemas.datasets import MAX_BODY_BYTES
from matteforge.schemas.problems import Problem
from service.problems import STATUS

JSON_TYPE = {"Content-Type": "application/json"}
LONG = "Bearer " + "x" * 9999
NOWHERE = "/v1/datasets/ds_" + "0" * 24


def problem_of(answer) -> Problem:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = Problem.model_validate_json(answer.content)
    assert problem.status == answer.status_code
    assert problem.type == f"urn:matteforge:problem:{problem.code}"
    assert "Traceback" not in answer.text
    assert problem.title
    assert problem.detail
    return problem


def leaves(root: type[errors.MatteForgeError]) -> Iterator[type[errors.MatteForgeError]]:
    """The leaves in core.errors. What models add below it for themselves answers as its parent."""
    below = [child for child in root.__subclasses__() if child.__module__ == errors.__name__]
    if not below:
        yield root
    for child in below:
        yield from leaves(child)


def test_every_leaf_of_the_error_tree_has_a_status():
    assert set(leaves(errors.MatteForgeError)) <= set(STATUS)
    codes = [error.code for error in STATUS]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("spec", "pointer"),
    [
        ({"count": 0}, "/count"),
        ({"count": -1}, "/count"),
        ({"count": 10**12}, "/count"),
        ({"count": "NaN"}, "/count"),
        ({"count": 1.5}, "/count"),
        ({"count": True}, "/count"),
        ({"count": "64"}, "/count"),
        ({"count": None}, "/count"),
        ({}, "/count"),
        ({"count": 5, "truncation_psi": 99}, "/truncation_psi"),
        ({"count": 5, "truncation_psi": 0}, "/truncation_psi"),
        ({"count": 5, "shard_size": 10_001}, "/shard_size"),
        ({"count": 5, "image_format": "gif"}, "/image_format"),
        ({"count": 5, "alpha_bits": 12}, "/alpha_bits"),
        ({"count": 5, "seed": -1}, "/seed"),
        ({"count": 5, "seed": 2**63}, "/seed"),
        ({"count": 5, "model": "../../etc"}, "/model"),
        ({"count": 5, "model": "humans\0"}, "/model"),
        ({"count": 5, "filter": {"beauty": 1}}, "/filter"),
        ({"count": 5, "filter": {"mad": -1}}, "/filter"),
        ({"count": 5, "labels": {"a": ""}}, "/labels/a"),
        ({"count": 5, "labels": {str(i): "x" for i in range(51)}}, "/labels"),
        ({"count": 5, "surprise": 1}, "/surprise"),
    ],
)
def test_an_invalid_order_says_where(world, spec, pointer):
    problem = problem_of(world.http.post("/v1/datasets", json=spec))
    assert (problem.status, problem.code) == (422, "invalid_spec")
    assert problem.errors
    assert problem.errors[0].pointer == pointer


@pytest.mark.parametrize(
    "spec",
    [
        {"count": 5, "model": "nobody"},
        {"count": 5, "model": "humans@nothing"},
        {"count": 5, "model": "humans@sha256:" + "0" * 64},
        {"count": 10**8, "shard_size": 1},
    ],
)
def test_an_order_that_nothing_can_serve_is_invalid(world, spec):
    problem = problem_of(world.http.post("/v1/datasets", json=spec))
    assert (problem.status, problem.code) == (422, "invalid_spec")
    assert not list(world.catalog.dataset_ids())


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 422, "invalid_spec"),
        (b"null", 422, "invalid_spec"),
        (b"[]", 422, "invalid_spec"),
        (b'"count"', 422, "invalid_spec"),
        (b"{", 400, "invalid_json"),
        (b'{"count": 5}\0', 400, "invalid_json"),
        (b"\0" * 100, 400, "invalid_json"),
        (b"\xff\xfe\x00", 400, "bad_request"),
        (b"[" * 100_000, 400, "bad_request"),
        (b'{"count": 1' + b"0" * 5000 + b"}", 400, "bad_request"),
        (b'{"count": NaN}', 422, "invalid_spec"),
        (b'{"count": 5, "truncation_psi": NaN}', 422, "invalid_spec"),
        (b'{"count": 5, "truncation_psi": Infinity}', 422, "invalid_spec"),
        (b'{"count": 5, "filter": {"mad": NaN}}', 422, "invalid_spec"),
        (b'{"count": 5, "labels": {"\\ud800": "x"}}', 422, "invalid_spec"),
        (b'{"count": 5, "\\ud800": "x"}', 422, "invalid_spec"),
        (b'{"count": 5, "labels": {"a": "\\u0000"}}', 422, "invalid_spec"),
        (b"a" * (MAX_BODY_BYTES + 1), 413, "body_too_large"),
        (b"[" * (10 << 20), 413, "body_too_large"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else value,
)
def test_bodies_that_are_no_order(world, body, status, code):
    problem = problem_of(world.http.post("/v1/datasets", content=body, headers=JSON_TYPE))
    assert (problem.status, problem.code) == (status, code)


def test_a_body_that_hides_its_length_is_counted(world):
    def chunks() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * (1 << 16)

    problem = problem_of(world.http.post("/v1/datasets", content=chunks(), headers=JSON_TYPE))
    assert problem.status == 413


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/xml", "multipart/form-data; boundary=x", ""]
)
def test_other_media_types_are_refused(world, media_type):
    answer = world.http.post(
        "/v1/datasets", content=b'{"count": 5}', headers={"Content-Type": media_type}
    )
    assert problem_of(answer).code == "unsupported_media_type"
    json_too = {"Content-Type": "application/json; charset=utf-8"}
    assert (
        world.http.post("/v1/datasets", content=b'{"count": 5}', headers=json_too).status_code
        == 202
    )


@pytest.mark.parametrize("key", ["", "x" * 256, "x" * 100_000, "a b", "\t", b"\xe4", b"\x80"])
def test_idempotency_keys_are_short_and_printable(world, key):
    answer = world.http.post("/v1/datasets", json={"count": 5}, headers={"Idempotency-Key": key})
    assert problem_of(answer).status == 422


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Basic bWZfdGVzdA==",
        "Bearer mf_test x",
        LONG,
        b"Bearer \xff",
    ],
)
def test_everything_needs_a_valid_key(world, header):
    http = TestClient(world.http.app)
    headers = {} if header is None else {"Authorization": header}
    for method, path in [
        ("GET", "/v1/datasets"),
        ("POST", "/v1/datasets"),
        ("GET", "/v1/models"),
        ("GET", "/metrics"),
        ("GET", "/nowhere"),
        ("DELETE", NOWHERE),
        ("GET", NOWHERE + "/events"),
    ]:
        answer = http.request(method, path, headers=headers)
        assert problem_of(answer).code == "unauthorized", path
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    for path in ("/", "/healthz", "/readyz", "/openapi.json", "/docs"):
        assert http.get(path, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", NOWHERE, "not_found"),
        ("GET", "/v1/datasets/nothing", "not_found"),
        ("GET", "/v1/datasets/%00", "not_found"),
        ("GET", "/v1/datasets/..%2F..%2Fkeys", "not_found"),
        ("GET", "/v1/datasets/" + "x" * 5000, "not_found"),
        ("DELETE", NOWHERE, "not_found"),
        ("POST", NOWHERE + "/cancel", "not_found"),
        ("GET", NOWHERE + "/events", "not_found"),
        ("GET", NOWHERE + "/shards", "not_found"),
        ("GET", NOWHERE + "/manifest", "not_found"),
        ("GET", "/v2/datasets", "not_found"),
        ("PUT", "/v1/datasets", "method_not_allowed"),
        ("GET", "/v1/datasets?limit=0", "bad_request"),
        ("GET", "/v1/datasets?limit=101", "bad_request"),
        ("GET", "/v1/datasets?limit=many", "bad_request"),
        ("GET", "/v1/datasets?state=lost", "bad_request"),
        ("GET", "/v1/datasets?cursor=bad", "invalid_cursor"),
        ("GET", "/v1/datasets?cursor=%00", "invalid_cursor"),
        ("GET", "/v1/datasets?cursor=" + "A" * 501, "bad_request"),
    ],
)
def test_bad_addresses(world, method, path, code):
    problem = problem_of(world.http.request(method, path))
    assert problem.code == code
    assert 400 <= problem.status < 500


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/datasets", "GET, POST"),
        (NOWHERE, "DELETE, GET"),
        ("/v1/training-schedules/humans", "DELETE, GET, PUT"),
        ("/v1/models", "GET"),
    ],
)
def test_a_405_names_every_method_of_the_address(world, path, methods):
    answer = world.http.request("PATCH", path)
    assert (problem_of(answer).status, answer.headers["Allow"]) == (405, methods)


def test_a_trailing_slash_is_another_address(world):
    for method in ("GET", "POST"):
        answer = world.http.request(method, "/v1/datasets/", json={"count": 5})
        assert problem_of(answer).code == "not_found"
        assert "Location" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/training-runs"),
        ("POST", "/v1/keys"),
        ("PUT", "/v1/training-schedules/humans"),
        ("POST", "/v1/datasets"),
    ],
)
def test_a_title_says_nothing_of_orders_where_there_is_none(world, method, path):
    problem = problem_of(world.http.request(method, path, json={"surprise": 1}))
    assert (problem.code, problem.title) == ("invalid_spec", "What was sent is not valid.")


def test_what_nobody_expected_is_a_500_without_a_trace(world, monkeypatch):
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(world.live, "page", broken)
    http = TestClient(world.http.app, raise_server_exceptions=False, headers=world.http.headers)
    answer = http.get("/v1/datasets")
    assert problem_of(answer).code == "internal"
    assert "secret" not in answer.text


def test_a_fault_that_only_workers_should_meet_is_a_500(world, monkeypatch):
    def corrupt(*args: object, **kwargs: object) -> None:
        raise errors.ShardCorrupt

    monkeypatch.setattr(world.live, "page", corrupt)
    assert problem_of(world.http.get("/v1/datasets")).code == "shard_corrupt"


def test_problems_are_plain_ascii_json(world):
    answer = world.http.post(
        "/v1/datasets", content='{"count": 5, "ключ": 1}'.encode(), headers=JSON_TYPE
    )
    assert json.loads(answer.content.decode("ascii"))["errors"][0]["pointer"] == "/ключ"
