"""What the gate decided, with its figures."""

from pydantic import Field

from matteforge.schemas.base import Frozen


class Interval(Frozen):
    """A mean and its bootstrap interval."""

    value: float
    low: float
    high: float


class SliceFigures(Frozen):
    """One slice of the held-out pairs."""

    pairs: int
    champion: float
    candidate: float
    difference: Interval = Field(description="candidate minus champion, paired")
    worse: bool = Field(description="by more than the margin")


class DistanceFigures(Frozen):
    """Frechet distances of both generators from the same pictures."""

    champion: Interval
    candidate: Interval
    difference: Interval = Field(description="candidate minus champion, paired")


class GeneratorDecision(Frozen):
    """Why a candidate's StyleMatteGAN may replace the champion's, or not."""

    passed: bool
    reason: str
    images: int = Field(description="of each generator, and of the corpus")
    views: dict[str, DistanceFigures] = Field(
        description="rgb_over_grey and alpha, by the champion StyleMatte's encoder"
    )


class GateDecision(Frozen):
    """Why a candidate's StyleMatte may replace the champion's, or not, and its generator beside it.

    Smaller is better for the metric.
    """

    passed: bool
    reason: str
    metric: str
    pairs: int
    champion: Interval
    candidate: Interval
    difference: Interval = Field(description="candidate minus champion, paired")
    slices: dict[str, SliceFigures]
    margin: float
    level: float = Field(description="of the intervals")
    resamples: int
    seed: int
    generator: GeneratorDecision | None = Field(
        None, description="None: there is no champion to compare with"
    )

    @property
    def any_passed(self) -> bool:
        """Whether one of both networks may replace the champion's."""
        return self.passed or (self.generator is not None and self.generator.passed)

    def told(self) -> list[str]:
        """A line for each network."""
        judged: dict[str, GateDecision | GeneratorDecision | None] = {
            "StyleMatte": self,
            "StyleMatteGAN": self.generator,
        }
        return [
            f"the gate {'lets' if decision.passed else 'does not let'} {network} pass: "
            f"{decision.reason}"
            for network, decision in judged.items()
            if decision is not None
        ]
