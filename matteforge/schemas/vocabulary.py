"""What of a domain's rendered subjects can be ordered, and in which shares."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

Distribution = Mapping[str, float | Mapping[str, float]]
"""What is ordered: attribute -> {value: share}, or the share of `yes`."""


Shares = dict[str, dict[str, float]]
"""Every attribute and value; an attribute's shares add up to 1. Those of a limited attribute: among
the subjects that it applies to."""


TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Limit:
    """An attribute that only some subjects have, such as a beard."""

    where: Mapping[str, tuple[str, ...]]
    """Values of other attributes, all of which a subject must have for it."""
    otherwise: str
    """The value of all others."""

    def applies(self, labels: Mapping[str, str]) -> bool:
        """Whether a subject with these labels may have any value."""
        return all(labels[name] in values for name, values in self.where.items())


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Attributes of a domain's subjects. Those that limits ask for are among `crossed`."""

    values: Mapping[str, tuple[str, ...]]
    """Attribute -> its values, in the order in which they are drawn and told."""
    defaults: Distribution = field(default_factory=dict)
    """What is not ordered; all else is spread evenly."""
    crossed: tuple[str, ...] = ()
    """Attributes that are balanced jointly, at most two; of two the first has two values."""
    spread: str | None = None
    """An attribute that is even within each combination of the crossed ones."""
    limits: Mapping[str, Limit] = field(default_factory=dict)

    def complete(self, ordered: Distribution) -> Shares:
        """Shares of every value: as ordered, by default, and the rest spread evenly over values
        that are not named.

        Raises ValueError that names the attribute and what would be right.
        """
        if unknown := [name for name in ordered if name not in self.values]:
            raise ValueError(
                f"unknown attribute {unknown[0]!r:.50}; known: {', '.join(self.values)}"
            )
        return {
            name: _complete(name, values, ordered.get(name, self.defaults.get(name, {})))
            for name, values in self.values.items()
        }


def _complete(
    name: str, values: tuple[str, ...], ordered: float | Mapping[str, float]
) -> dict[str, float]:
    where = f"attributes.{name}"
    if not isinstance(ordered, Mapping):
        if values != ("no", "yes"):
            raise ValueError(
                f"{where} needs a share by value, {{value: share}}; values: {', '.join(values)}"
            )
        ordered = {"yes": ordered}
    for value, share in ordered.items():
        if value not in values:
            raise ValueError(f"{where} has no value {value!r:.50}; known: {', '.join(values)}")
        if (
            isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1
        ):  # nor NaN
            raise ValueError(f"{where}.{value} must be a share from 0 to 1, not {share!r:.50}")
    rest, others = 1 - math.fsum(ordered.values()), len(values) - len(ordered)
    if rest < -TOLERANCE or (others == 0 and rest > TOLERANCE):
        wanted = "at most 1" if others else "1, since every value is named"
        raise ValueError(
            f"the shares of {where} add up to {1 - rest:g}; they must add up to {wanted}"
        )
    return {
        value: float(ordered[value]) if value in ordered else max(rest, 0.0) / others
        for value in values
    }
