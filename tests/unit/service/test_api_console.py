"""The console's files and its sessions."""

import re
from importlib.resources import files
from typing import Any

import pytest
from fastapi.testclient import TestClient

from core.sessions import SESSION_S, SessionBook
from service.sessions import COOKIE

HEADER = {"X-MatteForge-Console": "1"}
MAX_CONSOLE_BYTES = 150_000


@pytest.fixture
def browser(world: Any) -> TestClient:
    """A client without a key, which keeps cookies."""
    return TestClient(world.http.app, follow_redirects=False)


def sign_in(browser: TestClient, key: str = "mf_test"):
    return browser.post("/session", json={"key": key})


def test_a_key_becomes_a_cookie_that_no_script_and_no_other_site_can_use(browser):
    answer = sign_in(browser)
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie, "over http a secure cookie would be lost"
    assert "mf_test" not in cookie + answer.text
    assert browser.get("/v1/datasets").status_code == 200
    assert browser.get("/session").json() == answer.json()


def test_over_https_the_cookie_is_secure(world):
    with TestClient(world.http.app, base_url="https://testserver") as browser:
        assert "Secure" in sign_in(browser).headers["set-cookie"]


def test_a_wrong_key_opens_nothing(browser, world):
    answer = sign_in(browser, "mf_wrong")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert "set-cookie" not in answer.headers
    assert not list(world.store.list_keys("sessions/"))
    assert browser.get("/session").json()["owner"] is None
    form = browser.post("/session", content=b"key=mf_test")
    assert form.status_code == 415, "another site's form can't sign anybody in"


def test_a_change_by_cookie_needs_the_header_that_other_sites_cannot_send(browser):
    sign_in(browser)
    refused = browser.post("/v1/datasets", json={"count": 1})
    assert refused.status_code == 401
    assert "x-matteforge-console" in refused.json()["detail"]
    assert browser.post("/v1/datasets", json={"count": 1}, headers=HEADER).status_code == 202


def test_signing_out_ends_the_session_on_the_server(browser, world):
    sign_in(browser)
    token = browser.cookies[COOKIE]
    assert browser.get("/v1/datasets").status_code == 200
    assert browser.delete("/session").status_code == 204
    assert COOKIE not in browser.cookies
    assert not list(world.store.list_keys("sessions/"))
    again = world.http.get("/v1/datasets", headers={"Authorization": ""})
    assert again.status_code == 401
    stolen = browser.get("/v1/datasets", headers={"Cookie": f"{COOKIE}={token}"})
    assert stolen.status_code == 401


@pytest.mark.parametrize("token", ["", "x", "9" * 300, "9999999999.x", "1.x", "٣.x", "-1.x"])
def test_made_up_sessions_are_refused(browser, token):
    answer = browser.get("/v1/datasets", headers={"Cookie": f"{COOKIE}={token}".encode()})
    assert answer.status_code == 401


def test_sessions_expire_and_are_swept(world, monkeypatch):
    book, now_s = SessionBook(world.store), [1_000_000.0]
    monkeypatch.setattr("core.sessions.time.time", lambda: now_s[0])
    token = book.open("owner")
    assert book.owner(token) == "owner"
    now_s[0] += SESSION_S + 1
    assert book.owner(token) is None
    later = book.open("other")
    assert len(list(world.store.list_keys("sessions/"))) == 1
    assert book.owner(later) == "other"


def test_a_key_in_the_header_wins_over_a_cookie(browser):
    sign_in(browser)
    answer = browser.get("/v1/datasets", headers={"Authorization": "Bearer mf_wrong"})
    assert answer.status_code == 401


def test_every_file_is_sent_with_a_strict_policy_and_an_etag(browser):
    names = [path.name for path in files("service.console").iterdir() if path.suffix != ".py"]
    sent = {"/": browser.get("/")}
    sent |= {f"/console/{name}": browser.get(f"/console/{name}") for name in names if "." in name}
    for path, answer in sent.items():
        assert answer.status_code == 200, path
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        kept = browser.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert (kept.status_code, kept.content) == (304, b"")
    assert sum(len(answer.content) for answer in sent.values()) < MAX_CONSOLE_BYTES
    for hidden in ("__init__.py", "..%2f..%2fcore%2fkeys.py", "nothing.js"):
        assert browser.get(f"/console/{hidden}").status_code in (401, 404)


def test_the_console_has_no_inline_script_and_asks_nothing_of_other_hosts():
    for path in files("service.console").iterdir():
        if not path.name.endswith((".html", ".js", ".css")):
            continue
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.findall(r"https?://|@import|\burl\((?!\"\$\{)", text), path.name
        assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|eval\(", text), path.name
        if path.name.endswith(".html"):
            assert not re.findall(r"<script(?![^>]* src=)|\son\w+=|style=", text)
            assert all(src.startswith("/") for src in re.findall(r'(?:src|href)="([^"#]+)', text))
