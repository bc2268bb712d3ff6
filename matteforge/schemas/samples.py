"""Wire schemas of samples: what a gallery needs of each."""

from pydantic import Field

from matteforge.schemas.base import Wire

SAMPLE_KEY = r"^[0-9]{11}$"
REJECTED_NAME = r"^[0-9]{6}-[0-9]{1,9}$"
SAMPLE_MEMBER = r"^[a-z]+(\.[a-z]+)?$"


class SampleOut(Wire):
    """One delivered sample."""

    key: str = Field(pattern=SAMPLE_KEY, examples=["00000000000"])
    shard: int = Field(description="number of its shard")
    split: str = Field(examples=["train"])
    seed: int = Field(description="of this sample alone")
    psi: float | None = Field(description="truncation; null for rendered portraits")
    width: int = Field(description="pixels")
    height: int = Field(description="pixels")
    scores: dict[str, float] = Field(description="what it was measured by, e.g. iou")
    thresholds: dict[str, float] = Field(description="what its scores were held against")
    attributes: dict[str, str] = Field(description="of a rendered person; else empty")
    members: dict[str, str] = Field(
        description="path of each picture and of its json, by name: image, alpha, json, …"
    )


class RejectedOut(Wire):
    """One candidate that was looked at and not delivered."""

    name: str = Field(pattern=REJECTED_NAME, examples=["000000-12"])
    shard: int = Field(description="number of the shard that it was made for")
    attempt: int = Field(description="number of the candidate within its shard")
    seed: int
    reason: str = Field(description="the criterion that it failed", examples=["mad"])
    scores: dict[str, float] = Field(description="those that were measured before it failed")
    threshold: float | None = Field(description="what it failed; null for a renderer's defect")
    attributes: dict[str, str] = Field(description="of a rendered person; else empty")
    picture: str = Field(description="path of a WebP: image and alpha side by side, small")


class RejectedList(Wire):
    """Examples of rejected candidates: a few a reason, of the first shards."""

    items: list[RejectedOut]
    rejected: dict[str, int] = Field(description="all rejected candidates, by reason")


class SamplePage(Wire):
    """Samples that pass a filter, in the order asked for."""

    items: list[SampleOut]
    next_cursor: str | None = Field(
        description="pass as `cursor` for the next page; null on the last one"
    )
    matched: int = Field(description="samples on this page and after it, so far")
    complete: bool = Field(
        description="every sample of the dataset was looked at; false while it is made"
    )
    columns: list[str] = Field(description="what `where` and `order` may name")
