"""From a spec to a plan: how many shards, which seeds, how many attempts. Pure arithmetic.

A candidate is a pure function of (generator digest, seed, shard, attempt, psi, batch size, format
version); a rendered one of (renderer's version, seed, slot, redraw, count, shares, framing,
size).
Everything that may change bytes is fixed here, once, when the dataset is created.
"""

import hashlib

from pydantic import Field

from core.errors import InvalidSpec
from matteforge.schemas.attributes import Framing, Shares, complete_shares
from matteforge.schemas.base import Frozen
from matteforge.schemas.orders import MAX_SHARDS, DatasetSpec, Member, RenderedSpec

PIXELS_A_BATCH = {
    "cpu": 1024**2,
    "cuda": 16 * 1024**2,
}  # by device class: memory of the networks grows with it
LARGEST_BATCH = {"cpu": 8, "cuda": 64}
FORMAT_VERSION = 4  # bumped whenever the bytes of a shard change for the same order


class RenderPlan(Frozen):
    """What to render."""

    size: int = Field(description="pixels a side")
    shares: Shares = Field(
        description="of every attribute and value: as ordered, the rest by default"
    )
    framing: Framing = Field("free", description="how the camera frames heads")
    members: list[Member] = Field(description="ground truth beside alpha")


class Plan(Frozen):
    """What workers need to know of an order, complete: nothing else decides a shard's bytes."""

    format_version: int = FORMAT_VERSION
    count: int
    shard_size: int
    shards_total: int
    seed: int
    truncation_psi: float | None = Field(
        None, description="of StyleMatteGAN's samples; null for rendered people"
    )
    render: RenderPlan | None = Field(None, description="null for StyleMatteGAN's samples")
    image_format: str
    alpha_bits: int
    bundle: str = Field(description="digest: sha256:…")
    thresholds: dict[str, float] = Field(
        description="the bundle's, overridden by the order's; for rendered people the order's alone"
    )
    batch_size: int = Field(
        description="candidates a forward pass; style normalisation runs over it"
    )
    threads: int = Field(description="torch CPU threads")
    max_attempts_per_sample: int = Field(
        description="a shard gives up after this many candidates a sample"
    )

    @property
    def psi(self) -> float:
        """truncation_psi where StyleMatteGAN samples."""
        if self.truncation_psi is None:
            raise ValueError("rendered people have no truncation_psi")
        return self.truncation_psi

    def samples_in(self, shard: int) -> int:
        """Samples that shard number `shard` holds when full; the last one takes the rest."""
        return min(self.shard_size, self.count - shard * self.shard_size)

    def max_attempts(self, shard: int) -> int:
        """Bound on candidates for one shard, a multiple of the batch size."""
        wanted = self.samples_in(shard) * self.max_attempts_per_sample
        return max(-(-wanted // self.batch_size), 16) * self.batch_size


def make_plan(
    spec: DatasetSpec | RenderedSpec,
    *,
    seed: int,
    bundle: str,
    thresholds: dict[str, float],
    batch_size: int,
    threads: int,
    max_attempts_per_sample: int,
) -> Plan:
    """Raises InvalidSpec when the order would need more than 999,999 shards."""
    shards_total = -(-spec.count // spec.shard_size)
    if shards_total > MAX_SHARDS:
        smallest = -(-spec.count // MAX_SHARDS)
        raise InvalidSpec(
            f"{spec.count} samples in shards of {spec.shard_size} are {shards_total} shards; at "
            f"most {MAX_SHARDS}: "
            f"use a shard_size of at least {smallest}"
        )
    rendered = isinstance(spec, RenderedSpec)
    return Plan(
        count=spec.count,
        shard_size=spec.shard_size,
        shards_total=shards_total,
        seed=seed,
        truncation_psi=None if isinstance(spec, RenderedSpec) else spec.truncation_psi,
        render=_render_plan(spec) if isinstance(spec, RenderedSpec) else None,
        image_format=spec.image_format,
        alpha_bits=spec.alpha_bits,
        bundle=bundle,
        thresholds=({} if rendered else thresholds) | spec.filter,
        batch_size=1 if rendered else batch_size,
        threads=threads,
        max_attempts_per_sample=max_attempts_per_sample,
    )


def choose_batch_size(device: str, resolution: int) -> int:
    """Candidates a forward pass on a device class (cpu or cuda) at a resolution in pixels; a power
    of two.

    It is a property of the class, not of the machine: a plan is carried out by any worker. The
    figures for CUDA are estimates that were never measured; `matteforge bench --device cuda --batch
    N` measures, MATTEFORGE_BATCH_SIZE sets.
    """
    return min(LARGEST_BATCH[device], max(1, PIXELS_A_BATCH[device] // resolution**2))


def _render_plan(spec: RenderedSpec) -> RenderPlan:
    shares = complete_shares(spec.attributes)
    return RenderPlan(size=spec.size, shares=shares, framing=spec.framing, members=spec.members)


def candidate_seed(seed: int, shard: int, attempt: int) -> int:
    """63-bit seed of one candidate: independent streams for every (seed, shard, attempt), or (seed,
    slot, redraw)."""
    digest = hashlib.blake2b(f"{seed}/{shard}/{attempt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
