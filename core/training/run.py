"""Records of a training run: one turn of the cycle for one domain.

A domain is the name of a model and nothing more: no line of code knows what its pictures show.
"""

from datetime import datetime
from typing import Any

from pydantic import Field

from core.corpora import CorpusManifest
from core.datasets.dataset import new_id
from core.errors import InvalidSpec
from matteforge.schemas.base import Frozen
from matteforge.schemas.corpora import Split
from matteforge.schemas.datasets import ErrorInfo
from matteforge.schemas.names import FilePath, Sha256
from matteforge.schemas.training import RunState, Stage, TrainingSpec


class TrainingRecord(Frozen):
    """`request.json`: the claim of a run's id, written once. Everything that the run works on is
    pinned here."""

    id: str
    owner: str
    spec: TrainingSpec
    corpora: dict[str, CorpusManifest] = Field(
        description="as they were when the run was ordered, by name"
    )
    champion: str | None = Field(
        description="digest of the bundle to be beaten; None for a new domain"
    )
    start: str | None = Field(
        None, description="digest of the bundle whose StyleMatte begins a new domain"
    )
    created_at: datetime
    body_sha256: str


class StageRecord(Frozen):
    """`stages/NAME.json`: a stage that is done."""

    stage: Stage
    at: datetime
    seconds: float = Field(description="of work, over all its starts")
    figures: dict[str, Any] = Field(default_factory=dict)
    files: dict[FilePath, Sha256] = Field(
        default_factory=dict, description="SHA-256 of its outputs, by name"
    )
    grids: list[FilePath] = Field(default_factory=list, description="pictures among its files")


class RunProgress(Frozen):
    """`progress.json`: where a run is, written every few seconds by whoever holds its lease."""

    sequence: int = Field(description="grows with each write")
    at: datetime
    stage: Stage
    fraction: float = Field(ge=0, le=1, description="of the stage")
    eta_s: float | None = Field(description="seconds left of the stage")
    seconds: float = Field(description="of work on this stage so far, over all its starts")
    log: list[str] = Field(description="the newest lines")
    starts: int = Field(1, description="starts of the stage since it last saved anything")
    grids: list[str] = Field(
        default_factory=list, description="pictures of this stage so far, by file name"
    )


class RunEnd(Frozen):
    """`end.json`: conditional, terminal, decides every race."""

    state: RunState
    at: datetime
    promoted: bool = False
    bundle: str | None = Field(None, description="digest of the candidate")
    error: ErrorInfo | None = None


class TrainingView(Frozen):
    """All that is known of a run, read from S3."""

    record: TrainingRecord
    state: RunState
    stages: list[StageRecord]
    progress: RunProgress | None
    cancel_requested: bool
    end: RunEnd | None


def new_run_id(owner: str, idempotency_key: str | None) -> str:
    return new_id("tr", idempotency_key, owner, "training")


def domain_lease(domain: str) -> str:
    """Name of the lease that whoever trains a domain holds."""
    return f"train/{domain}"


def check_corpora(spec: TrainingSpec, corpora: dict[str, CorpusManifest]) -> None:
    """Raises InvalidSpec when a corpus can't be what it is named for."""
    for name in spec.labelled:
        if corpora[name].kind != "pairs":
            raise InvalidSpec(
                f"the corpus {name} holds {corpora[name].kind}; labelled ones hold pairs"
            )
    for name in spec.unlabelled:
        if corpora[name].kind == "backgrounds":
            raise InvalidSpec(
                f"the corpus {name} holds backgrounds; there is nothing to label in it"
            )
    for name in spec.backgrounds:
        if corpora[name].kind != "backgrounds":
            raise InvalidSpec(f"the corpus {name} holds {corpora[name].kind}, not backgrounds")
    for split in Split:
        if not any(corpora[name].samples(split) for name in spec.labelled):
            raise InvalidSpec(f"the labelled corpora hold no {split} pairs; add more")
