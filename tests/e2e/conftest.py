"""The whole service for real: every process, on a bundle that samples in milliseconds."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from client.client import MatteForge
from deploy.local.stack import Stack

# Impatient, so that what is found missing is done again within seconds.
SETTINGS = {
    "MATTEFORGE_LEASE_TTL_S": "4",
    "MATTEFORGE_LEASE_RENEW_S": "1",
    "MATTEFORGE_RECONCILE_EVERY_S": "1",
    "MATTEFORGE_RING_STALE_S": "3",
    "MATTEFORGE_BATCH_SIZE": "4",
}

StackMaker = Callable[..., Stack]


@pytest.fixture
def make_stack(tmp_path: Path, bundle_folder: Path) -> Iterator[StackMaker]:
    """Starts stacks of a test's own: make_stack("name", env={...}) -> Stack, stopped at the end of the test."""
    with ExitStack() as started:

        def make(name: str = "data", *, env: Mapping[str, str] | None = None, **options: object) -> Stack:
            settings = {**SETTINGS, **(env or {})}
            return started.enter_context(Stack(tmp_path / name, bundles=(bundle_folder,), env=settings, **options))

        yield make


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, bundle_folder: Path) -> Iterator[Stack]:
    """One stack for tests that leave it as they found it: `stack.url`, `stack.api_key`, `stack.open_store()`."""
    with Stack(tmp_path_factory.mktemp("stack"), bundles=(bundle_folder,), env=SETTINGS) as running:
        yield running


@pytest.fixture
def client(stack: Stack) -> Iterator[MatteForge]:
    """A client of `stack`."""
    with MatteForge(stack.url, stack.api_key) as client:
        yield client
