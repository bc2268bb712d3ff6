"""How long an order will take, and why one waits: from what was measured, or not at all."""

from core.datasets.dataset import DatasetView, shard_source
from core.datasets.plan import Plan, pace_kind
from core.errors import TransientError
from core.limits import expected_bytes
from core.messages import SHARD_MESSAGES, shard_priority
from matteforge.schemas.datasets import DatasetState, EstimateOut, Waiting
from matteforge.schemas.orders import AnySpec
from service.dependencies import Services

LOOKED_AT = 100  # orders of a state
BEGUN = tuple(state for state in DatasetState if state is not DatasetState.QUEUED)


def estimate(services: Services, plan: Plan, spec: AnySpec) -> EstimateOut:
    """What a planned order takes, by the pace of the last samples of its kind and the workers that
    are there. Times are null where there is no history, or Redis does not answer."""
    source = shard_source(spec)
    try:
        pace_s = services.live.pace(pace_kind(plan))
        workers = _workers(services, source)
    except TransientError:
        pace_s, workers = None, 0
    resolution = services.registry.bundle(plan.bundle).resolution
    first = min(plan.shard_size, plan.count)
    rounds = -(-plan.shards_total // max(workers, 1))
    known = pace_s is not None and workers > 0
    return EstimateOut(
        shards=plan.shards_total,
        shard_size=plan.shard_size,
        workers=workers,
        seconds_a_sample=pace_s,
        first_shard_s=first * pace_s if known and pace_s else None,
        total_s=min(rounds * plan.shard_size, plan.count) * pace_s if known and pace_s else None,
        size_bytes=expected_bytes(plan, resolution),
        acceptance=_acceptance(services, plan.bundle, spec),
        basis=_basis(pace_s, workers, source),
    )


def _acceptance(services: Services, bundle: str, spec: AnySpec) -> float | None:
    """Accepted of attempted candidates in the newest orders that were filtered alike."""
    accepted = attempted = 0
    try:
        for state in BEGUN:
            for view in services.live.page(state=state, after=None, limit=LOOKED_AT)[0]:
                alike = (view.bundle, view.spec.source, view.spec.filter)
                copied = view.spec.derived_from is not None and view.spec.derived_from.copies
                if alike == (bundle, spec.source, spec.filter) and not copied:
                    accepted += view.counts.accepted
                    attempted += view.counts.attempted
    except TransientError:
        return None
    return accepted / attempted if attempted else None


def waiting(services: Services, view: DatasetView) -> Waiting | None:
    """Why nobody works on a dataset: None when somebody does, or nothing is left to do. Raises
    TransientError."""
    if view.state not in (DatasetState.QUEUED, DatasetState.RUNNING) or view.in_work.shards:
        return None
    if not _workers(services, view.shard_source):
        queue = SHARD_MESSAGES[view.shard_source].queue
        return Waiting(ahead=0, reason=f"no worker of the queue `{queue}` is there")
    ahead = _ahead(services, view)
    if not ahead:
        return Waiting(ahead=0, reason="the next free worker takes it")
    orders = "1 order is" if ahead == 1 else f"{ahead} orders are"
    return Waiting(ahead=ahead, reason=f"{orders} served before it, or worked on now")


def _workers(services: Services, source: str) -> int:
    queue = SHARD_MESSAGES[source].queue
    return sum(
        consumer.queue == queue and not consumer.stalled
        for consumer in services.doorbell.consumers()
    )


def _ahead(services: Services, view: DatasetView) -> int:
    """Orders of the same source that a free worker would take first: more urgent ones, older ones
    of the same urgency, and those in work. Looks at the newest of each state alone."""
    states = (DatasetState.QUEUED, DatasetState.RUNNING)
    pages = [services.live.page(state=state, after=None, limit=LOOKED_AT) for state in states]
    others = [other for page, _ in pages for other in page]
    place = _urgency(view)
    return sum(
        other.id != view.id
        and other.shard_source == view.shard_source
        and (_urgency(other) < place or other.in_work.shards > 0)
        for other in others
    )


def _urgency(view: DatasetView) -> tuple[int, float, str]:
    counts = view.counts
    untouched = counts.shards_done == 0 and not view.in_work.shards
    priority = shard_priority(counts.requested - counts.accepted, first=untouched)
    return priority, view.created_at.timestamp(), view.id


def _basis(pace_s: float | None, workers: int, source: str) -> str:
    if not workers:
        return f"no worker of the queue `{SHARD_MESSAGES[source].queue}` is there"
    if pace_s is None:
        return "nothing of this kind was made here yet"
    return "the last shards of this model, source and size; orders before it come on top"
