"""Rendered people: who stands in which slot of a dataset. Pure arithmetic.

A slot is a sample's number in its dataset, counted over all shards. Its attributes follow from
(seed, count, shares, slot) alone; over the dataset each value comes exactly as often as ordered,
rounded by largest remainder.
"""

import hashlib
import math
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from typing import Generic, TypeVar

from matteforge.schemas.attributes import ATTRIBUTES, Shares

Value = TypeVar("Value")
ROUNDS = 6


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

    Sex, age and skin are balanced jointly, every other attribute by itself. A beard is a man's: its
    shares are met exactly among males who are no children, everyone else has none.
    """

    def __init__(self, *, seed: int, count: int, shares: Shares) -> None:
        self._seed, self._count = seed, count
        counts = {name: apportion(count, shares[name], f"{seed}/{name}") for name in ATTRIBUTES}
        people = _people(counts["sex"], counts["age"])
        self._people, self._men = (
            _Ranges(people),
            sum(people[who] for who in people if is_man(*who)),
        )
        beards = apportion(self._men, shares["beard"], f"{seed}/beard")
        counts["beard"] = beards | {"none": beards["none"] + count - self._men}
        self.counts = counts
        """How often each value comes in the whole dataset, by attribute."""
        self._beards = _Ranges(beards)
        self._values = {
            name: _Ranges(counts[name])
            for name in ATTRIBUTES
            if name not in ("sex", "age", "beard")
        }
        self._stride = next(
            n
            for n in range(round(count * (math.sqrt(5) - 1) / 2) or 1, 2 * count + 1)
            if math.gcd(n, count) == 1
        )

    def __getitem__(self, slot: int) -> dict[str, str]:
        """The value of each attribute, in the order of ATTRIBUTES. IndexError beyond the
        dataset."""
        if not 0 <= slot < self._count:
            raise IndexError(f"slot {slot} of {self._count}")
        person = permute(slot, self._count, f"{self._seed}/person")
        sex, age = self._people[person]
        chosen = {"sex": sex, "age": age, "beard": "none"}
        if person < self._men:
            chosen["beard"] = self._beards[permute(person, self._men, f"{self._seed}/beard")]
        for name, values in self._values.items():
            chosen[name] = values[self._place(name, slot, person)]
        return {name: chosen[name] for name in ATTRIBUTES}

    def _place(self, name: str, slot: int, person: int) -> int:
        """Skin runs in golden steps over people sorted by sex and age: even in each group (Weyl's
        sequence)."""
        if name == "skin":
            return person * self._stride % self._count
        return permute(slot, self._count, f"{self._seed}/{name}")


class _Ranges(Generic[Value]):
    """Numbers from 0 to a total, cut into one range a value."""

    def __init__(self, counts: Mapping[Value, int]) -> None:
        self._values, self._ends = list(counts), list(accumulate(counts.values()))

    def __getitem__(self, number: int) -> Value:
        return self._values[bisect_right(self._ends, number)]


def is_man(sex: str, age: str) -> bool:
    """Whether they may have a beard."""
    return sex == "male" and age != "child"


def _people(sexes: Mapping[str, int], ages: Mapping[str, int]) -> dict[tuple[str, str], int]:
    """How many there are of each sex and age, men first: both margins exact, each cell as if
    independent, rounded."""
    total, males = sum(sexes.values()), sexes["male"]
    men = {age: males * number // total for age, number in ages.items()}
    women = {age: (total - males) * number // total for age, number in ages.items()}
    odd = sorted(
        (age for age in ages if men[age] + women[age] < ages[age]),
        key=lambda age: -(males * ages[age] % total),
    )
    for age in odd[: males - sum(men.values())]:
        men[age] += 1
    cells = {("male", age): men[age] for age in ages} | {
        ("female", age): ages[age] - men[age] for age in ages
    }
    return dict(sorted(cells.items(), key=lambda cell: not is_man(*cell[0])))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
