"""Composition root of the API: `uvicorn --factory service.app:create_app`."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool

from core.adapters.breaker import Breaker, guarded
from core.adapters.celery import CeleryDoorbell
from core.adapters.memory_buckets import MemoryBucketBook
from core.adapters.redis import RedisLiveView
from core.adapters.redis_buckets import RedisBucketBook
from core.adapters.redis_connection import connect
from core.adapters.s3 import S3Store
from core.audit import AuditBook
from core.datasets.catalog import Catalog
from core.keyring import KeyRing
from core.ports import BucketBook, Doorbell, LiveView, ObjectStore
from core.registry import Registry
from core.sessions import SessionBook
from core.settings import Settings
from matteforge.schemas.datasets import MAX_BODY_BYTES
from matteforge.schemas.mattes import MAX_ARCHIVE_BYTES, MAX_PICTURE_BYTES
from service import openapi, problems
from service.audit import Audit
from service.audit_trail import AuditTrail
from service.connections import allow_connections
from service.deadline import DEADLINE_S, Deadline
from service.dependencies import Services
from service.limits import Admission
from service.lookups import Lookups
from service.metrics import Metrics, RequestMetrics
from service.middleware import DOCS_FILES, BearerAuth, BodyLimit
from service.plain_http import HeadAsGet, Prefixed
from service.rate_limit import RateLimit
from service.readiness import Readiness
from service.routes import (
    audit,
    console,
    corpora,
    datasets,
    derived,
    estimates,
    events,
    files,
    flower,
    health,
    keys,
    matte_batches,
    mattes,
    models,
    rejected,
    samples,
    schedules,
    session,
    shards,
    training_runs,
    versions,
    webhooks,
)
from service.samples import Samples
from service.sessions import Sessions
from service.startup import Startup

REDIS_TIMEOUT_S = 0.9
"""A caller waits for the answer: what a worker may wait for patiently is too long here."""

ROUTES = (
    datasets,
    derived,
    estimates,
    events,
    shards,
    samples,
    rejected,
    files,
    models,
    versions,
    corpora,
    training_runs,
    schedules,
    health,
    keys,
    audit,
    session,
    flower,
    mattes,
    matte_batches,
    webhooks,
)

DESCRIPTION = """Synthetic training data for portrait matting: order N pairs, get WebDataset shards.

Every request but `/healthz` and `/readyz` carries `Authorization: Bearer KEY`.
Errors are RFC 9457 problems with a stable `code`.
"""


def create_app(
    settings: Settings | None = None,
    *,
    store: ObjectStore | None = None,
    live: LiveView | None = None,
    doorbell: Doorbell | None = None,
    buckets: BucketBook | None = None,
) -> FastAPI:
    """The application; what is not given comes from the environment (core.settings)."""
    services = _services(settings or Settings(), store, live, doorbell, buckets)
    keyring = KeyRing(services.store)
    trail = AuditTrail(AuditBook(services.store))
    startup = Startup(services.settings, services.store, keyring)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        allow_connections()
        await run_in_threadpool(startup.begin)
        trail.begin()
        yield
        startup.end()
        await run_in_threadpool(trail.end)

    app = FastAPIOffline(
        title="MatteForge",
        version=version("matteforge"),
        description=DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,  # its Location would know nothing of a proxy before it
        static_url=DOCS_FILES,
    )
    app.state.services = services
    app.state.startup = startup
    app.state.audit_trail = trail
    app.state.keyring = keyring
    app.state.sessions = Sessions(SessionBook(services.store), keyring)
    app.state.lookups = Lookups()
    app.state.streams = Counter()
    app.state.readiness = Readiness(startup, services.store, services.live, services.doorbell)
    app.state.metrics = Metrics(services.live, services.doorbell)
    for module in ROUTES:  # as they are: included, each is built anew for each application
        app.router.routes.extend(module.router.routes)
    app.include_router(console.router(services.settings))
    problems.install(app)
    _add_middleware(app, services)
    app.openapi = lambda: openapi.describe_api(app)  # type: ignore[method-assign]
    return app


def _add_middleware(app: FastAPI, services: Services) -> None:
    """What every request goes through; the last one added is the outermost."""
    app.add_middleware(HeadAsGet)
    larger = {
        mattes.router.prefix: 2 * MAX_PICTURE_BYTES,
        matte_batches.router.prefix: MAX_ARCHIVE_BYTES + MAX_PICTURE_BYTES,
    }
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES, larger=larger)
    app.add_middleware(RateLimit, admission=services.admission, settings=services.settings)
    state = app.state
    app.add_middleware(
        BearerAuth, keyring=state.keyring, sessions=state.sessions, lookups=state.lookups
    )
    patience_s = {
        mattes.router.prefix: DEADLINE_S + mattes.LONGEST_WAIT_S,
        matte_batches.router.prefix: matte_batches.STORING_S,
    }
    app.add_middleware(Deadline, longer=patience_s)
    app.add_middleware(RequestMetrics, metrics=app.state.metrics)
    app.add_middleware(Audit, trail=app.state.audit_trail)
    app.add_middleware(Prefixed, prefix=services.settings.root_path)


def _services(
    settings: Settings,
    store: ObjectStore | None,
    live: LiveView | None,
    doorbell: Doorbell | None,
    buckets: BucketBook | None,
) -> Services:
    redis_url = settings.redis_url.get_secret_value()
    redis_breaker = Breaker()
    redis = _impatient_redis(redis_url)
    if buckets is None:  # beside a live view in memory they are in memory, too
        buckets = MemoryBucketBook() if live else guarded(RedisBucketBook(redis), redis_breaker)
    live = live or guarded(RedisLiveView(redis), redis_breaker)
    chosen: ObjectStore = store or guarded(_impatient_store(settings), Breaker())
    catalog, registry = Catalog(chosen), Registry(chosen)
    return Services(
        settings=settings,
        store=chosen,
        live=live,
        doorbell=doorbell
        or guarded(CeleryDoorbell(redis_url, timeout_s=REDIS_TIMEOUT_S, retries=1), redis_breaker),
        catalog=catalog,
        registry=registry,
        samples=Samples(chosen, catalog),
        admission=Admission(settings, live, registry, buckets, fallback=MemoryBucketBook()),
    )


def _impatient_store(settings: Settings) -> ObjectStore:
    return S3Store.from_settings(settings, connect_timeout_s=1, read_timeout_s=3, attempts=2)


def _impatient_redis(url: str) -> Any:
    return connect(url, timeout_s=REDIS_TIMEOUT_S, retries=1, retry_timeouts=False)
