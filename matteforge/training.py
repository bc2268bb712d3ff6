"""Training runs, corpora and versions of models as Python methods, for both clients."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matteforge.calls import Call, call_of, delete, given, items_of
from matteforge.methods import AsyncCaller, Caller, Pages, Steps, answered, iterated
from matteforge.schemas.corpora import CorpusOut, CorpusPage
from matteforge.schemas.curves import CurvesOut, RunCurves
from matteforge.schemas.models import MoveOut, MovePage, VersionOut
from matteforge.schemas.training import ScheduleOut, SchedulePage, TrainingRunOut, TrainingRunPage
from matteforge.waiting import until_ended

RUNS_A_PAGE = 20


class TrainingMethods:
    """What the clients' `training` offers. Errors as in MatteForge."""

    @answered
    def order(
        self,
        /,
        domain: str,
        *,
        labelled: Sequence[str],
        unlabelled: Sequence[str],
        idempotency_key: str,
        **options: Any,
    ) -> Call[TrainingRunOut]:
        """One turn of the cycle; options are the other fields of TrainingSpec."""
        body = _run_body(domain, labelled, unlabelled, options)
        call = call_of("POST", "training-runs", schema=TrainingRunOut, json=body)
        return call.once(idempotency_key)

    @answered
    def get(self, run_id: str) -> Call[TrainingRunOut]:
        return _look(run_id)

    @iterated
    def list(self, *, domain: str | None = None) -> Pages[TrainingRunOut]:
        """Newest first, all pages."""
        only = given(domain=domain)
        schema, limit = TrainingRunPage, RUNS_A_PAGE
        return Pages(call_of("GET", "training-runs", schema=schema, limit=limit, **only))

    @answered
    def cancel(self, run_id: str) -> Call[TrainingRunOut]:
        return call_of("POST", "training-runs", run_id, "cancel", schema=TrainingRunOut)

    @answered
    def wait(
        self,
        run_id: str,
        on_progress: Callable[[TrainingRunOut], None] | None = None,
        *,
        poll_s: float = 2.0,
    ) -> Steps[TrainingRunOut]:
        """Poll until the run has ended, however it ended."""
        return until_ended(_look(run_id), on_progress, poll_s)

    @answered
    def curves(self, run_id: str, *, stage: str | None = None) -> Call[Sequence[CurvesOut]]:
        """Losses and other scalars over steps, by stage and log."""
        parts = ("training-runs", run_id, "curves")
        return items_of(call_of("GET", *parts, schema=RunCurves, **given(stage=stage)))

    @answered
    def corpora(self) -> Call[Sequence[CorpusOut]]:
        return items_of(call_of("GET", "corpora", schema=CorpusPage))

    # Schedules

    @answered
    def schedules(self) -> Call[Sequence[ScheduleOut]]:
        return items_of(call_of("GET", "training-schedules", schema=SchedulePage))

    @answered
    def set_schedule(
        self,
        /,
        domain: str,
        *,
        every_s: float,
        min_new_samples: int = 0,
        labelled: Sequence[str],
        unlabelled: Sequence[str],
        **options: Any,
    ) -> Call[ScheduleOut]:
        """Train a domain again and again; options as of `order`."""
        run = _run_body(domain, labelled, unlabelled, options)
        body = {"every_s": every_s, "min_new_samples": min_new_samples, "run": run}
        return call_of("PUT", "training-schedules", domain, schema=ScheduleOut, json=body)

    @answered
    def delete_schedule(self, domain: str) -> Call[None]:
        return delete("training-schedules", domain, gone_is_done=False)

    # Versions

    @answered
    def history(self, model: str) -> Call[Sequence[MoveOut]]:
        """The audit trail of a model's aliases, newest first."""
        return items_of(call_of("GET", "models", model, "history", schema=MovePage))

    @answered
    def version(self, model: str, version: str) -> Call[VersionOut]:
        """version: an alias or sha256:DIGEST."""
        return call_of("GET", "models", model, "versions", version, schema=VersionOut)

    @answered
    def promote(self, model: str, version: str, reason: str) -> Call[Sequence[MoveOut]]:
        """Make a version the champion; returns the audit trail."""
        body = {"version": version, "reason": reason}
        return items_of(call_of("POST", "models", model, "promote", schema=MovePage, json=body))

    @answered
    def rollback(self, model: str, reason: str, *, present: str) -> Call[Sequence[MoveOut]]:
        """Make the champion before `present` (a digest) champion again; nothing when `present` is
        not the champion."""
        body = {"reason": reason, "present": present}
        return items_of(call_of("POST", "models", model, "rollback", schema=MovePage, json=body))


class Training(TrainingMethods, Caller):
    """What `MatteForge.training` offers."""


class AsyncTraining(TrainingMethods, AsyncCaller):
    """What `AsyncMatteForge.training` offers."""


def _run_body(
    domain: str, labelled: Sequence[str], unlabelled: Sequence[str], options: Mapping[str, Any]
) -> Mapping[str, Any]:
    corpora = {"labelled": list(labelled), "unlabelled": list(unlabelled)}
    return {"domain": domain, **corpora, **options}


def _look(run_id: str) -> Call[TrainingRunOut]:
    return call_of("GET", "training-runs", run_id, schema=TrainingRunOut)
