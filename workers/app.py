"""Composition root of the workers: `celery --app workers.app:app worker --queues
generate|train|control|matte`, and beat."""

from functools import cache

from celery import Celery
from celery.signals import worker_process_shutdown

from core.adapters.celery import CeleryDoorbell, make_celery
from core.adapters.redis import RedisLiveView
from core.adapters.redis_connection import connect
from core.adapters.redis_leases import RedisLeaseBook
from core.adapters.s3 import S3Store
from core.datasets.catalog import Catalog
from core.messages import Reconcile
from core.registry import Registry
from core.settings import Settings
from workers.beat import every
from workers.consumption import install_watchdog
from workers.context import Context
from workers.generate.overlap import BackgroundCommit
from workers.lifecycle import BackdropCache, SamplerCache, StyleMatteCache, install_signals
from workers.tasks import register_tasks
from workers.temporary import move_out


@cache
def settings() -> Settings:
    """This process's settings, read from the environment when first asked for."""
    return Settings()


@cache
def context() -> Context:
    """This process's connections. Made after the fork: neither boto3 nor redis clients may cross
    it."""
    own = settings()
    redis_url = own.redis_url.get_secret_value()
    redis, store = connect(redis_url), S3Store.from_settings(own)
    registry, commits = Registry(store), BackgroundCommit()
    worker_process_shutdown.connect(lambda **_: commits.wait(), weak=False)
    worker_process_shutdown.connect(lambda **_: move_out(), weak=False)  # behind the last commit
    return Context(
        settings=own,
        catalog=Catalog(store),
        live=RedisLiveView(redis),
        leases=RedisLeaseBook(redis),
        doorbell=CeleryDoorbell(redis_url),
        sampler=SamplerCache(registry, cache_dir=own.cache_dir, device=own.device),
        stylematte=StyleMatteCache(registry, cache_dir=own.cache_dir, device=own.device),
        backdrops=BackdropCache(store, cache_dir=own.cache_dir),
        in_background=commits,
    )


def bucket(name: str) -> S3Store:
    """Another bucket, with the same endpoint and keys."""
    return S3Store.from_settings(settings().model_copy(update={"s3_bucket": name}))


@cache
def celery_app() -> Celery:
    """The application with its tasks, made when Celery asks for `app`."""
    own = settings()
    redis_url = own.redis_url.get_secret_value()
    app = make_celery(
        redis_url,
        visibility_timeout_s=own.visibility_timeout_s,
        worker_concurrency=1,
        worker_prefetch_multiplier=1,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        # in memory: one entry, and a tick too many does no harm
        beat_scheduler="celery.beat:Scheduler",
        beat_schedule={
            "reconcile": {
                "task": Reconcile.task,
                "schedule": every(own.reconcile_every_s),
                "kwargs": {"tick": True},
                "options": {"queue": Reconcile.queue},
            }
        },
    )
    register_tasks(app, context)
    install_signals()
    install_watchdog(lambda: CeleryDoorbell(redis_url))
    return app


def __getattr__(name: str) -> Celery:
    """`app`, by which Celery finds the application: importing this module reads no settings."""
    if name == "app":
        return celery_app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
