"""One delivered sample: its key and the JSON that lies beside its pictures."""

from typing import Any

from pydantic import Field, TypeAdapter

from matteforge.schemas.base import Frozen


def shard_name(shard: int) -> str:
    """Name of a shard as users see it, e.g. `000042.tar`."""
    return f"{shard:06d}.tar"


def sample_key(shard: int, index: int) -> str:
    """WebDataset key, digits only (a dot would split it): unique over the dataset, sorts in
    delivery order."""
    return f"{shard:06d}{index:05d}"


class SampleRecord(Frozen):
    """The `.json` member of any sample."""

    key: str
    shard: int
    index: int
    split: str = "train"
    attempt: int = Field(
        description="number of the candidate within its shard, rejected ones counted"
    )
    seed: int = Field(description="seed of this candidate")
    dataset_seed: int
    batch_size: int
    bundle: str
    stylematte: str = Field(description="sha256 of StyleMatte's checkpoint")
    format_version: int
    width: int
    height: int
    scores: dict[str, float]
    thresholds: dict[str, float | None] = Field(
        description="every criterion; null where it rejected nothing"
    )


class GeneratedSample(SampleRecord):
    """A sample of StyleMatteGAN: everything needed to make the sample again and to judge it."""

    truncation_psi: float
    transform: list[list[float]] = Field(description="3x3 input transform, identity when none")
    generator: str = Field(description="sha256 of the generator's checkpoint")
    provenance: str = "synthetic: StyleMatteGAN, checked by StyleMatte"


class RenderedSample(SampleRecord):
    """A rendered portrait, the whole of it. `scores` that need StyleMatte measure StyleMatte,
    since the alpha is exact."""

    slot: int = Field(description="number within the dataset: samples before it")
    redraw: int = Field(
        description="pictures of this slot that were rejected before; their attributes were the "
        "same"
    )
    attributes: dict[str, str] = Field(description="as ordered (core.rendered_subjects)")
    spec: dict[str, Any] = Field(
        description="every sampled attribute of the subject and the scene, with units; weights by "
        "name are lists of {name, value}, so that all samples have one schema"
    )
    camera: dict[str, Any]
    renderer: str = Field(description="its version: with `spec` and the size it decides the pixels")
    provenance: str = "synthetic: rendered, alpha exact"


def to_sample(facts: dict[str, Any]) -> GeneratedSample | RenderedSample:
    """The record of a sample whose source its facts tell. Raises pydantic.ValidationError."""
    return _SAMPLE.validate_python(facts)


def parse_sample(body: bytes) -> GeneratedSample | RenderedSample:
    """A `.json` member. Raises pydantic.ValidationError."""
    return _SAMPLE.validate_json(body)


_SAMPLE: TypeAdapter[GeneratedSample | RenderedSample] = TypeAdapter(
    GeneratedSample | RenderedSample
)
