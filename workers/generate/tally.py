"""What is counted while a shard is made."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from matteforge.schemas.datasets import InWork
from workers.generate.candidate import Candidate
from workers.generate.rejects import Rejects


@dataclass
class Tally:
    """Candidates looked at, up to the one that filled the shard, rejections by reason, and who was
    accepted; of some shards, also examples of what was rejected."""

    rejects: Rejects | None = None
    attempted: int = 0
    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    attributes: dict[str, Counter[str]] = field(default_factory=dict)

    def accept(self, attributes: Mapping[str, str]) -> None:
        """Count an accepted candidate and its attributes."""
        self.accepted += 1
        for name, value in attributes.items():
            self.attributes.setdefault(name, Counter())[value] += 1

    def reject(self, candidate: Candidate, reason: str) -> None:
        """Count a rejected candidate."""
        self.rejected[reason] += 1
        if self.rejects is not None:
            self.rejects.look(candidate, reason)

    def so_far(self) -> InWork:
        """What is in the shard, as the live view tells it."""
        return InWork(
            shards=1,
            accepted=self.accepted,
            attempted=self.attempted,
            rejected=dict(self.rejected),
        )
