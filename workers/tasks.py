"""Celery's tasks: thin shells around plain functions. Torch and numpy are imported when the first
shard is made."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from celery import Celery

from core.errors import DeviceLost, TransientError
from core.messages import Reconcile, RunCycle, RunMatte, RunMatteBatch, RunShard, SendWebhook
from core.webhooks.records import Due
from workers.consumption import EXIT_CODE
from workers.context import Context
from workers.control.reconcile import reconcile
from workers.control.reconcile_mattes import reconcile_mattes
from workers.control.reconcile_training import reconcile_training
from workers.webhooks.send import send_webhook

log = logging.getLogger(__name__)


@contextmanager
def _ending_without_device(context: Callable[[], Context]) -> Iterator[None]:
    """Ends this process of the pool where the graphics card is lost: its message goes back to the
    queue, and the process that takes its place starts afresh."""
    try:
        yield
    except DeviceLost as lost:
        log.critical("this process ends, so that another is started: %s", lost.detail)
        context().in_background(lambda: None)  # once the commit before is done
        os._exit(EXIT_CODE)


def register_tasks(app: Celery, context: Callable[[], Context]) -> None:
    """Bind every message to its function. `context` is called in the pool's child, at the first
    task."""
    app.Task.Request = "workers.consumption:Delivery"
    _register_control(app, context)
    _register_making(app, context)


def _register_control(app: Celery, context: Callable[[], Context]) -> None:
    """What needs no network: what is rung for, and what is told."""

    def reconcile_task(dataset_id: str | None = None, tick: bool = False) -> None:
        half_s = context().settings.reconcile_every_s / 2
        if tick and not context().leases.once_every("tick", half_s):
            return  # of ticks that piled up while nobody was there, one is enough
        reconcile(context(), time.time(), dataset_id)
        if dataset_id is None:
            reconcile_training(context())
            reconcile_mattes(context())

    def send_webhook_task(tenant: str, delivery_id: str, due_s: int) -> None:
        send_webhook(context(), Due(due_s, tenant, delivery_id))

    app.task(send_webhook_task, name=SendWebhook.task, shared=False)
    # Every few seconds, and of no interest to a person: in Flower it would bury the shards.
    app.task(reconcile_task, name=Reconcile.task, shared=False, send_events=False)


def _register_making(app: Celery, context: Callable[[], Context]) -> None:
    """What a network makes or learns."""

    def run_shard_task(dataset_id: str, shard: int) -> None:
        from workers.generate.run_shard import run_shard

        with _ending_without_device(context):
            run_shard(context(), dataset_id, shard)

    def run_cycle_task(run_id: str) -> None:
        from workers.cycle.run_cycle import run_cycle

        with _ending_without_device(context):
            run_cycle(context(), run_id)

    def run_matte_task(matte_id: str) -> None:
        from workers.mattes.run_matte import run_matte

        run_matte(context(), matte_id)

    def run_matte_batch_task(batch_id: str) -> None:
        from workers.mattes.run_batch import run_matte_batch

        with _ending_without_device(context):
            run_matte_batch(context(), batch_id)

    # No reconciler rings for a matte again.
    app.task(
        run_matte_task,
        name=RunMatte.task,
        shared=False,
        autoretry_for=(TransientError,),
        retry_backoff=True,
        max_retries=5,
    )
    app.task(run_matte_batch_task, name=RunMatteBatch.task, shared=False)
    app.task(run_shard_task, name=RunShard.task, shared=False)
    app.task(run_cycle_task, name=RunCycle.task, shared=False)
