"""A subject cut out of somebody's own picture, on the wire."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from matteforge.schemas.base import Wire
from matteforge.schemas.datasets import DatasetState, ErrorInfo

MAX_PICTURE_BYTES = 64 << 20
MAX_ARCHIVE_BYTES = 2 << 30
MAX_BATCH_PICTURES = 10_000

Output = Literal["alpha", "cutout", "composite"]
MatteState = Literal["waiting", "done", "failed"]


class MatteOut(Wire):
    """One picture that is or was cut out. It is kept for a day."""

    id: str = Field(examples=["mt_006720000000000000000000"])
    state: MatteState
    output: Output
    bundle: str = Field(description="digest of the bundle whose StyleMatte is used")
    width: int | None = Field(description="pixels of the result, upright; null until it is done")
    height: int | None
    side: int | None = Field(description="the longer side, in pixels, at which StyleMatte looked")
    seconds: float | None = Field(description="of work")
    notice: str | None = Field(description="what to know of the network that was used")
    error: ErrorInfo | None
    links: dict[str, str] = Field(description="self, and `result` once it is done")


class MatteBatchCounts(Wire):
    """Pictures of a batch."""

    total: int | None = Field(description="null until they are known")
    made: int
    failed: int = Field(description="each with its reason: see `links.pictures`")


class MatteBatchOut(Wire):
    """Many pictures that are or were cut out by one order. It is kept for a week."""

    id: str = Field(examples=["mb_0123456789abcdef01234567"])
    state: DatasetState
    created_at: datetime
    ended_at: datetime | None
    output: Output
    bundle: str = Field(description="digest of the bundle whose StyleMatte is used")
    prefix: str | None = Field(description="where the pictures lie; null: they came as a zip")
    counts: MatteBatchCounts
    results: str = Field(description="where each result lies in the object store, NAME.png")
    size_bytes: int | None = Field(description="of the zip of all results; null until it is there")
    notice: str | None = Field(description="what to know of the network that was used")
    error: ErrorInfo | None = Field(description="why the batch failed")
    cancel_requested: bool
    links: dict[str, str] = Field(description="self, pictures; `result` once there is a zip")


class MatteBatchPage(Wire):
    """Batches, newest first."""

    items: list[MatteBatchOut]
    next_cursor: str | None = Field(
        description="pass as `cursor` for the next page; null on the last one"
    )


class BatchPictureOut(Wire):
    """One picture of a batch."""

    name: str = Field(description="as it was called, with its folders")
    state: MatteState
    result: str = Field(description="the name of its matte in the zip of results")
    width: int | None = Field(description="pixels of the result, upright; null unless it is done")
    height: int | None
    seconds: float | None = Field(description="of work")
    error: ErrorInfo | None
    url: str | None = Field(description="of the PNG; presigned: needs no key, expires")


class BatchPicturePage(Wire):
    """Pictures of a batch, in the order of the archive."""

    items: list[BatchPictureOut]
    next_cursor: str | None = Field(
        description="pass as `cursor` for the next page; null on the last one"
    )
