"""Rendered subjects: who stands in which slot of a dataset. Pure arithmetic.

A slot is a sample's number in its dataset, counted over all shards. Its attributes follow from
(seed, count, shares, slot) alone; over the dataset each value comes exactly as often as ordered,
rounded by largest remainder.
"""

import hashlib
import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

from matteforge.schemas.vocabulary import Limit, Shares, Vocabulary

Value = TypeVar("Value")
ROUNDS = 6
Cell = dict[str, str]
"""A combination of the crossed attributes."""


def apportion(total: int, shares: Mapping[str, float], key: str) -> dict[str, int]:
    """`total` in whole numbers by largest remainder; equal remainders are ranked by `key`, not by
    their order."""
    exact = {value: round(share * total, 6) for value, share in shares.items()}  # 0.29 * 100 is 29
    counts = {value: math.floor(number) for value, number in exact.items()}
    by_remainder = sorted(
        shares, key=lambda value: (counts[value] - exact[value], _hash(f"{key}/{value}"))
    )
    for value in by_remainder[: total - sum(counts.values())]:
        counts[value] += 1
    return counts


def permute(index: int, count: int, key: str) -> int:
    """Where `index` lies in a shuffle of range(count): a bijection that needs no list.

    A Feistel network (Luby and Rackoff 1988), walked until it is back in range (Black and Rogaway
    2002).
    """
    half = max(1, -(-(count - 1).bit_length() // 2))
    mask = (1 << half) - 1
    while True:
        left, right = index >> half, index & mask
        for turn in range(ROUNDS):
            left, right = right, left ^ (_hash(f"{key}/{turn}/{right}") & mask)
        index = left << half | right
        if index < count:
            return index


class Assignment:
    """Who stands in which slot. `assignment[slot]` takes microseconds, however many slots there
    are.

    The vocabulary's crossed attributes are balanced jointly, and one more within them; every other
    attribute by itself. A limited attribute's shares are met exactly among the subjects that it
    applies to; all others have its other value.
    """

    def __init__(self, *, seed: int, count: int, shares: Shares, vocabulary: Vocabulary) -> None:
        self._seed, self._count, self._vocabulary = seed, count, vocabulary
        counts = {
            name: apportion(count, shares[name], f"{seed}/{name}") for name in vocabulary.values
        }
        cells = _cells(vocabulary, counts, count)
        self._cells = _Ranges(dict(enumerate(number for _, number in cells)))
        self._labels = [cell for cell, _ in cells]
        self._limited: dict[str, tuple[_Group, _Ranges[str]]] = {}
        for name, limit in vocabulary.limits.items():
            group = _Group(cells, limit)
            among = apportion(group.size, shares[name], f"{seed}/{name}")
            others = among[limit.otherwise] + count - group.size
            counts[name] = among | {limit.otherwise: others}
            self._limited[name] = group, _Ranges(among)
        self.counts = counts
        """How often each value comes in the whole dataset, by attribute."""
        self._values = {
            name: _Ranges(counts[name])
            for name in vocabulary.values
            if name not in (*vocabulary.crossed, *vocabulary.limits)
        }
        self._stride = next(
            n
            for n in range(round(count * (math.sqrt(5) - 1) / 2) or 1, 2 * count + 1)
            if math.gcd(n, count) == 1
        )

    def __getitem__(self, slot: int) -> dict[str, str]:
        """The value of each attribute, in the vocabulary's order. IndexError beyond the dataset."""
        if not 0 <= slot < self._count:
            raise IndexError(f"slot {slot} of {self._count}")
        place = permute(slot, self._count, f"{self._seed}/person")
        number = self._cells[place]
        chosen = dict(self._labels[number])
        for name, (group, values) in self._limited.items():
            rank = group.rank(number, place - self._cells.start(number))
            chosen[name] = (
                self._vocabulary.limits[name].otherwise
                if rank is None
                else values[permute(rank, group.size, f"{self._seed}/{name}")]
            )
        for name, among in self._values.items():
            chosen[name] = among[self._place(name, slot, place)]
        return {name: chosen[name] for name in self._vocabulary.values}

    def _place(self, name: str, slot: int, place: int) -> int:
        """The spread attribute runs in golden steps over subjects sorted by the crossed ones: even
        in each group (Weyl's sequence)."""
        if name == self._vocabulary.spread:
            return place * self._stride % self._count
        return permute(slot, self._count, f"{self._seed}/{name}")


class _Group:
    """Subjects that a limited attribute applies to, numbered from 0 in the cells' order."""

    def __init__(self, cells: Sequence[tuple[Cell, int]], limit: Limit) -> None:
        self.size = 0
        self._first: list[int | None] = []
        for cell, number in cells:
            inside = limit.applies(cell)
            self._first.append(self.size if inside else None)
            self.size += number if inside else 0

    def rank(self, cell: int, place: int) -> int | None:
        """The number of a cell's place; None outside."""
        first = self._first[cell]
        return None if first is None else first + place


class _Ranges(Generic[Value]):
    """Numbers from 0 to a total, cut into one range a value."""

    def __init__(self, counts: Mapping[Value, int]) -> None:
        self._values, self._ends = list(counts), list(accumulate(counts.values()))

    def __getitem__(self, number: int) -> Value:
        return self._values[bisect_right(self._ends, number)]

    def start(self, position: int) -> int:
        """The first number of the range at `position`."""
        return self._ends[position - 1] if position else 0


def _cells(
    vocabulary: Vocabulary, counts: Mapping[str, Mapping[str, int]], total: int
) -> list[tuple[Cell, int]]:
    """How many subjects there are of each combination of crossed attributes; those that limits
    apply to come first."""
    crossed = vocabulary.crossed
    if not crossed:
        cells = [(Cell(), total)]
    elif len(crossed) == 1:
        cells = [({crossed[0]: value}, n) for value, n in counts[crossed[0]].items()]
    else:
        halves, groups = crossed
        pairs = _crossed(counts[halves], counts[groups])
        cells = [({halves: half, groups: group}, n) for (half, group), n in pairs.items()]
    limits = list(vocabulary.limits.values())
    return sorted(cells, key=lambda cell: [not limit.applies(cell[0]) for limit in limits])


def _crossed(halves: Mapping[str, int], groups: Mapping[str, int]) -> dict[tuple[str, str], int]:
    """How many there are of each of two values with each group, the second value first: both
    margins exact, each cell as if independent, rounded."""
    other, first = halves
    total, wanted = sum(halves.values()), halves[first]
    mine = {group: wanted * number // total for group, number in groups.items()}
    rest = {group: (total - wanted) * number // total for group, number in groups.items()}
    odd = sorted(
        (group for group in groups if mine[group] + rest[group] < groups[group]),
        key=lambda group: -(wanted * groups[group] % total),
    )
    for group in odd[: wanted - sum(mine.values())]:
        mine[group] += 1
    return {(first, group): mine[group] for group in groups} | {
        (other, group): groups[group] - mine[group] for group in groups
    }


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
