"""Commands against a service whose answers are scripted."""

from collections.abc import Callable

import httpx
import pytest

from matteforge import MatteForge
from matteforge.cli import connection


@pytest.fixture
def answer_by(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[httpx.Request]]:
    """Takes what answers a request to the service; returns the list that requests go to."""

    def script(answer: Callable[[httpx.Request], httpx.Response]) -> list[httpx.Request]:
        seen = []

        def handle(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return answer(request)

        def connect(url: str, key: str) -> MatteForge:
            return MatteForge(url, key, transport=httpx.MockTransport(handle))

        monkeypatch.setattr(connection, "MatteForge", connect)
        return seen

    return script
