"""Losses and other scalars of a training run on the wire."""

from pydantic import Field

from matteforge.schemas.base import Wire
from matteforge.schemas.training import Stage


class CurveOut(Wire):
    """One scalar over the steps of a stage; a long one is thinned to means of neighbours."""

    name: str = Field(examples=["total"])
    steps: list[int]
    values: list[float] = Field(description="as many as steps")


class CurvesOut(Wire):
    """The scalars of one log of a stage."""

    stage: Stage
    log: str = Field(examples=["gan"])
    whole: bool = Field(description="False: the log is so long that only its newest part was read")
    curves: list[CurveOut]


class RunCurves(Wire):
    """What a run's training stages wrote, in the order of the stages."""

    items: list[CurvesOut]
