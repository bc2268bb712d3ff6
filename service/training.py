"""What the API does with training runs. S3 decides; Redis and the broker may be down without a run
being lost."""

import hashlib
import json
import logging

from core import keys
from core.datasets.dataset import utcnow
from core.errors import IdempotencyMismatch, InvalidCursor, NotFound, StateConflict, TransientError
from core.keyring import ApiKey
from core.messages import Reconcile
from core.training.run import TrainingView, new_run_id
from core.training.runs import TrainingRuns, pin_run
from matteforge.schemas.training import RunState, Stage, TrainingRunOut, TrainingSpec
from service.dependencies import Services
from service.wire import run_out

log = logging.getLogger(__name__)


def order_run(
    services: Services, owner: str, spec: TrainingSpec, idempotency_key: str | None
) -> TrainingView:
    """Claim a run, or answer with the one that the same key claimed before.

    Corpora and champion are pinned as they are now. Raises InvalidSpec, IdempotencyMismatch.
    """
    runs, run_id = TrainingRuns(services.store), new_run_id(owner, idempotency_key)
    fields = spec.model_dump(mode="json")
    if spec.start_from is None:  # a run that was ordered before there was this field is known again
        del fields["start_from"]
    body_sha256 = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
    if idempotency_key is not None and (view := _replay(runs, run_id, body_sha256)):
        return view
    record = pin_run(services.store, spec, run_id=run_id, owner=owner, body_sha256=body_sha256)
    if not runs.claim(record) and (view := _replay(runs, run_id, body_sha256)):
        return view
    _ring(services)
    return runs.view(run_id)


def cancel_run(services: Services, run_id: str) -> TrainingView:
    """Ask for the end of a run; repeating it changes nothing. StateConflict when it ended
    otherwise."""
    runs = TrainingRuns(services.store)
    runs.request(run_id)
    end = runs.end(run_id)
    if end is not None and end.state is not RunState.CANCELLED:
        raise StateConflict(f"{run_id} is {end.state} already")
    if end is None:
        runs.cancel(run_id, utcnow())
        _ring(services)
    return runs.view(run_id)


def page_of_runs(
    services: Services, key: ApiKey, *, domain: str | None, cursor: str | None, limit: int
) -> tuple[list[TrainingView], str | None]:
    """Runs of the key's tenant, newest first; `cursor` is the id that the page before ended with.
    InvalidCursor when there is no such run."""
    runs = TrainingRuns(services.store)
    ids = [
        record.id
        for record in runs.requests()
        if domain in (None, record.spec.domain) and key.sees(record.owner)
    ]
    if cursor is not None and cursor not in ids:
        raise InvalidCursor
    start = ids.index(cursor) + 1 if cursor is not None else 0
    shown = ids[start : start + limit]
    return [runs.view(run_id) for run_id in shown], shown[-1] if len(ids) > start + limit else None


def run_response(services: Services, view: TrainingView) -> TrainingRunOut:
    """A run as it is sent, with presigned URLs of its pictures."""

    def picture(stage: Stage, name: str) -> str:
        key = keys.training_run(view.record.id, f"files/{stage}/{name}")
        return services.store.presign_get(key, expires_s=services.settings.presign_expires_s)

    return run_out(view, picture)


def _replay(runs: TrainingRuns, run_id: str, body_sha256: str) -> TrainingView | None:
    try:
        record = runs.request(run_id)
    except NotFound:
        return None
    if record.body_sha256 != body_sha256:
        raise IdempotencyMismatch
    return runs.view(run_id)


def _ring(services: Services) -> None:
    try:
        services.doorbell.ring(Reconcile())
    except TransientError as error:
        log.warning("no bell for a training run; the next reconcile sees it: %s", error.detail)
