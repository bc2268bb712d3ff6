"""What a key may use up: token buckets, and how large an order's shards will be. Arithmetic."""

import math
from dataclasses import dataclass

from core.datasets.plan import Plan

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
    pixels = (plan.render.size if plan.render else resolution) ** 2
    members = [plan.image_format, f"alpha{plan.alpha_bits}", *plan.members]
    by_pixel = sum(BYTES_A_PIXEL.get(member, 1.5) for member in members) * pixels
    return round(plan.count * (by_pixel + JSON_BYTES + TAR_BYTES_A_MEMBER * (len(members) + 1)))
