"""Real servers and the whole service, started once a session; an empty key space and bucket for
each test that asks."""

import gc
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import hypothesis
import pytest
from impatient import IMPATIENT

from core import keys
from core.adapters.redis import RedisLiveView
from core.adapters.redis_connection import connect
from core.adapters.redis_leases import RedisLeaseBook
from core.adapters.s3 import S3Store
from core.corpora import CorpusManifest, CorpusShard
from core.datasets.dataset import utcnow
from core.ports import ObjectStore
from deploy.local.ports import free_ports
from deploy.local.seaweedfs import GRPC_OFFSET, PORTS, SeaweedFS
from deploy.local.stack import Stack
from deploy.local.supervisor import Supervisor
from deploy.local.valkey import Valkey
from matteforge.client import MatteForge
from matteforge.schemas.corpora import CorpusKind, Split

# Data directories of tests are new each time; what numba compiles is not.
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(sys.prefix) / "compiled"))

TESTS = Path(__file__).parent
# A slow machine is no failure of a property, and everybody tries the same examples.
hypothesis.settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes a minute a file: begun last, it would leave one of two processes
    without work. Within both halves the order stays random."""
    quick = {"unit", "property", "conformance", "conventions"}
    items.sort(key=lambda item: item.path.relative_to(TESTS).parts[0] in quick)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what imports and collection have made: it stays until
    the end, and going through it again and again costs an eighth of the unit tests' time."""
    gc.collect()
    gc.freeze()


SETTINGS = {**IMPATIENT, "MATTEFORGE_WEBHOOK_PRIVATE": "1"}
TINY_GENERATOR = {
    "z_dim": 16,
    "w_dim": 16,
    "img_resolution": 32,
    "img_channels": 4,
    "channel_base": 512,
    "channel_max": 16,
    "num_layers": 4,
    "margin_size": 4,
    "mapping_kwargs": {"num_layers": 1},
}


@dataclass(frozen=True, kw_only=True)
class S3Server:
    """Where the session's object store is and what opens it."""

    url: str
    access_key: str
    secret_key: str

    def open(self, bucket: str, **options: object) -> S3Store:
        """A store on a bucket of this name, which `probe` makes."""
        return S3Store(
            endpoint_url=self.url,
            bucket=bucket,
            access_key=self.access_key,
            secret_key=self.secret_key,
            **options,
        )


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Valkey of this session's own. Tests that need a clean one use `valkey_url`."""
    folder = tmp_path_factory.mktemp("valkey")
    server = Valkey(folder=folder, port=free_ports(1)[0], password=secrets.token_hex(8))
    supervisor = Supervisor(folder / "logs")
    try:
        supervisor.add(server.program())
        yield server.url
    finally:
        supervisor.stop()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 of this session's own."""
    folder = tmp_path_factory.mktemp("seaweedfs")
    server = SeaweedFS(
        folder=folder,
        ports=dict(zip(PORTS, free_ports(len(PORTS), also_at=GRPC_OFFSET), strict=True)),
        access_key=secrets.token_hex(8),
        secret_key=secrets.token_hex(16),
        signing_keys=(secrets.token_hex(16), secrets.token_hex(16), secrets.token_hex(16)),
    )
    supervisor = Supervisor(folder / "logs")
    try:
        supervisor.add(server.program())
        yield S3Server(url=server.url, access_key=server.access_key, secret_key=server.secret_key)
    finally:
        supervisor.stop()


@pytest.fixture
def serve_http() -> Iterator[Callable[[type[BaseHTTPRequestHandler]], str]]:
    """Starts a server of a handler's class and returns its address; all end with the test."""
    with ExitStack() as stack:

        def serve(handler: type[BaseHTTPRequestHandler]) -> str:
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler))
            server.daemon_threads = True
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}"

        yield serve


@pytest.fixture
def valkey_url(valkey: str) -> str:
    """URL of a Valkey that holds nothing."""
    client = connect(valkey)
    client.flushall()
    client.close()
    return valkey


@pytest.fixture
def s3_store(s3: S3Server) -> Iterator[S3Store]:
    """A store on a bucket of this test's own."""
    bucket = f"test-{secrets.token_hex(8)}"
    store = s3.open(bucket)
    store.probe()
    yield store
    store._client.delete_bucket(Bucket=bucket)  # SeaweedFS deletes what is in it, too
    store.close()


@pytest.fixture
def stores_env(s3: S3Server, s3_store: S3Store, valkey_url: str) -> dict[str, str]:
    """An environment in which a program finds this test's stores."""
    return {
        **os.environ,
        "MATTEFORGE_REDIS_URL": valkey_url,
        "MATTEFORGE_S3_ENDPOINT": s3.url,
        "MATTEFORGE_S3_BUCKET": s3_store._bucket,
        "MATTEFORGE_S3_ACCESS_KEY": s3.access_key,
        "MATTEFORGE_S3_SECRET_KEY": s3.secret_key,
    }


@pytest.fixture(scope="session")
def corpus_of() -> Callable[..., CorpusManifest]:
    """Makes the manifest of a corpus, a shard a split, whose bytes lie nowhere."""

    def make(name: str = "c", samples: int = 9, suffix: str = "", **changes: Any) -> CorpusManifest:
        splits = changes.pop("splits", Split)
        shards = [
            CorpusShard(
                name=f"{s}-{name}.tar", split=s, samples=samples, size_bytes=1, sha256=s + suffix
            )
            for s in splits
        ]
        described = {"kind": CorpusKind.PAIRS, "licence": "CC0-1.0", "sources": ["x"], **changes}
        return CorpusManifest(name=name, updated_at=utcnow(), shards=shards, **described)

    return make


@pytest.fixture(scope="session")
def plant_damages() -> Callable[[ObjectStore, str, str], dict[str, str]]:
    """Damages nine objects of a bucket with the dataset `done`, among them the tar `lost`, which is
    deleted. Tells what is to be found, by key."""

    def plant(store: ObjectStore, done: str, lost: str) -> dict[str, str]:
        cut, flipped = keys.shard_tar(done, 1), keys.shard_tar(done, 2)
        beyond, notes = f"datasets/{done}/shards/000099.tar", f"datasets/{done}/notes.txt"
        stranger = "datasets/ds_nobody/shards/000000.tar"
        body, info = store.get(cut)
        store.put(cut, body[:-512], metadata=info.metadata)
        body, info = store.get(flipped)
        store.put(flipped, body[:600] + bytes([body[600] ^ 1]) + body[601:], metadata=info.metadata)
        store.delete(keys.shard_tar(done, 3))
        store.put(keys.shard_record(done, 0), b"{")
        store.delete(keys.shard_record(done, 4))
        for key in (beyond, notes, stranger):
            store.put(key, b"unclaimed")
        store.delete(lost)
        missing = (keys.shard_tar(done, 3), keys.shard_record(done, 4), lost)
        return {
            cut: "wrong size",
            flipped: "wrong bytes",
            keys.shard_record(done, 0): "unreadable",
            **dict.fromkeys(missing, "missing"),
            **dict.fromkeys((beyond, notes, stranger), "orphan"),
        }

    return plant


@pytest.fixture
def redis_live(valkey_url: str) -> Iterator[RedisLiveView]:
    """A live view that knows nothing."""
    client = connect(valkey_url)
    yield RedisLiveView(client)
    client.close()


@pytest.fixture
def redis_leases(valkey_url: str) -> Iterator[RedisLeaseBook]:
    """A lease book without leases."""
    client = connect(valkey_url)
    yield RedisLeaseBook(client)
    client.close()


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle ready to be published, small enough to sample in milliseconds: both networks as
    built, untrained."""
    import torch

    from models.networks.checkpoints.checkpoint import save_checkpoint
    from models.networks.stylegan3 import build_generator
    from models.networks.stylematte import build_stylematte
    from models.networks.stylematte.config import preset
    from workers.bundles import assemble

    matting = replace(preset("micro"), feature_size=32)
    folder = tmp_path_factory.mktemp("bundle")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator, matte = build_generator(TINY_GENERATOR), build_stylematte(matting)
    generator_file, matte_file = folder / "generator.safetensors", folder / "stylematte.safetensors"
    save_checkpoint(
        generator_file,
        kind="stylemattegan-generator",
        config=generator.config.to_dict(),
        state=generator.state_dict(),
    )
    save_checkpoint(
        matte_file, kind="stylematte", config=matting.to_dict(), state=matte.state_dict()
    )
    assemble(
        folder / "humans",
        name="humans",
        generator=generator_file,
        stylematte=matte_file,
        thresholds={"coverage_min": 0.0, "mad": 1.0},
    )
    return folder / "humans"


@pytest.fixture
def make_stack(tmp_path: Path, bundle_folder: Path) -> Iterator[Callable[..., Stack]]:
    """Starts stacks of a test's own: make_stack("name", env={...}) -> Stack, stopped at the end of
    the test."""
    with ExitStack() as started:

        def make(
            name: str = "data", *, env: Mapping[str, str] | None = None, **options: object
        ) -> Stack:
            settings = {**SETTINGS, **(env or {})}
            return started.enter_context(
                Stack(tmp_path / name, bundles=(bundle_folder,), env=settings, **options)
            )

        yield make


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, bundle_folder: Path) -> Iterator[Stack]:
    """One stack for tests that leave it as they found it: `stack.url`, `stack.api_key`,
    `stack.open_store()`."""
    with Stack(tmp_path_factory.mktemp("stack"), bundles=(bundle_folder,), env=SETTINGS) as running:
        yield running


@pytest.fixture
def client(stack: Stack) -> Iterator[MatteForge]:
    """A client of `stack`."""
    with MatteForge(stack.url, stack.api_key) as client:
        yield client


class Receiver(BaseHTTPRequestHandler):
    """Answers the first message with 503, the others with 204."""

    seen: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        type(self).seen.append((headers, body))
        self.send_response(503 if len(type(self).seen) == 1 else 204)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def receiver(serve_http: Callable[..., str]) -> tuple[str, list[tuple[dict[str, str], bytes]]]:
    """An address for webhooks, and the (headers, body) that came."""
    handler = type("Handler", (Receiver,), {"seen": []})
    return f"{serve_http(handler)}/hook", handler.seen
