"""What kinds of animals there are: the ranges of every number of every kind, from `kinds.toml`."""

import tomllib
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

TABLE = Path(__file__).with_name("kinds.toml")
Record = TypeVar("Record")
Ranges = dict[str, tuple[float, float]]


@cache
def kinds_table() -> dict[str, dict[str, dict[str, Any]]]:
    """kind -> concept -> name -> [low, high], or a list of words; a kind that is `like` another has
    that one's numbers where it names none."""
    with TABLE.open("rb") as file:
        read: dict[str, Any] = tomllib.load(file)
    base = read.pop("all")
    kinds: dict[str, dict[str, dict[str, Any]]] = {}
    for kind, own in read.items():
        like = kinds[own.pop("like")] if "like" in own else base
        kinds[kind] = {name: {**like.get(name, {}), **own.get(name, {})} for name in base}
    return kinds


def ranges(kind: str, concept: str) -> Ranges:
    """(low, high) of each number of a concept."""
    found = kinds_table()[kind][concept].items()
    return {name: (pair[0], pair[1]) for name, pair in found if not isinstance(pair[0], str)}


def words(kind: str, concept: str, name: str) -> tuple[str, ...]:
    """A list of words of a concept, such as the colours that a kind's eyes have."""
    return tuple(kinds_table()[kind][concept][name])


def drawn(
    record: type[Record], rng: np.random.Generator, kind: str, concept: str, **given: Any
) -> Record:
    """A record whose numbers lie in the kind's ranges; `given` are its other fields.

    A number is drawn for each of the record's own fields, in their order: another kind's ranges
    change no other number.
    """
    found = ranges(kind, concept)
    numbers = {
        field.name: float(rng.uniform(*found[field.name]))
        for field in fields(record)  # type: ignore[arg-type]
        if field.name not in given
    }
    return record(**numbers, **given)
