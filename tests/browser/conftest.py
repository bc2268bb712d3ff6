"""Headless Chromium on a real stack. `make test-browser` installs what it needs."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, sync_playwright

from deploy.local.stack import Stack

OUTPUT = Path("browser-output")
AXE = Path(".venv/browser/node_modules/axe-core/axe.min.js")


@dataclass(kw_only=True)
class Person:
    """Somebody with a browser: a page, and what went wrong in it."""

    page: Page
    url: str
    name: str
    wrong: list[str] = field(default_factory=list)

    def note(self, message: ConsoleMessage) -> None:
        """Keep what the browser complains about: errors of scripts, refusals of the policy."""
        if message.type in ("error", "warning") and "status of 4" not in message.text:
            self.wrong.append(message.text)

    def sign_in(self, key: str) -> None:
        self.page.goto(f"{self.url}/")
        self.page.get_by_label("API key").fill(key)
        self.page.get_by_role("button", name="Sign in").click()

    def go(self, path: str, heading: str) -> None:
        self.page.goto(f"{self.url}/#/{path}")
        self.page.get_by_role("heading", level=1, name=heading).wait_for()

    def look(self, name: str) -> None:
        """Keep a picture; nothing may be cut off at the side, and axe must find nothing."""
        self.page.wait_for_load_state("load")
        self.page.screenshot(path=OUTPUT / f"{self.name}-{name}.png")
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert self.page.evaluate(width) <= 0, f"{name} is wider than the screen"
        session = self.page.context.new_cdp_session(self.page)  # the page's policy allows no script
        session.send("Runtime.evaluate", {"expression": AXE.read_text()})
        session.detach()
        found = self.page.evaluate("axe.run(document)")["violations"]
        told = [(v["id"], v["help"], [n["html"][:200] for n in v["nodes"]]) for v in found]
        assert not told, f"{name}: {told}"


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "there is no chromium: run `make test-browser`, which installs it"
    OUTPUT.mkdir(exist_ok=True)
    browser = playwright.chromium.launch(executable_path=path)
    yield browser
    browser.close()


@pytest.fixture
def person(chromium: Browser, stack: Stack) -> Callable[..., AbstractContextManager[Person]]:
    """`with person("name", width, scheme) as somebody`: fails if scripts or the policy failed."""

    @contextmanager
    def arrive(name: str, *, width: int = 1280, scheme: str = "light") -> Iterator[Person]:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True
        )
        page = context.new_page()
        page.set_default_timeout(60_000)
        somebody = Person(page=page, url=stack.url, name=name)
        page.on("console", somebody.note)
        page.on("pageerror", lambda error: somebody.wrong.append(str(error)))
        try:
            yield somebody
            assert not somebody.wrong
        except BaseException:
            page.screenshot(path=OUTPUT / f"{name}-failed.png")
            raise
        finally:
            context.close()

    return arrive
