"""What a sampler yields: candidates with their scores, before any is accepted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.datasets.plan import Plan
from matteforge.schemas.criteria import first_failure

IDENTITY = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
Member = NDArray[np.uint8] | NDArray[np.uint16] | Mapping[str, Any]
"""A picture, or what is written as JSON."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One image-alpha pair as it is delivered. rgb_u8: uint8 [h, w, 3]; alpha: uint8 or uint16 [h,
    w].

    One whose defects were found before it was drawn has h = w = 0.
    """

    attempt: int
    seed: int
    rgb_u8: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | NDArray[np.uint16]
    scores: dict[
        str, float
    ]  # by score name; without those that need StyleMatte if it was not asked
    facts: Mapping[str, Any]  # what its `.json` says that only candidates of its source have
    defects: tuple[str, ...] = ()  # found by the source itself; any rejects it
    attributes: Mapping[str, str] = field(default_factory=dict)  # that were ordered of it
    members: Mapping[str, Member] = field(default_factory=dict)  # further ones, by suffix

    def rejection(self, thresholds: Mapping[str, float]) -> str | None:
        """Its first defect, else the first criterion that it fails; None: accepted."""
        return self.defects[0] if self.defects else first_failure(self.scores, thresholds)


class Sampler(Protocol):
    """A source at work, with StyleMatte."""

    def candidates(self, plan: Plan, shard: int) -> Iterator[list[Candidate]]:
        """Candidates of a shard in attempt order, one whole batch at a time, until its attempts are
        spent."""


def generated_facts(plan: Plan, *, generator: str, stylematte: str) -> dict[str, Any]:
    """Facts of StyleMatteGAN's candidates; generator, stylematte: sha256 of the checkpoints."""
    return {
        "truncation_psi": plan.truncation_psi,
        "transform": IDENTITY,
        "generator": generator,
        "stylematte": stylematte,
    }
