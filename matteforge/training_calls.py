"""Every call of the API about training: runs, corpora, schedules, versions. As matteforge.calls."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from matteforge.calls import Call, call_of, no_answer, path_of
from matteforge.schemas.corpora import CorpusPage
from matteforge.schemas.curves import RunCurves
from matteforge.schemas.models import MovePage, VersionOut
from matteforge.schemas.training import ScheduleOut, SchedulePage, TrainingRunOut, TrainingRunPage

RUNS_A_PAGE = 20


def _run_body(
    domain: str, labelled: Sequence[str], unlabelled: Sequence[str], options: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "domain": domain,
        "labelled": list(labelled),
        "unlabelled": list(unlabelled),
        **options,
    }


def order_run(
    domain: str,
    *,
    labelled: Sequence[str],
    unlabelled: Sequence[str],
    idempotency_key: str,
    options: Mapping[str, Any],
) -> Call[TrainingRunOut]:
    body = _run_body(domain, labelled, unlabelled, options)
    call = call_of("POST", "training-runs", schema=TrainingRunOut, json=body)
    return replace(call, headers={"Idempotency-Key": idempotency_key})


def run(run_id: str) -> Call[TrainingRunOut]:
    return call_of("GET", "training-runs", run_id, schema=TrainingRunOut)


def runs(domain: str | None) -> Call[TrainingRunPage]:
    only = {"domain": domain} if domain else {}
    return call_of("GET", "training-runs", schema=TrainingRunPage, limit=RUNS_A_PAGE, **only)


def cancel_run(run_id: str) -> Call[TrainingRunOut]:
    return call_of("POST", "training-runs", run_id, "cancel", schema=TrainingRunOut)


def run_curves(run_id: str, stage: str | None) -> Call[RunCurves]:
    only = {"stage": stage} if stage else {}
    return call_of("GET", "training-runs", run_id, "curves", schema=RunCurves, **only)


def corpora() -> Call[CorpusPage]:
    return call_of("GET", "corpora", schema=CorpusPage)


def schedules() -> Call[SchedulePage]:
    return call_of("GET", "training-schedules", schema=SchedulePage)


def set_schedule(
    domain: str,
    *,
    every_s: float,
    min_new_samples: int,
    labelled: Sequence[str],
    unlabelled: Sequence[str],
    options: Mapping[str, Any],
) -> Call[ScheduleOut]:
    run_body = _run_body(domain, labelled, unlabelled, options)
    body = {"every_s": every_s, "min_new_samples": min_new_samples, "run": run_body}
    return call_of("PUT", "training-schedules", domain, schema=ScheduleOut, json=body)


def delete_schedule(domain: str) -> Call[None]:
    return Call(method="DELETE", path=path_of("training-schedules", domain), read=no_answer)


# Versions


def history(name: str) -> Call[MovePage]:
    return call_of("GET", "models", name, "history", schema=MovePage)


def version(name: str, version: str) -> Call[VersionOut]:
    return call_of("GET", "models", name, "versions", version, schema=VersionOut)


def promote(name: str, version: str, reason: str) -> Call[MovePage]:
    body = {"version": version, "reason": reason}
    return call_of("POST", "models", name, "promote", schema=MovePage, json=body)


def rollback(name: str, reason: str, present: str) -> Call[MovePage]:
    body = {"reason": reason, "present": present}
    return call_of("POST", "models", name, "rollback", schema=MovePage, json=body)
