"""One delivered sample: its key and the JSON that lies beside its pictures."""

from pydantic import Field

from core.dataset import Frozen


def shard_name(shard: int) -> str:
    """Name of a shard as users see it, e.g. `000042.tar`."""
    return f"{shard:06d}.tar"


def sample_key(shard: int, index: int) -> str:
    """WebDataset key, digits only (a dot would split it): unique over the dataset, sorts in delivery order."""
    return f"{shard:06d}{index:05d}"


class SampleRecord(Frozen):
    """The `.json` member: everything needed to make the sample again and to judge it."""

    key: str
    shard: int
    index: int
    attempt: int = Field(description="number of the candidate within its shard, rejected ones counted")
    seed: int = Field(description="seed of this candidate's z")
    dataset_seed: int
    truncation_psi: float
    transform: list[list[float]] = Field(description="3x3 input transform, identity when none")
    batch_size: int
    bundle: str
    generator: str = Field(description="sha256 of the generator's checkpoint")
    stylematte: str = Field(description="sha256 of StyleMatte's checkpoint")
    format_version: int
    width: int
    height: int
    scores: dict[str, float]
    thresholds: dict[str, float]
    provenance: str = "synthetic: StyleMatteGAN, checked by StyleMatte"
