"""From a spec to a plan: how many shards, which seeds, how many attempts. Pure arithmetic.

A candidate is a pure function of (generator digest, seed, shard, attempt, psi, batch size, format
version); a rendered one of (renderer's version, domain, seed, slot, redraw, count, shares,
framing, size).
Everything that may change bytes is fixed here, once, when the dataset is created.
"""

from pydantic import Field

from core.datasets.sample import shard_name
from core.datasets.splits import (
    ShardPart,
    candidate_seed,
    candidate_seed_in,
    samples_by_split,
    shard_part,
    shards_of,
)
from core.errors import InvalidSpec
from matteforge.schemas.attributes import MEMBERS, VOCABULARIES, Framing, vocabulary_of
from matteforge.schemas.base import Frozen
from matteforge.schemas.orders import MAX_SHARDS, DatasetSpec, Member, RenderedSpec
from matteforge.schemas.vocabulary import Shares

PIXELS_A_BATCH = {
    "cpu": 1024**2,
    "cuda": 16 * 1024**2,
}  # by device class: memory of the networks grows with it
DEFAULT_PSI = 0.7
SHARDS_WANTED = 16
SMALLEST_SHARD, LARGEST_SHARD = 32, 1000  # samples, where an order does not say
LARGEST_BATCH = {"cpu": 8, "cuda": 64}
FORMAT_VERSION = 5  # bumped whenever the bytes of a shard change for the same order


class RenderPlan(Frozen):
    """What to render."""

    domain: str = Field(next(iter(VOCABULARIES)), description="what is in the pictures")
    size: int = Field(description="pixels a side")
    shares: Shares = Field(
        description="of every attribute and value: as ordered, the rest by default"
    )
    framing: Framing = Field("free", description="how the camera frames heads")
    members: list[Member] = Field(description="ground truth that is rendered beside alpha")


class BackgroundPool(Frozen):
    """A corpus of backgrounds as it was when it was ordered."""

    corpus: str
    digest: str
    shards: dict[str, str] = Field(description="their SHA-256, by name")


class Plan(Frozen):
    """What workers need to know of an order, complete: nothing else decides a shard's bytes."""

    format_version: int = FORMAT_VERSION
    count: int
    shard_size: int
    shards_total: int
    first_shard: int = Field(0, description="number of the first shard: of an extension, not 0")
    first_slot: int = Field(0, description="samples before the first one, of what it extends")
    root: str | None = Field(None, description="the dataset that it extends, the first of all")
    parent: str | None = Field(None, description="of a subset: where its samples are copied from")
    splits: dict[str, float] = Field(
        default_factory=dict, description="shares by split; none: all is `train`"
    )
    seed: int
    truncation_psi: float | None = Field(
        None, description="of StyleMatteGAN's samples; null for rendered portraits"
    )
    render: RenderPlan | None = Field(None, description="null for StyleMatteGAN's samples")
    members: list[Member] = Field(default_factory=list, description="beside image and alpha")
    background: str = Field("builtin", description="behind the member `composite`")
    backgrounds: BackgroundPool | None = Field(None, description="where they are of a corpus")
    image_format: str
    alpha_bits: int
    bundle: str = Field(description="digest: sha256:…")
    thresholds: dict[str, float] = Field(
        description="the bundle's, overridden by the order's; for rendered portraits the order's "
        "alone"
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
            raise ValueError("rendered portraits have no truncation_psi")
        return self.truncation_psi

    def part(self, shard: int) -> ShardPart:
        """Split, first slot and samples of shard number `shard`. IndexError."""
        return shard_part(shard, self.count, self.shard_size, self.splits)

    def samples_in(self, shard: int) -> int:
        """Samples that shard number `shard` holds when full; a split's last one takes the rest."""
        return self.part(shard).samples

    def number(self, shard: int) -> int:
        """Its number as users see it, in names and keys: extensions go on where others ended."""
        return self.first_shard + shard

    def shard_of(self, number: int) -> int | None:
        """The inverse; None: it belongs to another dataset."""
        shard = number - self.first_shard
        return shard if 0 <= shard < self.shards_total else None

    def shard_name(self, shard: int) -> str:
        """Its name as users see it: `000042.tar`, or `train-000042.tar` where there are splits."""
        split = f"{self.part(shard).split}-" if self.splits else ""
        return split + shard_name(self.number(shard))

    def seed_of(self, shard: int, place: int, attempt: int) -> int:
        """Seed of a candidate of a shard; place: the shard, or a rendered portrait's slot, counted
        within this dataset."""
        place += self.first_slot if self.render else self.first_shard
        if not self.splits:
            return candidate_seed(self.seed, place, attempt)
        split = self.part(shard).split
        return candidate_seed_in(split, self.splits, self.seed, place, attempt)

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
    truncation_psi: float | None = None,
    backgrounds: BackgroundPool | None = None,
) -> Plan:
    """thresholds, truncation_psi: the bundle's, where the order names none.

    Raises InvalidSpec when the order would need more than 999,999 shards, or leave a split empty.
    """
    shard_size = spec.shard_size or default_shard_size(spec)
    splits: dict[str, float] = {split: share for split, share in spec.splits.items()}  # noqa: C416
    by_split = samples_by_split(spec.count, splits)
    if empty := [split for split, samples in by_split.items() if not samples]:
        raise InvalidSpec(f"of {spec.count} samples none would be in the split {empty[0]}")
    shards_total = sum(shards_of(samples, shard_size) for samples in by_split.values())
    if shards_total > MAX_SHARDS:
        smallest = -(-spec.count // MAX_SHARDS)
        raise InvalidSpec(
            f"{spec.count} samples in shards of {shard_size} are {shards_total} shards; at "
            f"most {MAX_SHARDS}: "
            f"use a shard_size of at least {smallest}"
        )
    rendered = isinstance(spec, RenderedSpec)
    return Plan(
        count=spec.count,
        shard_size=shard_size,
        shards_total=shards_total,
        splits=splits,
        seed=seed,
        truncation_psi=None
        if isinstance(spec, RenderedSpec)
        else spec.truncation_psi or truncation_psi or DEFAULT_PSI,
        render=_render_plan(spec) if isinstance(spec, RenderedSpec) else None,
        members=spec.members,
        background=spec.background,
        backgrounds=backgrounds,
        image_format=spec.image_format,
        alpha_bits=spec.alpha_bits,
        bundle=bundle,
        thresholds=({} if rendered else thresholds) | spec.filter,
        batch_size=1 if rendered else batch_size,
        threads=threads,
        max_attempts_per_sample=max_attempts_per_sample,
    )


def default_shard_size(spec: DatasetSpec | RenderedSpec) -> int:
    """Samples a shard where the order does not say: 2 to 16 shards from 64 samples on, so that
    several readers and workers find one each; beyond 16,000 samples, shards of 1000.

    Rendered portraits come in shards of at most 6 pictures of 256 pixels a side, fewer of larger
    ones: one core then makes the first shard in about a minute, and no other order waits longer for
    it.
    """
    size = min(max(-(-spec.count // SHARDS_WANTED), SMALLEST_SHARD), LARGEST_SHARD)
    if isinstance(spec, RenderedSpec):
        size = min(size, max(1, min(6, 6 * 256**2 // spec.size**2)))
    return max(size, -(-spec.count // MAX_SHARDS))


def subset_plan(
    plan: Plan, parent: str, count: int, by_split: dict[str, int], shard_size: int | None
) -> Plan:
    """The plan of a subset of `count` samples of the dataset with this plan; by_split: how many of
    each split, empty where the parent has none."""
    size = shard_size or min(plan.shard_size, count)
    splits = {split: samples / count for split, samples in by_split.items()}
    shards = sum(shards_of(samples, size) for samples in samples_by_split(count, splits).values())
    changed = {"count": count, "shard_size": size, "splits": splits, "shards_total": shards}
    own = {"parent": parent, "root": None, "first_shard": 0, "first_slot": 0}
    return plan.model_copy(update=changed | own)


def pace_kind(plan: Plan) -> str:
    """Samples that take about as long as each other: of one source, model and size."""
    if plan.parent is not None:
        return "copied"
    if plan.render:
        return f"rendered/{plan.render.domain}/{plan.render.size}"
    return f"generated/{plan.bundle}"


def choose_batch_size(device: str, resolution: int) -> int:
    """Candidates a forward pass on a device class (cpu or cuda) at a resolution in pixels; a power
    of two.

    It is a property of the class, not of the machine: a plan is carried out by any worker. The
    figures for CUDA are estimates that were never measured; `matteforge bench --device cuda --batch
    N` measures, MATTEFORGE_BATCH_SIZE sets.
    """
    return min(LARGEST_BATCH[device], max(1, PIXELS_A_BATCH[device] // resolution**2))


def _render_plan(spec: RenderedSpec) -> RenderPlan:
    shares = vocabulary_of(spec.domain).complete(spec.attributes)
    needed = {*spec.members, *(["fg"] if "composite" in spec.members else [])} - {"composite"}
    members = [name for name in MEMBERS if name in needed]
    return RenderPlan.model_validate(
        {
            "domain": spec.domain,
            "size": spec.size,
            "shares": shares,
            "framing": spec.framing,
            "members": members,
        }
    )
