"""Datasets made from others: a part of one, more of it, or it once more to be compared."""

import hashlib
import json
from collections.abc import Callable

from core.datasets.dataset import DatasetView, new_dataset_id
from core.datasets.extensions import extended_plan
from core.datasets.manifest import DatasetRecord
from core.datasets.plan import FORMAT_VERSION, Plan, subset_plan
from core.datasets.selection import get_selection, put_selection, select_by_split
from core.errors import InvalidSpec, NotFound, StateConflict
from core.keyring import ApiKey
from matteforge.schemas.base import Frozen
from matteforge.schemas.derived import ComparisonOut, DerivedFrom, ExtendIn, SubsetIn
from matteforge.schemas.orders import AnySpec
from service.datasets import load_view
from service.dependencies import Services
from service.orders import check_source, claim_order, known_order

DIFFERENT_NAMED = 100
Planned = tuple[Plan, DerivedFrom]


def subset(
    services: Services, key: ApiKey, parent_id: str, wanted: SubsetIn, idempotency_key: str | None
) -> DatasetView:
    """Order a part of a dataset. Raises StateConflict while it is made, or is damaged;
    InvalidQuery, InvalidSpec for a selection that can't be read or holds nothing."""

    def planned(record: DatasetRecord, dataset_id: str) -> Planned:
        view = load_view(services, parent_id)
        if not view.state.terminal:
            raise StateConflict(f"{parent_id} is still {view.state}; wait for its end")
        if view.damaged:
            raise StateConflict(f"{parent_id} is damaged; mend it first: matteforge fsck --repair")
        rows = _rows(services, parent_id, wanted)
        selection, counts = select_by_split(parent_id, rows)
        put_selection(services.store, dataset_id, selection)
        by_split = counts if record.plan.splits else {}
        plan = subset_plan(record.plan, parent_id, len(rows), by_split, wanted.shard_size)
        asked = {} if wanted.keys else wanted.model_dump(include={"where", "order", "limit"})
        return plan, DerivedFrom(dataset_id=parent_id, how="subset", copies=True, **asked)

    return _derive(services, key, parent_id, wanted, idempotency_key, planned)


def extend(
    services: Services, key: ApiKey, parent_id: str, wanted: ExtendIn, idempotency_key: str | None
) -> DatasetView:
    """Order more of a dataset: its shards, seeds and keys go on where it, or its last extension,
    ended. Raises StateConflict for a part or a repetition of another, naming what can go on."""

    def planned(record: DatasetRecord, dataset_id: str) -> Planned:
        _check_goes_on(services, record)
        _check_made_here(services, record)
        plan = extended_plan(services.store, parent_id, record.plan, wanted.count)
        return plan, DerivedFrom(dataset_id=parent_id, how="extend")

    return _derive(services, key, parent_id, wanted, idempotency_key, planned)


class Again(Frozen):
    """What is asked of a dataset that is made once more: nothing."""

    labels: dict[str, str] = {}  # noqa: RUF012  # frozen


def regenerate(
    services: Services, key: ApiKey, parent_id: str, idempotency_key: str | None
) -> DatasetView:
    """Make a dataset once more, as a dataset of its own. Raises StateConflict when it was made by
    another version, whose bytes differ."""

    def planned(record: DatasetRecord, dataset_id: str) -> Planned:
        _check_made_here(services, record)
        copies = record.plan.parent is not None
        if copies:
            put_selection(services.store, dataset_id, get_selection(services.store, parent_id))
        return record.plan, DerivedFrom(dataset_id=parent_id, how="regenerate", copies=copies)

    return _derive(services, key, parent_id, Again(), idempotency_key, planned)


def compare_with_original(services: Services, dataset_id: str) -> ComparisonOut:
    """A regenerated dataset beside its original. Raises StateConflict for any other, NotFound when
    the original was deleted."""
    origin = services.catalog.request(dataset_id).spec.derived_from
    if origin is None or origin.how != "regenerate":
        raise StateConflict(
            f"{dataset_id} was not made by /regenerate: there is nothing to compare"
        )
    services.catalog.request(origin.dataset_id)
    ended = load_view(services, dataset_id).state.terminal
    mine = services.catalog.shard_records(dataset_id)
    theirs = {r.shard: r.sha256 for r in services.catalog.shard_records(origin.dataset_id)}
    different, compared = list[str](), 0
    for record in mine:
        compared += 1
        if theirs.get(record.shard) != record.sha256:
            different.append(record.name)
    return ComparisonOut(
        dataset_id=dataset_id,
        original=origin.dataset_id,
        complete=ended,
        identical=not different and compared == len(theirs) if ended else None,
        shards_compared=compared,
        different=different[:DIFFERENT_NAMED],
    )


def _derive(
    services: Services,
    key: ApiKey,
    parent_id: str,
    wanted: SubsetIn | ExtendIn | Again,
    idempotency_key: str | None,
    planned: Callable[[DatasetRecord, str], Planned],
) -> DatasetView:
    dataset_id = new_dataset_id(key.tenant, idempotency_key)
    asked = json.dumps([parent_id, type(wanted).__name__, wanted.model_dump(mode="json")])
    body_sha256 = hashlib.sha256(asked.encode()).hexdigest()
    if idempotency_key is not None and (view := known_order(services, dataset_id, body_sha256)):
        return view
    record = services.catalog.request(parent_id)
    plan, origin = planned(record, dataset_id)
    spec: AnySpec = record.spec.model_copy(
        update={
            "count": plan.count,
            "splits": plan.splits,
            "labels": wanted.labels,
            "derived_from": origin,
            "webhook_url": None,
        }
    )
    return claim_order(services, key, dataset_id, spec, plan, body_sha256)


def _rows(services: Services, parent_id: str, wanted: SubsetIn) -> list[dict[str, str]]:
    """Key and split of each sample that is wanted."""
    if wanted.keys is None:
        rows = services.samples.choose(
            parent_id, where=wanted.where, order=wanted.order, limit=wanted.limit
        )
    elif wanted.where or wanted.limit or wanted.order != "key":
        raise InvalidSpec("give keys, or where, order and limit; not both")
    else:
        every = services.samples.choose(parent_id, where=None, order="key", limit=None)
        known = {row["key"]: row for row in every}
        if missing := [name for name in wanted.keys if name not in known]:
            raise InvalidSpec(f"{parent_id} has no sample {missing[0]}")
        rows = [known[name] for name in dict.fromkeys(wanted.keys)]
    if not rows:
        raise InvalidSpec(f"no sample of {parent_id} passes: nothing to make a subset of")
    return rows


def _check_goes_on(services: Services, record: DatasetRecord) -> None:
    """Raises StateConflict for a part (nothing says how it would go on) and for a repetition (it
    would take the seeds that the original goes on with)."""
    source, part = record, False
    while (origin := source.spec.derived_from) is not None and origin.how != "extend":
        part = part or origin.how == "subset"
        try:
            source = services.catalog.request(origin.dataset_id)
        except NotFound:
            raise StateConflict(
                f"{record.id} was made from {origin.dataset_id}, which is deleted: order a new one"
            ) from None
    if source is record:
        return
    what, then = ("a part of", ", and make a subset of the extension") if part else ("again", "")
    raise StateConflict(f"{record.id} is {what} {source.id}: extend {source.id}{then}")


def _check_made_here(services: Services, record: DatasetRecord) -> None:
    if record.plan.format_version != FORMAT_VERSION:
        raise StateConflict(
            f"{record.id} was made by format version {record.plan.format_version}, this service "
            f"makes {FORMAT_VERSION}: the bytes would differ"
        )
    if record.plan.parent is None:
        check_source(services, record.spec)
