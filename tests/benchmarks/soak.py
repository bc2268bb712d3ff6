"""Many patient clients for a long time: 500 that poll and 50 that follow events, on one stack.

    python tests/benchmarks/soak.py --minutes 15 --out soak.json

Each client is an AsyncMatteForge of its own, as a person's is. Prints a line a minute: memory of
the API and of the stores, polls, latencies, errors that a client raised, and what a client tried
again: connections that broke, with their causes, and refusals. Exits with 1 when a client raised
anything, or the API's memory grew by more than a tenth after its first third.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import click
import httpx
import psutil

from deploy.local.stack import Stack
from matteforge.async_client import AsyncMatteForge
from matteforge.client import MatteForge
from matteforge.errors import MatteForgeError
from matteforge.transport import LIMITS

COUNT = 100_000  # samples of the dataset that all look at: it outlasts the run
WATCHED = ("api", "valkey", "seaweedfs", "control")
GROWTH = 1.1


@dataclass
class Seen:
    """What the clients met."""

    polls: int = 0
    events: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    retried: Counter[str] = field(default_factory=Counter)
    waits_s: list[float] = field(default_factory=list)
    minutes: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def breaking(self, path: str) -> Iterator[None]:
        """Counts a break by its causes, down to the system's own error."""
        try:
            yield
        except httpx.TransportError as error:
            self.retried[f"{kind_of(path)}: {' < '.join(causes(error))}"] += 1
            raise


def kind_of(path: str) -> str:
    """Whose request it is."""
    return "stream" if path.endswith("/events") else "poll"


def causes(error: BaseException | None) -> Iterator[str]:
    """An error and what caused it, outermost first."""
    while error is not None:
        yield f"{type(error).__name__}({error})"
        error = error.__cause__ or error.__context__


@dataclass
class Body(httpx.AsyncByteStream):
    """An answer's body on its way."""

    inner: httpx.AsyncByteStream
    path: str
    seen: Seen

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with self.seen.breaking(self.path):
            async for chunk in self.inner:
                yield chunk

    async def aclose(self) -> None:
        await self.inner.aclose()


class Watched(httpx.AsyncHTTPTransport):
    """One client's connections, whose breaks are counted before the client tries again."""

    def __init__(self, seen: Seen) -> None:
        super().__init__(
            verify=False, limits=LIMITS
        )  # plain HTTP: five hundred TLS contexts would take memory
        self._seen = seen

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        with self._seen.breaking(path):
            answer = await super().handle_async_request(request)
        if answer.status_code >= 400:
            self._seen.retried[f"{kind_of(path)}: {answer.status_code}"] += 1
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        answer.stream = Body(answer.stream, path, self._seen)
        return answer


async def poll(client: AsyncMatteForge, dataset_id: str, every_s: float, seen: Seen) -> None:
    await asyncio.sleep(random.uniform(0, every_s))
    while True:
        begun_s = time.monotonic()
        try:
            await client.get(dataset_id)
        except MatteForgeError as error:
            seen.errors[f"poll: {error}"] += 1
        seen.polls += 1
        seen.waits_s.append(time.monotonic() - begun_s)
        await asyncio.sleep(every_s)


async def follow(client: AsyncMatteForge, dataset_id: str, seen: Seen) -> None:
    while True:
        try:
            async for _ in client.events(dataset_id):
                seen.events += 1
            seen.errors["stream: ended"] += 1
        except MatteForgeError as error:
            seen.errors[f"stream: {error}"] += 1
        await asyncio.sleep(1)


def measured(stack: Stack, seen: Seen) -> dict[str, Any]:
    """What happened since the last minute, and what memory is resident now."""
    assert stack.supervisor is not None
    pids = stack.supervisor.pids()
    resident = {name: round(psutil.Process(pids[name]).memory_info().rss / 1e6) for name in WATCHED}
    waits_s, seen.waits_s = seen.waits_s, []
    slow_s = quantiles(waits_s, n=100)[98] if len(waits_s) > 1 else 0.0
    return {
        "resident_mb": resident,
        "polls": len(waits_s),
        "median_ms": round(1000 * median(waits_s or [0])),
        "p99_ms": round(1000 * slow_s),
        "events": seen.events,
        "errors": dict(seen.errors),
        "retried": dict(seen.retried),
    }


async def soak(
    stack: Stack, dataset_id: str, clients: int, streams: int, minutes: int, every_s: float
) -> Seen:
    """Poll and follow for so long."""
    seen = Seen()

    async def connected(work: Callable[[AsyncMatteForge], Awaitable[None]]) -> None:
        async with AsyncMatteForge(stack.url, stack.api_key, transport=Watched(seen)) as client:
            await work(client)

    polling = partial(poll, dataset_id=dataset_id, every_s=every_s, seen=seen)
    following = partial(follow, dataset_id=dataset_id, seen=seen)
    tasks = [asyncio.create_task(connected(polling)) for _ in range(clients)]
    tasks += [asyncio.create_task(connected(following)) for _ in range(streams)]
    for minute in range(minutes):
        await asyncio.sleep(60)
        seen.minutes.append(found := measured(stack, seen))
        print(f"minute {minute + 1}: {found}", flush=True)
    for task in tasks:
        task.cancel()
    for end in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(end, Exception):  # what a client raised that it should not
            seen.errors[repr(end)] += 1
    return seen


@click.command()
@click.option("--clients", default=500, show_default=True)
@click.option("--streams", default=50, show_default=True)
@click.option("--minutes", default=15, show_default=True)
@click.option("--every", "every_s", default=5.0, show_default=True, help="Seconds between polls.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the figures as JSON.")
def main(clients: int, streams: int, minutes: int, every_s: float, out: Path | None) -> None:
    """Soak a stack of its own."""
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, Stack(Path(folder)) as stack:
        with MatteForge(stack.url, stack.api_key) as client:
            dataset_id = client.order(COUNT, seed=1, shard_size=20).id
        seen = asyncio.run(soak(stack, dataset_id, clients, streams, minutes, every_s))
    api_mb = [minute["resident_mb"]["api"] for minute in seen.minutes]
    third = max(1, len(api_mb) // 3)
    grown = median(api_mb[-third:]) / median(api_mb[third : 2 * third] or api_mb)
    last = seen.minutes[-1]
    print(
        f"{seen.polls} polls, {seen.events} events; errors {dict(seen.errors)}, tried again "
        f"{last['retried']}; the API's memory x {grown:.2f} after its first third"
    )
    if out:
        out.write_text(json.dumps(seen.minutes, indent=1))
    sys.exit(bool(seen.errors) or grown > GROWTH)


if __name__ == "__main__":
    main()
