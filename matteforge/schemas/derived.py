"""Wire schemas of datasets that are made from others: a part of one, more of it, it again."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from matteforge.schemas.base import Frozen, Wire
from matteforge.schemas.names import DATASET_ID
from matteforge.schemas.samples import SAMPLE_KEY

MAX_SUBSET_KEYS = 50_000
SampleKey = Annotated[str, StringConstraints(pattern=SAMPLE_KEY)]
Tag = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]


class DerivedFrom(Frozen):
    """Where a dataset comes from that was not ordered by itself."""

    dataset_id: str
    how: Literal["subset", "extend", "regenerate"]
    copies: bool = Field(False, description="its samples are copied from there, not made")
    where: str | None = Field(None, description="of a subset: the filter")
    order: str | None = None
    limit: int | None = None


class SubsetIn(Frozen):
    """A part of a dataset that has ended: by filter, or by keys."""

    where: str | None = Field(
        None,
        max_length=500,
        description="only samples that pass it, as in GET …/samples",
        examples=["iou > 0.98 and coverage < 0.6"],
    )
    order: str = Field(
        "key",
        max_length=100,
        description="which come first where `limit` cuts: a score; -NAME: largest",
    )
    limit: int | None = Field(None, ge=1, description="samples at most")
    keys: list[SampleKey] | None = Field(
        None, min_length=1, max_length=MAX_SUBSET_KEYS, description="these samples, and no filter"
    )
    shard_size: int | None = Field(None, ge=1, le=10_000, description="samples a shard")
    labels: dict[Tag, Tag] = Field(default_factory=dict, max_length=50)


class ExtendIn(Frozen):
    """More of a dataset, with the same order and model."""

    count: int = Field(ge=1, le=10**8, description="samples more")
    labels: dict[Tag, Tag] = Field(default_factory=dict, max_length=50)


class ComparisonOut(Wire):
    """A dataset that was made once more, beside the first one."""

    dataset_id: str
    original: str = Field(pattern=DATASET_ID)
    complete: bool = Field(description="it has ended, and every shard was compared")
    identical: bool | None = Field(description="every shard has the same bytes; null until then")
    shards_compared: int
    different: list[str] = Field(description="shards with other bytes, the first hundred")
