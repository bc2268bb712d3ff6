"""Composition root of the workers: `celery --app workers.app:app worker --queues
generate|train|control|matte`, and beat."""

from functools import cache

from celery.signals import worker_process_shutdown

from core.adapters.celery import CeleryDoorbell, make_celery
from core.adapters.redis import RedisLeaseBook, RedisLiveView, connect
from core.adapters.s3 import S3Store
from core.datasets.catalog import Catalog
from core.messages import Reconcile
from core.registry import Registry
from core.settings import Settings
from workers.beat import every
from workers.consumption import install_watchdog
from workers.context import Context
from workers.generate.overlap import BackgroundCommit
from workers.lifecycle import SamplerCache, StyleMatteCache, install_signals
from workers.tasks import register_tasks


@cache
def context() -> Context:
    """This process's connections. Made after the fork: neither boto3 nor redis clients may cross
    it."""
    redis_url = settings.redis_url.get_secret_value()
    redis = connect(redis_url)
    store = S3Store.from_settings(settings)
    commits = BackgroundCommit()
    worker_process_shutdown.connect(lambda **_: commits.wait(), weak=False)
    return Context(
        settings=settings,
        catalog=Catalog(store),
        live=RedisLiveView(redis),
        leases=RedisLeaseBook(redis),
        doorbell=CeleryDoorbell(redis_url),
        sampler=SamplerCache(Registry(store), cache_dir=settings.cache_dir, device=settings.device),
        stylematte=StyleMatteCache(
            Registry(store), cache_dir=settings.cache_dir, device=settings.device
        ),
        in_background=commits,
    )


def bucket(name: str) -> S3Store:
    """Another bucket, with the same endpoint and keys."""
    return S3Store.from_settings(settings.model_copy(update={"s3_bucket": name}))


settings = Settings()
app = make_celery(
    settings.redis_url.get_secret_value(),
    visibility_timeout_s=settings.visibility_timeout_s,
    worker_concurrency=1,
    worker_prefetch_multiplier=1,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # in memory: one entry, and a tick too many does no harm
    beat_scheduler="celery.beat:Scheduler",
    beat_schedule={
        "reconcile": {
            "task": Reconcile.task,
            "schedule": every(settings.reconcile_every_s),
            "kwargs": {"tick": True},
            "options": {"queue": Reconcile.queue},
        }
    },
)
register_tasks(app, context)
install_signals()
install_watchdog(lambda: CeleryDoorbell(settings.redis_url.get_secret_value()))
