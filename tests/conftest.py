"""Real servers and the whole service, started once a session; an empty key space and bucket for
each test that asks."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest

from core.adapters.redis import RedisLiveView
from core.adapters.redis_connection import connect
from core.adapters.redis_leases import RedisLeaseBook
from core.adapters.s3 import S3Store
from deploy.local.ports import free_ports
from deploy.local.seaweedfs import GRPC_OFFSET, PORTS, SeaweedFS
from deploy.local.stack import Stack
from deploy.local.supervisor import Supervisor
from deploy.local.valkey import Valkey
from matteforge.client import MatteForge

# A slow machine is no failure of a property, and everybody tries the same examples.
hypothesis.settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("suite")

# Impatient, so that what is found missing is done again within seconds.
SETTINGS = {
    "MATTEFORGE_LEASE_TTL_S": "4",
    "MATTEFORGE_LEASE_RENEW_S": "1",
    "MATTEFORGE_RECONCILE_EVERY_S": "1",
    "MATTEFORGE_RING_STALE_S": "3",
    "MATTEFORGE_BATCH_SIZE": "4",
    "MATTEFORGE_WEBHOOK_PRIVATE": "1",
}
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
    from models.networks.stylematte.config import MattingConfig
    from workers.bundles import assemble

    matting = MattingConfig(
        embed_dim=8,
        depths=(1, 1, 1, 1),
        num_heads=(1, 1, 2, 2),
        window_size=4,
        feature_size=32,
        encoder_layers=1,
        encoder_feedforward_dim=32,
        num_attention_heads=2,
    )
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
