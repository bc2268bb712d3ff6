"""The types of a sample's members, as Hugging Face's `datasets` declares them in a card."""

from collections.abc import Mapping, Sequence
from typing import Any

Feature = dict[str, Any]


def sample_features(suffixes: Sequence[str], facts: Mapping[str, Sequence[Any]]) -> list[Feature]:
    """Features of a sample with members of these suffixes; facts: contents of some samples' JSON
    members, by suffix. Declared, no reader infers them from the first samples alone."""
    features = [
        {"name": suffix, **_feature(facts[suffix])}
        if suffix.endswith("json")
        else {"name": suffix, "dtype": "image"}
        for suffix in sorted(suffixes)
    ]
    return [
        *features,
        {"name": "__key__", "dtype": "string"},
        {"name": "__url__", "dtype": "string"},
    ]


def _feature(values: Sequence[Any]) -> Feature:
    """The type that all these values have; null where there is none to see."""
    present = [value for value in values if value is not None]
    if not present:
        return {"dtype": "float64"}
    if all(isinstance(value, Mapping) for value in present):
        names = list(dict.fromkeys(name for value in present for name in value))
        return {
            "struct": [
                {"name": name, **_feature([value.get(name) for value in present])} for name in names
            ]
        }
    if all(isinstance(value, list) for value in present):
        inner = _feature([item for value in present for item in value])
        if "struct" in inner:
            return {"list": inner["struct"]}
        return {"list": inner.get("dtype", inner)}
    return {"dtype": _scalar(present)}


def _scalar(values: Sequence[Any]) -> str:
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return "bool"
    if kinds == {int}:
        return "int64"
    if kinds <= {int, float}:
        return "float64"
    return "string"
