"""End a dataset: write its manifest, once, from the shard records in S3."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from pydantic import ValidationError

from core import keys
from core.datasets.catalog import Catalog, add_shard
from core.datasets.dataset import utcnow
from core.datasets.manifest import DatasetRecord, ManifestHead, ShardRecord
from core.datasets.plan import Plan
from core.datasets.shard_records import RECORD
from core.errors import BudgetExhausted, StoreRefused, TransientError
from matteforge.schemas.datasets import Counts, DatasetState, ErrorInfo
from workers.context import Context
from workers.control.webhooks import tell_end

log = logging.getLogger(__name__)
LOOKERS = 16  # tars looked at at once


def finalize(
    context: Context, dataset_id: str, state: DatasetState, error: ErrorInfo | None = None
) -> bool:
    """Write the manifest that says `state`, or adopt the one that is there; the live view follows.

    False: the dataset should be complete but lacks shards; the live view is told, so that they are
    made.
    """
    record = context.catalog.request(dataset_id)
    context.live.set_state(dataset_id, DatasetState.FINALIZING, utcnow())
    while context.catalog.compact_records(dataset_id, below=record.plan.shards_total):
        pass  # as a rule only the last thousand are left to do
    with TemporaryDirectory(prefix="matteforge-finalize-") as folder:
        spool = Path(folder) / "records"
        with spool.open("w") as file:
            counts, missing, short = _spool(context, record, file)
        if state is DatasetState.COMPLETED and missing:
            log.warning(
                "%s lacks %d shards that counted as done", dataset_id, sum(map(len, missing))
            )
            for shard in chain.from_iterable(missing):
                context.live.forget_shard(dataset_id, shard)
            return False
        if state is DatasetState.COMPLETED and short:
            state, error = DatasetState.FAILED, starved(record.plan, short)
        head = ManifestHead(
            id=dataset_id,
            state=state,
            counts=counts,
            error=error,
            timestamps=_timestamps(context, record, state),
        )
        _explain(context, record, head, spool)
        end = context.catalog.finish(record, head, _unspool(spool))
    publish_end(context, end)
    return True


def _explain(context: Context, record: DatasetRecord, head: ManifestHead, spool: Path) -> None:
    """Write what lies beside the shards. A fault in it costs the files, not the dataset."""
    from workers.control.companions.write import write_companions

    try:
        write_companions(context.catalog.store, record, head, lambda: _unspool(spool))
    except (TransientError, StoreRefused):
        raise
    except Exception:
        log.exception("%s ends without some of its companions", record.id)


def publish_end(context: Context, end: ManifestHead) -> None:
    """Bring the live view to the state that the manifest says, once receivers will be told."""
    tell_end(context, end)
    context.live.set_state(
        end.id, end.state, end.timestamps[end.state], error=end.error, counts=end.counts
    )
    log.info(
        "%s %s: %d samples in %d shards",
        end.id,
        end.state,
        end.counts.accepted,
        end.counts.shards_done,
    )


def starved(plan: Plan, record: ShardRecord) -> ErrorInfo:
    """Why a shard stayed short: the criterion that rejected most, with the figures."""
    reason = record.starved_by
    figures = (
        f"{record.rejected[reason]} of {record.attempted} candidates" if reason else "no candidate"
    )
    threshold = f" (threshold {plan.thresholds[reason]})" if reason in plan.thresholds else ""
    return ErrorInfo(
        code=BudgetExhausted.code,
        detail=f"shard {record.name} holds {record.samples} of {plan.samples_in(record.shard)} "
        f"samples: "
        f"{reason} rejected {figures}{threshold}; what was accepted stays",
    )


def _spool(
    context: Context, record: DatasetRecord, file: IO[str]
) -> tuple[Counts, list[range], ShardRecord | None]:
    """Write every shard record as a line: they may be a million.

    Returns the totals, the shards that are missing, and the first one that holds fewer samples than
    planned.
    """
    counts = Counts(requested=record.plan.count, shards_total=record.plan.shards_total)
    missing: list[range] = []
    short: ShardRecord | None = None
    expected = 0
    for shard in with_tars(context.catalog, record.id):
        if shard.shard > expected:
            missing.append(range(expected, shard.shard))
        expected = shard.shard + 1
        counts = add_shard(counts, shard)
        if short is None and shard.samples < record.plan.samples_in(shard.shard):
            short = shard
        file.write(shard.model_dump_json() + "\n")
    if expected < record.plan.shards_total:
        missing.append(range(expected, record.plan.shards_total))
    return counts, missing, short


def with_tars(catalog: Catalog, dataset_id: str) -> Iterator[ShardRecord]:
    """Records whose tars are there, as large as recorded and with the same record in their
    metadata. One that has no such tar is forgotten: its shard is made again, or adopted once its
    bytes were hashed.
    """
    records = catalog.shard_records(dataset_id)
    with ThreadPoolExecutor(LOOKERS) as pool:
        while chunk := list(islice(records, LOOKERS * 8)):
            for record, whole in zip(
                chunk, pool.map(partial(_has_tar, catalog, dataset_id), chunk), strict=True
            ):
                if whole:
                    yield record
                    continue
                log.error("%s: the tar of %s is not what its record says", dataset_id, record.name)
                catalog.forget_shard_record(dataset_id, record.shard)


def _has_tar(catalog: Catalog, dataset_id: str, record: ShardRecord) -> bool:
    info = catalog.store.head(keys.shard_tar(dataset_id, record.shard))
    if info is None or info.size_bytes != record.size_bytes:
        return False
    try:
        return ShardRecord.model_validate_json(info.metadata.get(RECORD, "")) == record
    except ValidationError:
        return False


def _unspool(spool: Path) -> Iterator[ShardRecord]:
    with spool.open() as file:
        for line in file:
            yield ShardRecord.model_validate_json(line)


def _timestamps(
    context: Context, record: DatasetRecord, state: DatasetState
) -> dict[DatasetState, datetime]:
    view = context.live.get(record.id)
    known = view.timestamps if view else {}
    return {DatasetState.QUEUED: record.created_at, **known, state: utcnow()}
