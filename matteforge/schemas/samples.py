"""Wire schemas of samples: what a gallery needs of each."""

from pydantic import Field

from matteforge.schemas.base import Wire

SAMPLE_KEY = r"^[0-9]{11}$"
SAMPLE_MEMBER = r"^[a-z]+(\.[a-z]+)?$"


class SampleOut(Wire):
    """One delivered sample."""

    key: str = Field(pattern=SAMPLE_KEY, examples=["00000000000"])
    shard: int = Field(description="number of its shard")
    split: str = Field(examples=["train"])
    seed: int = Field(description="of this sample alone")
    psi: float | None = Field(description="truncation; null for rendered people")
    width: int = Field(description="pixels")
    height: int = Field(description="pixels")
    scores: dict[str, float] = Field(description="what it was measured by, e.g. iou")
    thresholds: dict[str, float] = Field(description="what its scores were held against")
    attributes: dict[str, str] = Field(description="of a rendered person; else empty")
    members: dict[str, str] = Field(
        description="path of each picture and of its json, by name: image, alpha, json, …"
    )


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
