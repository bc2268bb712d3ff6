"""/flower/: what passes, what does not, and what Flower never sees. Flower itself: tests/e2e."""

import base64
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from fastapi.testclient import TestClient

from core.adapters.memory import MemoryLiveView
from core.adapters.memory_doorbell import MemoryDoorbell
from core.adapters.memory_store import MemoryStore
from core.keyring import KeyRing
from core.settings import Settings
from matteforge.schemas.keys import KeyIn
from service.app import create_app

LINE = b"\n  var autorefresh = 1;\n"
PAGE = b'<script type="text/javascript">' + LINE + b"</script><script>alert(1)</script>"
BASIC = "Basic b3BlcmF0b3I6c2VjcmV0OndpdGg6Y29sb25z"


class Fake(BaseHTTPRequestHandler):
    """Stands for Flower: keeps what it was asked."""

    seen: list[tuple[str, str, dict[str, str], bytes]]

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append(
            (self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        )
        away = "moved" in self.path
        self.send_response(302 if away else 200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Set-Cookie", "user=operator")
        if away:
            own = f"http://127.0.0.1:{self.server.server_port}"
            self.send_header("Location", f"{own}/flower/tasks" if "home" in self.path
                             else "https://elsewhere.example/")  # fmt: skip
        self.end_headers()
        self.wfile.write(PAGE)

    do_GET = do_POST = do_HEAD = answer

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def upstream() -> Iterator[HTTPServer]:
    Fake.seen = []
    server = HTTPServer(("127.0.0.1", 0), Fake)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def browser_of(store: MemoryStore, **settings: object) -> TestClient:
    app = create_app(
        Settings(api_key="mf_test", **settings),
        store=store, live=MemoryLiveView(), doorbell=MemoryDoorbell(),
    )  # fmt: skip
    return TestClient(app, follow_redirects=False)


@pytest.fixture
def browser(upstream: HTTPServer) -> Iterator[TestClient]:
    store = MemoryStore()
    KeyRing(store).register("mf_test")
    url = f"http://127.0.0.1:{upstream.server_port}/flower"
    with browser_of(store, flower_url=url, flower_login="operator:secret:with:colons") as http:
        http.post("/session", json={"key": "mf_test"})
        yield http


def test_a_page_passes_with_flower_s_login_and_without_ours(browser):
    answer = browser.get("/flower/tasks?a=1&b=%2F", headers={"Accept": "text/html", "X-Own": "x"})
    assert (answer.status_code, answer.content) == (200, PAGE)
    assert "set-cookie" not in answer.headers
    method, path, headers, _ = Fake.seen[-1]
    assert (method, path) == ("GET", "/flower/tasks?a=1&b=%2F")
    assert (headers["authorization"], headers["accept"]) == (BASIC, "text/html")
    assert not {"cookie", "x-own"} & headers.keys()


def test_the_policy_lets_flower_s_own_line_of_script_run_and_no_other(browser):
    policy = browser.get("/flower/workers").headers["content-security-policy"]
    own = base64.b64encode(hashlib.sha256(LINE).digest()).decode()
    assert policy.startswith(f"default-src 'none'; script-src 'self' 'sha256-{own}'; style-src")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_the_table_of_tasks_may_ask_by_post_and_nothing_else_may(browser):
    assert browser.post("/flower/tasks/datatable", data={"draw": "1"}).status_code == 200
    assert Fake.seen[-1][3] == b"draw=1"
    asked = len(Fake.seen)
    for path in ("/flower/api/worker/shutdown/x", "/flower/tasks/datatable/", "/flower/login"):
        assert browser.post(path).status_code == 401, "no page of another site may"
        with_header = browser.post(path, headers={"X-MatteForge-Console": "1"})
        assert (with_header.status_code, with_header.json()["code"]) == (403, "forbidden")
    assert browser.delete("/flower/tasks", headers={"X-MatteForge-Console": "1"}).status_code == 405
    assert len(Fake.seen) == asked


def test_redirects_stay_here(browser):
    assert browser.get("/flower").headers["location"] == "/flower/"
    assert browser.get("/flower/moved-home").headers["location"] == "/flower/tasks"
    assert "location" not in browser.get("/flower/moved-away").headers


def test_only_admins_see_it(browser, upstream):
    store = browser.app.state.services.store
    _, secret = KeyRing(store).create(KeyIn(name="reader", scopes=["read"]))
    url = f"http://127.0.0.1:{upstream.server_port}/flower"
    with browser_of(store, flower_url=url, flower_login="operator:s") as http:
        signed_in = http.post("/session", json={"key": secret}).json()
        assert (signed_in["admin"], signed_in["flower"]) == (False, None)
        assert http.get("/flower/").status_code == 403
        assert http.get("/flower/", headers={"Cookie": ""}).status_code in (401, 403)
    assert not Fake.seen


def test_without_a_login_the_console_links_to_flower_s_own_address():
    store = MemoryStore()
    with browser_of(store, flower_url="https://flower.example") as http:
        assert http.post("/session", json={"key": "mf_test"}).json()["flower"] == (
            "https://flower.example"
        )
        assert http.get("/flower/").status_code == 404


def test_a_flower_that_is_down_is_a_503(upstream):
    url = f"http://127.0.0.1:{upstream.server_port}/flower"
    upstream.socket.close()
    with browser_of(MemoryStore(), flower_url=url, flower_login="a:b") as http:
        http.post("/session", json={"key": "mf_test"})
        answer = http.get("/flower/")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
