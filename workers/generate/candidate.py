"""What a sampler yields: candidates with their scores, before any is accepted."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One image-alpha pair as it is delivered. rgb_u8: uint8 [h, w, 3]; alpha: uint8 or uint16 [h, w]."""

    attempt: int
    seed: int  # of its z
    rgb_u8: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | NDArray[np.uint16]
    scores: dict[str, float]  # by score name; without those that need StyleMatte if it was not asked


class Sampler(Protocol):
    """A bundle at work."""

    generator: str  # sha256 of the generator's checkpoint
    stylematte: str  # sha256 of StyleMatte's checkpoint

    def candidates(self, plan: Plan, shard: int) -> Iterator[list[Candidate]]:
        """Candidates of a shard in attempt order, one whole batch at a time, up to plan.max_attempts(shard)."""
