"""Bring a training run to its end, stage by stage. Safe to call any number of times, anywhere."""

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from core.corpora import CorpusBook
from core.datasets.dataset import utcnow
from core.errors import Cancelled, DeviceLost, MatteForgeError, TransientError
from core.leases import HeldLease, hold
from core.registry import Registry
from core.training.run import RunEnd, TrainingRecord, domain_lease
from core.training.runs import TrainingRuns
from matteforge.schemas.datasets import ErrorInfo
from matteforge.schemas.training import STAGES, RunState, Stage
from models.kernels.device import describe, pick_device
from models.kernels.fastest import is_lost
from workers.context import Context
from workers.cycle import evaluate, register, sampling, stylematte, stylemattegan
from workers.cycle.job import Job
from workers.cycle.stage_context import StageContext

log = logging.getLogger(__name__)
StageFunction = Callable[[Job, StageContext], dict[str, Any]]

FUNCTIONS: dict[Stage, StageFunction] = {
    Stage.BASELINE: stylematte.baseline,
    Stage.LABEL: stylemattegan.label,
    Stage.WARM_START: stylemattegan.warm_start,
    Stage.ADVERSARIAL: stylemattegan.adversarial,
    Stage.SAMPLE: sampling.sample,
    Stage.FINE_TUNE: stylematte.fine_tune,
    Stage.EVALUATE: evaluate.evaluate,
    Stage.GATE: evaluate.gate,
    Stage.REGISTER: register.register,
    Stage.RELABEL: stylemattegan.relabel,
}


def run_cycle(context: Context, run_id: str) -> None:
    """Do the stages that are not done, while holding the domain's lease; nothing when somebody else
    holds it.

    A TransientError is logged and left to the reconciler; every other error fails the run.
    """
    settings, runs = context.settings, TrainingRuns(context.catalog.store)
    try:
        record = runs.request(run_id)
        name = domain_lease(record.spec.domain)
        with hold(
            context.leases, name, ttl_s=settings.lease_ttl_s, renew_s=settings.lease_renew_s
        ) as lease:
            if lease is not None and runs.end(run_id) is None:
                _settle(context, runs, record, lease)
    except DeviceLost:
        raise  # this process can't go on
    except TransientError as error:
        log.warning("%s is left to the reconciler: %s", run_id, error.detail)


def _settle(context: Context, runs: TrainingRuns, record: TrainingRecord, lease: HeldLease) -> None:
    try:
        end = _work(context, runs, record, lease)
    except TransientError:
        raise
    except Cancelled:
        end = RunEnd(state=RunState.CANCELLED, at=utcnow())
    except Exception as error:
        if is_lost(error):
            raise DeviceLost(str(error)) from error
        code, detail = _told(error)
        log.exception("%s fails", record.id)
        end = RunEnd(state=RunState.FAILED, at=utcnow(), error=ErrorInfo(code=code, detail=detail))
    lease.check()
    end = runs.finish(record.id, end)
    log.info("%s %s", record.id, end.state)


def _told(error: Exception) -> tuple[str, str]:
    if isinstance(error, MatteForgeError):
        return error.code, error.detail
    return "internal", f"{type(error).__name__}: {error}"


def _work(context: Context, runs: TrainingRuns, record: TrainingRecord, lease: HeldLease) -> RunEnd:
    settings, store = context.settings, context.catalog.store
    cache = settings.cache_dir or Path(tempfile.gettempdir()) / "matteforge"
    stages = StageContext(
        registry=Registry(store),
        book=CorpusBook(store),
        cache=cache,
        device=pick_device(settings.device),
        threads=settings.threads,
    )
    torch.set_num_threads(settings.threads)
    job = Job(runs, record, lease, cache / "training")
    log.info("%s works on %s", record.id, describe(stages.device))
    for stage in STAGES:
        if runs.stage(record.id, stage) is None:
            if runs.is_cancelled(record.id):
                raise Cancelled(f"{record.id} was cancelled")
            job.begin(stage)
            job.finish(FUNCTIONS[stage](job, stages))
    registered = job.figures(Stage.REGISTER)
    return RunEnd(
        state=RunState.COMPLETED,
        at=utcnow(),
        promoted=registered["promoted"],
        bundle=registered["bundle"],
    )
