"""What a key may use up: token buckets, and how large an order's shards will be. Arithmetic."""

import math
from dataclasses import dataclass

from core.datasets.dataset import DatasetView
from core.datasets.plan import Plan
from matteforge.schemas.orders import AnySpec, RenderedSpec

TAR_BYTES_A_MEMBER = 768  # a header of 512, and on average half a block of padding
JSON_BYTES = 900
BYTES_A_PIXEL = {
    "png": 1.5, "webp": 1.1, "jpeg": 0.4, "alpha8": 0.25, "alpha16": 0.5,
    "fg": 1.5, "trimap": 0.12, "composite": 1.6, "depth": 1.0, "normals": 1.5,
    "parts": 0.1, "landmarks": 0.1,
}  # fmt: skip
"""Measured on delivered shards of 64 and 128 pixels a side, rounded up; an estimate, no bound."""


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """Holds `size` tokens when it is full, as it is at first, and gains `size` every `window_s`."""

    name: str
    size: float
    window_s: float


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What came of taking tokens from a bucket."""

    granted: bool
    left: float
    wait_s: float  # until there are enough; 0 when granted, inf when there never will be


@dataclass(frozen=True, kw_only=True)
class OrderNote:
    """An order that some process of the API is placing, or placed a moment ago."""

    token: str  # one of its own: the same dataset may be asked for twice at once
    dataset_id: str
    size_bytes: int  # expected


PLACING_S = 60.0  # a process that was killed in mid-order is forgotten then
RECENT_S = 120.0  # longer than any process counts what is stored before it counts anew


def taken(bucket: Bucket, amount: float, *, granted: bool, left: float) -> Taken:
    """The outcome, with the time until `amount` tokens are there."""
    if granted:
        wait_s = 0.0
    elif amount > bucket.size:
        wait_s = math.inf
    else:
        wait_s = (amount - left) / bucket.size * bucket.window_s
    return Taken(granted=granted, left=left, wait_s=wait_s)


def expected_bytes(plan: Plan, resolution: int) -> int:
    """About how large the shards of a plan will be. `resolution`: the bundle's pixels a side."""
    return _bytes(plan.count, plan.render.size if plan.render else resolution, plan)


def expected_bytes_of(view: DatasetView, resolution: int) -> int:
    """The same of a dataset, of whose shards nothing is known yet."""
    spec = view.spec
    side = spec.size if isinstance(spec, RenderedSpec) else resolution
    return _bytes(view.counts.requested, side, spec)


def _bytes(count: int, side: int, wanted: Plan | AnySpec) -> int:
    members = [wanted.image_format, f"alpha{wanted.alpha_bits}", *wanted.members]
    by_pixel = sum(BYTES_A_PIXEL.get(member, 1.5) for member in members) * side**2
    return round(count * (by_pixel + JSON_BYTES + TAR_BYTES_A_MEMBER * (len(members) + 1)))
