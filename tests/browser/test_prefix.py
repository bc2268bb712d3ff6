"""The console behind a proxy that strips a prefix."""

import threading
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from core.settings import Settings
from deploy.local.stack import Stack
from service.app import create_app

PREFIX = "/mf"


class Stripping:
    """What a proxy does: the prefix goes, and nothing else of the host is this service's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.strays: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if not scope["path"].startswith(PREFIX + "/"):
                self.strays.append(scope["path"])
            path = scope["path"].removeprefix(PREFIX)
            scope = {**scope, "path": path, "raw_path": path.encode()}
        await self._app(scope, receive, send)


@pytest.fixture
def proxy(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Stripping]]:
    """The stack's API once more, behind a prefix: its address, and the proxy."""
    for name, value in stack.settings().items():
        monkeypatch.setenv(name, value)
    proxy = Stripping(create_app(Settings(api_key=stack.api_key, root_path=PREFIX)))
    server = uvicorn.Server(uvicorn.Config(proxy, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}{PREFIX}", proxy
    server.should_exit = True
    thread.join()


@pytest.mark.browser
def test_everything_stays_below_the_prefix(person, stack, proxy):
    url, stripping = proxy
    with person("prefix") as somebody:
        page, somebody.url = somebody.page, url
        somebody.sign_in(stack.api_key)
        page.get_by_role("heading", level=1, name="Datasets").wait_for()
        somebody.go("order", "Order")
        page.get_by_label("count").fill("12")
        page.get_by_role("button", name="Order", exact=True).click()
        page.get_by_text("completed").first.wait_for()  # as events tell
        page.get_by_role("img", name="sample").first.wait_for()
        somebody.look("dataset")
        for name, path in (("Reference", "/docs"), ("Metrics", "/metrics")):
            link = page.get_by_role("link", name=name)
            assert link.get_attribute("href") == f"{PREFIX}{path}"
        shard = page.get_by_role("link", name="000000.tar").first
        assert shard.get_attribute("href").startswith(f"{PREFIX}/v1/datasets/")
        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("API key").wait_for()
        assert page.context.cookies() == []
    assert stripping.strays == []
