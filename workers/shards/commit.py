"""Commit a shard once: tar, then record, both conditional. A crash between any two steps heals on
the next run."""

import hashlib
import logging
from pathlib import Path

from pydantic import ValidationError

from core import keys
from core.datasets.catalog import Catalog
from core.datasets.manifest import ShardRecord
from core.datasets.shard_records import RECORD
from core.errors import Cancelled, NotFound, PreconditionFailed, ShardCorrupt

log = logging.getLogger(__name__)


def commit_shard(catalog: Catalog, dataset_id: str, path: Path, record: ShardRecord) -> ShardRecord:
    """Put the tar, then its record, and return the record that counts: this one or that of an
    earlier winner.

    Raises Cancelled when the dataset was ended meanwhile, ShardCorrupt when what lies there is not
    what it claims.
    """
    if reason := catalog.stop_reason(dataset_id):
        raise Cancelled(f"{dataset_id} takes no more shards: {reason}")
    try:
        catalog.store.upload(
            keys.shard_tar(dataset_id, record.shard),
            path,
            content_type="application/x-tar",
            metadata={RECORD: record.model_dump_json()},
            if_none_match=True,
        )
    except PreconditionFailed:
        adopted = adopt_shard(catalog, dataset_id, record.shard)
        if adopted is None:
            raise Cancelled(
                f"{record.name} of {dataset_id} was removed while it was committed"
            ) from None
        if adopted.sha256 != record.sha256:
            log.warning(
                "%s %s: adopted %s over %s", dataset_id, record.name, adopted.sha256, record.sha256
            )
        return adopted
    catalog.put_shard_record(dataset_id, record)
    return record


def adopt_shard(catalog: Catalog, dataset_id: str, shard: int) -> ShardRecord | None:
    """The record of a shard that is committed, or whose tar is there: then it is verified and its
    record written.

    None: there is neither. ShardCorrupt: the tar's bytes or metadata do not match.
    """
    key = keys.shard_tar(dataset_id, shard)
    info = catalog.store.head(key)
    if info is None:
        return None  # then there is no record either: the tar is put first
    if record := catalog.shard_record(dataset_id, shard):
        return record
    try:
        record = ShardRecord.model_validate_json(info.metadata.get(RECORD, ""))
        sha256 = hashlib.sha256()
        for chunk in catalog.store.stream(key):
            sha256.update(chunk)
    except ValidationError as error:
        raise ShardCorrupt(f"{key} does not carry its record in its metadata") from error
    except NotFound:
        return None
    if sha256.hexdigest() != record.sha256 or record.shard != shard:
        raise ShardCorrupt(
            f"{key} has sha256 {sha256.hexdigest()}, its metadata says {record.sha256}"
        )
    catalog.put_shard_record(dataset_id, record)
    return record
