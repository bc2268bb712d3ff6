"""Wire schemas of training: runs, schedules, corpora, and what is done with a model's aliases."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pydantic import Field

from core.corpora import CorpusKind, CorpusManifest, Split
from core.datasets.dataset import ErrorInfo, Frozen
from core.training.run import STAGES, GateDecision, RunState, Stage, TrainingSpec, TrainingView
from core.training.schedules import Schedule, Turn
from core.wire.datasets import Wire

TRAINING_RUN_ID = r"^tr_[0-9a-f]{24}$"
PictureUrl = Callable[[Stage, str], str]
CORPUS_NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"


class PictureOut(Wire):
    """A grid of pictures that a stage has drawn."""

    name: str = Field(examples=["grids/gan-00020.png"])
    url: str = Field(description="presigned: needs no key, expires")


class StageOut(Wire):
    """One stage of a run."""

    stage: Stage
    state: str = Field(description="waiting, running or done")
    seconds: float | None = Field(description="of work, over all its starts")
    fraction: float = Field(description="0 to 1")
    eta_s: float | None = Field(description="seconds left of this stage; null when unknown")
    figures: dict[str, Any] = Field(description="what it found; empty until it is done")
    grids: list[PictureOut]


class TrainingRunOut(Wire):
    """One training run, as far as it has got."""

    id: str = Field(examples=["tr_0123456789abcdef01234567"])
    state: RunState
    created_at: datetime
    ended_at: datetime | None
    spec: TrainingSpec
    corpora: dict[str, str] = Field(
        description="digest of each corpus, pinned when the run was ordered"
    )
    champion: str | None = Field(
        description="digest of the bundle to be beaten; null for a new domain"
    )
    stages: list[StageOut]
    log: list[str] = Field(description="the newest lines")
    decision: GateDecision | None = Field(description="the gate's, once it was taken")
    candidate: str | None = Field(description="digest of the bundle that came out")
    promoted: bool
    error: ErrorInfo | None
    cancel_requested: bool
    links: dict[str, str]


class TrainingRunPage(Wire):
    """Training runs, newest first."""

    items: list[TrainingRunOut]
    next_cursor: str | None = Field(
        description="pass as `cursor` for the next page; null on the last one"
    )


class ScheduleOut(Wire):
    """A domain's schedule and what it waits for."""

    domain: str
    every_s: float
    min_new_samples: int
    run: TrainingSpec
    set_at: datetime
    last_run: str | None = Field(description="the run that it started last")
    due_at: datetime = Field(description="the next run starts not before")
    new_samples: int = Field(
        description="in its labelled and unlabelled corpora, which the last run had not seen"
    )
    waits_for: str | None = Field(
        description="a time, samples, or the end of a run; null: it starts within a minute"
    )

    @classmethod
    def of(cls, schedule: Schedule, turn: Turn) -> "ScheduleOut":
        return cls(
            domain=schedule.run.domain,
            every_s=schedule.every_s,
            min_new_samples=schedule.min_new_samples,
            run=schedule.run,
            set_at=schedule.set_at,
            last_run=schedule.last_run,
            due_at=turn.due_at,
            new_samples=turn.new_samples,
            waits_for=turn.waits_for,
        )


class SchedulePage(Wire):
    """Every schedule."""

    items: list[ScheduleOut]


class CorpusOut(Wire):
    """A corpus without its shards."""

    name: str
    kind: CorpusKind
    digest: str
    licence: str
    sources: list[str]
    updated_at: datetime
    samples: dict[Split, int]
    rejected: dict[str, int] = Field(description="files left out, by reason")

    @classmethod
    def from_manifest(cls, corpus: CorpusManifest) -> "CorpusOut":
        return cls(
            name=corpus.name,
            kind=corpus.kind,
            digest=corpus.digest,
            licence=corpus.licence,
            sources=corpus.sources,
            updated_at=corpus.updated_at,
            samples={split: corpus.samples(split) for split in Split},
            rejected=corpus.rejected,
        )


class CorpusPage(Wire):
    """Every corpus."""

    items: list[CorpusOut]


class PromoteIn(Frozen):
    """Which version becomes the champion, and why."""

    version: str = Field(
        pattern=r"^([a-z0-9][a-z0-9-]{0,62}|sha256:[0-9a-f]{64})$", examples=["candidate"]
    )
    reason: str = Field(min_length=1, max_length=500)


class RollbackIn(Frozen):
    """Why the champion before the present one returns."""

    reason: str = Field(min_length=1, max_length=500)
    present: str | None = Field(
        None,
        pattern=r"^sha256:[0-9a-f]{64}$",
        description="nothing is done if this is not the champion: safe to repeat",
    )


class MoveOut(Wire):
    """One move of an alias."""

    alias: str
    digest: str
    at: datetime
    reason: str
    actor: str = Field(description="a training run, the hash of an API key, or a command")


class MovePage(Wire):
    """The audit trail of a model's aliases, newest first."""

    items: list[MoveOut]


class VersionOut(Wire):
    """One bundle: what it is made of and its card."""

    digest: str
    name: str
    resolution: int
    files: dict[str, str] = Field(description="SHA-256 by name")
    thresholds: dict[str, float]
    card: dict[str, Any] = Field(description="data, parents, code version, figures with intervals")


def run_out(view: TrainingView, picture: PictureUrl) -> TrainingRunOut:
    """A run as it is answered; `picture` gives the URL of (stage, name)."""
    path = f"/v1/training-runs/{view.record.id}"
    stages = [_stage_out(view, stage, picture) for stage in STAGES]
    gate = next((done.figures for done in view.stages if done.stage is Stage.GATE), None)
    end = view.end
    return TrainingRunOut(
        id=view.record.id,
        state=view.state,
        created_at=view.record.created_at,
        ended_at=end.at if end else None,
        spec=view.record.spec,
        corpora={name: corpus.digest for name, corpus in view.record.corpora.items()},
        champion=view.record.champion,
        stages=stages,
        log=view.progress.log if view.progress else [],
        decision=GateDecision.model_validate(gate) if gate else None,
        candidate=end.bundle if end else None,
        promoted=bool(end and end.promoted),
        error=end.error if end else None,
        cancel_requested=view.cancel_requested,
        links={"self": path, "events": f"{path}/events", "cancel": f"{path}/cancel"},
    )


def _stage_out(view: TrainingView, stage: Stage, picture: PictureUrl) -> StageOut:
    done = next((record for record in view.stages if record.stage is stage), None)
    now = view.progress if view.progress and view.progress.stage is stage and done is None else None
    grids = done.grids if done else now.grids if now else []
    running = now is not None and not view.state.terminal
    return StageOut(
        stage=stage,
        state="done" if done else "running" if running else "waiting",
        seconds=done.seconds if done else now.seconds if now else None,
        fraction=1.0 if done else now.fraction if now else 0.0,
        eta_s=now.eta_s if now and running else None,
        figures=done.figures if done else {},
        grids=[PictureOut(name=name, url=picture(stage, name)) for name in grids],
    )
