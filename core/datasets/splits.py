"""Splits: which samples are kept apart, by a hash of who or what is in them. Pure arithmetic.

An identity is a generated candidate's z or a rendered person; its seed stands for it. Which split
it belongs to follows from that seed and the shares alone: orders with the same shares never have
one identity in two splits. Each shard belongs to one split: seeds of its candidates are drawn until
they are of that split, which costs a hash each and no picture.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

from core.rendered_subjects import apportion
from matteforge.schemas.orders import SPLITS

DEFAULT_SPLIT = SPLITS[0]


@dataclass(frozen=True, kw_only=True)
class ShardPart:
    """What one shard holds of a dataset."""

    split: str
    first_slot: int  # samples in shards before it
    samples: int


def samples_by_split(total: int, shares: Mapping[str, float]) -> dict[str, int]:
    """How many samples each split gets, by largest remainder; all in one when there are no
    shares."""
    counts = apportion(total, shares, "splits") if shares else {DEFAULT_SPLIT: total}
    return {split: counts[split] for split in SPLITS if split in counts}


def shards_of(samples: int, shard_size: int) -> int:
    """Shards that hold so many samples."""
    return -(-samples // shard_size)


def shard_part(shard: int, total: int, shard_size: int, shares: Mapping[str, float]) -> ShardPart:
    """The part of shard number `shard`; splits follow each other, each begins a new shard. The last
    shard of a split takes the rest. IndexError beyond the dataset."""
    first_shard = first_slot = 0
    for split, samples in samples_by_split(total, shares).items():
        number = shard - first_shard
        if number < shards_of(samples, shard_size):
            before = number * shard_size
            return ShardPart(
                split=split,
                first_slot=first_slot + before,
                samples=min(shard_size, samples - before),
            )
        first_shard += shards_of(samples, shard_size)
        first_slot += samples
    raise IndexError(f"shard {shard} of {first_shard}")


def split_of(seed: int, shares: Mapping[str, float]) -> str:
    """The split of the identity with this seed; `shares` add up to 1."""
    digest = hashlib.blake2b(f"split/{seed}".encode(), digest_size=8).digest()
    place, until = int.from_bytes(digest, "big") / 2**64, 0.0
    named = [split for split in SPLITS if shares.get(split, 0) > 0]
    for split in named:
        until += shares[split]
        if place < until:
            return split
    return named[-1]


def candidate_seed(seed: int, place: int, attempt: int) -> int:
    """63-bit seed of one candidate: independent streams for every (seed, shard, attempt), or (seed,
    slot, redraw)."""
    return _hashed(f"{seed}/{place}/{attempt}")


def candidate_seed_in(
    split: str, shares: Mapping[str, float], seed: int, place: int, attempt: int
) -> int:
    """A seed as `candidate_seed` makes it, of an identity of this split."""
    return next(
        drawn
        for number in count()
        if split_of(drawn := _hashed(f"{seed}/{place}/{attempt}/{number}"), shares) == split
    )


def _hashed(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
