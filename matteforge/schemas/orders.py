"""What a user may order."""

import math
from typing import Annotated, Literal

from pydantic import (
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    WrapValidator,
    field_validator,
)

from matteforge.schemas.attributes import (
    MEMBERS,
    MEMBERS_OF_ALL,
    VOCABULARIES,
    Framing,
    vocabulary_of,
)
from matteforge.schemas.by_source import by_source
from matteforge.schemas.criteria import check_thresholds
from matteforge.schemas.derived import DerivedFrom
from matteforge.schemas.expiry import Expiring
from matteforge.schemas.names import BACKGROUND, MODEL_REFERENCE, PRINTABLE
from matteforge.schemas.vocabulary import TOLERANCE
from matteforge.schemas.webhooks import ENDS, MAX_WEBHOOK_URL, WEBHOOK_URL, OrderEvents

PRIVATE_FIELDS = frozenset({"webhook_url", "webhook_events"})
"""Fields that don't leave the service with the dataset's files."""

MAX_PSI = 1.5  # truncation: more than the variety that a generator has learnt
MAX_COUNT = 10**8


MAX_SHARD_SIZE = 10_000


MAX_SHARDS = 999_999


Member = Literal["fg", "trimap", "composite", "depth", "normals", "parts", "landmarks"]


Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
"""In the order in which their shards follow each other."""


Label = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=PRINTABLE)]


class OrderSpec(Expiring):
    """What every order says, whatever its source. Strict: numbers are numbers, nothing is
    coerced."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    count: int = Field(ge=1, le=MAX_COUNT, description="image-alpha pairs wanted", examples=[64])
    model: str = Field(
        "humans",
        pattern=MODEL_REFERENCE,
        description="alias, name@alias or name@sha256:DIGEST; its StyleMatte measures every "
        "picture",
        examples=["humans"],
    )
    seed: int | None = Field(
        None, ge=0, lt=2**63, description="drawn and stored when absent", examples=[1]
    )
    shard_size: int | None = Field(
        None,
        ge=1,
        le=MAX_SHARD_SIZE,
        description="samples a shard; by default 2 to 16 shards from 64 samples on, of at most "
        "1000; of rendered portraits, which take seconds each, at most 6",
    )
    splits: dict[Split, Annotated[float, Field(gt=0, le=1)]] = Field(
        default_factory=dict,
        description="shares of splits, by who is in the picture; they add up to 1",
        examples=[{"train": 0.9, "validation": 0.05, "test": 0.05}],
    )
    image_format: Literal["png", "webp", "jpeg"] = Field(
        "png", description="png and webp are lossless, jpeg is quality 95"
    )
    alpha_bits: Literal[8, 16] = Field(8, description="bits of the grey alpha PNG")
    members: list[Member] = Field(
        default_factory=list,
        max_length=50,
        description="what lies beside image, alpha and json: fg (straight foreground), trimap, "
        "composite; of rendered portraits also depth, normals, parts, landmarks",
        examples=[["fg", "trimap"]],
    )
    background: str = Field(
        "builtin",
        pattern=BACKGROUND,
        description="behind the member `composite`: builtin scenes, one a sample; #rrggbb; or "
        "corpus:NAME, pictures of a corpus of images or backgrounds",
        examples=["#00ff00"],
    )
    filter: dict[str, float] = Field(
        default_factory=dict, description="thresholds, by criterion", examples=[{"mad": 0.05}]
    )
    labels: dict[Label, Label] = Field(
        default_factory=dict,
        max_length=50,
        description="free tags, kept as they are",
        examples=[{"team": "matting"}],
    )

    webhook_url: str | None = Field(
        None,
        pattern=WEBHOOK_URL,
        max_length=MAX_WEBHOOK_URL,
        description="told, by a signed POST, when the dataset ends; see /v1/webhooks",
        examples=["https://example.org/hook"],
    )
    derived_from: DerivedFrom | None = Field(
        None,
        description="set by the service: the dataset that this one was made from",
        json_schema_extra={"readOnly": True},
    )
    webhook_events: OrderEvents = Field(
        default_factory=lambda: list(ENDS),
        max_length=10,
        description="what is told; shard.committed has to be asked for",
    )

    @field_validator("members")
    @classmethod
    def _each_once(cls, value: list[Member]) -> list[Member]:
        return sorted(set(value), key=MEMBERS.index)

    @field_validator("splits")
    @classmethod
    def _whole(cls, value: dict[Split, float]) -> dict[Split, float]:
        if any(not 0 < share <= 1 for share in value.values()):
            raise ValueError("each share must be above 0 and at most 1; leave out an empty split")
        if value and abs(math.fsum(value.values()) - 1) > TOLERANCE:
            raise ValueError(f"the shares add up to {math.fsum(value.values()):g}, not to 1")
        return {split: value[split] for split in SPLITS if split in value}

    @field_validator("filter")
    @classmethod
    def _known_criteria(cls, value: dict[str, float]) -> dict[str, float]:
        return check_thresholds(value)


class DatasetSpec(OrderSpec):
    """An order of StyleMatteGAN's samples, the default source. `filter` replaces thresholds of the
    bundle."""

    source: Literal["generated"] = "generated"
    truncation_psi: float | None = Field(
        None,
        gt=0,
        le=MAX_PSI,
        description="1 = full variety, smaller = closer to the mean; 0 would be one image; left "
        "out: the model's own, 0.7 for most",
    )

    @field_validator("members")
    @classmethod
    def _of_generated(cls, value: list[Member]) -> list[Member]:
        if foreign := [name for name in value if name not in MEMBERS_OF_ALL]:
            raise ValueError(
                f"only rendered portraits have {foreign[0]}; generated pairs can have "
                f"{', '.join(MEMBERS_OF_ALL)}"
            )
        return value


class RenderedSpec(OrderSpec):
    """An order of rendered portraits, whose alpha is exact. Only what `filter` names rejects a
    picture."""

    source: Literal["rendered"]
    domain: str = Field(
        next(iter(VOCABULARIES)),
        description="what is in the pictures; each domain has attributes of its own",
        json_schema_extra={"enum": [*VOCABULARIES]},
    )
    size: int = Field(256, ge=64, le=1024, description="pixels a side")
    framing: Framing = Field(
        "free",
        description="free: the camera stands as a photographer's might; aligned: every head in "
        "one place and of one size, no motion, hardly any noise, for generators to learn from",
    )
    attributes: dict[str, float | dict[str, float]] = Field(
        default_factory=dict,
        description="shares of an attribute's values, met exactly: {value: share}, or the share "
        "of `yes`; what is left "
        "is spread evenly over the values not named",
        examples=[{"hair": {"long": 0.5, "bald": 0.1}, "glasses": 0.3}],
        json_schema_extra={
            "x-values": {
                domain: {name: [*values] for name, values in vocabulary.values.items()}
                for domain, vocabulary in VOCABULARIES.items()
            }
        },
    )

    @field_validator("attributes", mode="before")
    @classmethod
    def _known_attributes(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, dict) and "domain" in info.data:  # else that is what is refused
            vocabulary_of(info.data["domain"]).complete(value)
        return value

    @field_validator("domain")
    @classmethod
    def _known_domain(cls, value: str) -> str:
        vocabulary_of(value)
        return value


SOURCES: dict[object, type[DatasetSpec] | type[RenderedSpec]] = {
    "generated": DatasetSpec,
    "rendered": RenderedSpec,
}


AnySpec = Annotated[DatasetSpec | RenderedSpec, WrapValidator(by_source(SOURCES, "generated"))]
"""What a user orders."""
