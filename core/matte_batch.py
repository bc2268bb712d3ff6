"""Records of many pictures cut out by one order."""

from datetime import datetime

from pydantic import Field

from core.datasets.dataset import new_id
from core.mattes import MatteOrder, MatteOutcome
from matteforge.schemas.base import Frozen
from matteforge.schemas.datasets import DatasetState, ErrorInfo

PART = 8  # pictures


class BatchRecord(Frozen):
    """`order.json`: what is to be made of which pictures."""

    id: str
    matte: MatteOrder
    prefix: str | None = Field(description="of objects below incoming/TENANT/; None: an archive")
    created_at: datetime
    body_sha256: str


class BatchPicture(Frozen):
    """One picture of a batch."""

    name: str = Field(description="as it was called, with its folders")
    result: str = Field(description="the name of its matte, with its folders")
    key: str | None = Field(description="where it lies in the store; None when it is refused")
    refused: str | None = Field(None, description="why it can't even be tried")


class BatchPictures(Frozen):
    """`pictures.json`: in the order of the archive, or of the store."""

    items: list[BatchPicture]

    @property
    def parts(self) -> range:
        return range(-(-len(self.items) // PART))

    def of_part(self, part: int) -> range:
        """Which pictures a part has."""
        return range(part * PART, min((part + 1) * PART, len(self.items)))


class BatchPart(Frozen):
    """`parts/….json`: how each picture of a part ended."""

    outcomes: list[MatteOutcome]


class BatchEnd(Frozen):
    """`end.json`."""

    state: DatasetState
    at: datetime
    error: ErrorInfo | None = None
    notice: str | None = Field(None, description="what to know of the network that was used")
    size_bytes: int | None = Field(None, description="of results.zip; None: nothing was made")


class BatchView(Frozen):
    """All that is known of a batch."""

    record: BatchRecord
    state: DatasetState
    total: int | None
    made: int
    failed: int
    cancel_requested: bool
    end: BatchEnd | None


def new_batch_id(owner: str, idempotency_key: str | None) -> str:
    return new_id("mb", idempotency_key, owner, "mattes")


def batch_lease(batch_id: str, part: int | None = None) -> str:
    """Name of the lease on a part; without one: on unpacking and ending the batch."""
    return f"matte-batch/{batch_id}" + ("" if part is None else f"/{part}")
