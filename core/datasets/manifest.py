"""What was delivered: the record of a committed shard and the manifest that ends a dataset."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime

from pydantic import Field

from core.datasets.plan import Plan
from matteforge.schemas.base import Frozen
from matteforge.schemas.datasets import Counts, DatasetState, ErrorInfo
from matteforge.schemas.names import SHA256, SHARD_NAME
from matteforge.schemas.orders import PRIVATE_FIELDS, AnySpec


class ShardRecord(Frozen):
    """A committed shard: `shards/NNNNNN.json`, and the metadata of its tar."""

    shard: int = Field(ge=0)
    name: str = Field(pattern=SHARD_NAME)
    samples: int = Field(ge=0)
    attempted: int = Field(ge=0)
    rejected: dict[str, int]
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=SHA256)
    attributes: dict[str, dict[str, int]] = Field(
        default_factory=dict,
        description="samples by attribute and value; of rendered portraits only",
    )

    @property
    def starved_by(self) -> str | None:
        """The criterion that rejected most candidates."""
        return (
            max(sorted(self.rejected), key=lambda reason: self.rejected[reason])
            if self.rejected
            else None
        )


class DatasetRecord(Frozen):
    """`request.json`: the claim of a dataset's id, written once."""

    id: str
    owner: str = Field(description="the tenant that ordered it")
    spec: AnySpec
    plan: Plan
    created_at: datetime
    expires_at: datetime | None = Field(None, description="as ordered (core.retention)")
    body_sha256: str = Field(description="of the request body, to tell a replay from another order")


class ManifestHead(Frozen):
    """`manifest.json` without its shards; also kept as the object's metadata, so that a HEAD tells
    the end."""

    id: str
    state: DatasetState
    counts: Counts
    error: ErrorInfo | None
    timestamps: dict[DatasetState, datetime]


def manifest_lines(
    record: DatasetRecord, head: ManifestHead, shards: Iterable[ShardRecord]
) -> Iterator[bytes]:
    """manifest.json as a stream of lines, one shard a line, in shard order: never whole in
    memory."""
    fields = {
        **head.model_dump(mode="json"),
        "format": "matteforge.manifest/1",
        "bundle": record.plan.bundle,
        "spec": record.spec.model_dump(mode="json", exclude=set(PRIVATE_FIELDS)),
        "plan": record.plan.model_dump(mode="json"),
    }
    yield (json.dumps(fields, sort_keys=True)[:-1] + ', "shards": [').encode()
    separator = b"\n"
    for shard in shards:
        yield separator + json.dumps(shard.model_dump(mode="json"), sort_keys=True).encode()
        separator = b",\n"
    yield b"\n]}\n"
