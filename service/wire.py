"""What the service answers, made from what it knows: records and views to wire schemas."""

from collections.abc import Callable
from datetime import datetime

from core.corpora import CorpusManifest
from core.datasets.dataset import DatasetView
from core.datasets.manifest import ShardRecord
from core.training.run import TrainingView
from core.training.schedules import Schedule, Turn
from matteforge.schemas.corpora import CorpusOut, Split
from matteforge.schemas.datasets import DatasetOut, DatasetState, EstimateOut, ShardOut, Waiting
from matteforge.schemas.gate import GateDecision
from matteforge.schemas.training import (
    STAGES,
    PictureOut,
    ScheduleOut,
    Stage,
    StageOut,
    TrainingRunOut,
)

LINKS = ("events", "shards", "samples", "rejected", "preview.webp", "files", "manifest", "cancel")


def dataset_out(
    view: DatasetView,
    now: datetime,
    *,
    waiting: Waiting | None = None,
    estimate: EstimateOut | None = None,
) -> DatasetOut:
    """A dataset as it is answered: adds what depends on the clock, rate and time left."""
    path = f"/v1/datasets/{view.id}"
    rate, eta_s = _pace(view, now)
    return DatasetOut(
        id=view.id,
        state=view.state,
        timestamps=view.timestamps,
        spec=view.spec,
        bundle=view.bundle,
        counts=view.counts,
        in_work=view.in_work,
        waiting=waiting,
        estimate=estimate,
        rate=rate,
        eta_s=eta_s,
        error=view.error,
        cancel_requested=view.cancel_requested,
        damaged=view.damaged,
        expires_at=view.expires_at,
        links={"self": path} | {name: f"{path}/{name}" for name in LINKS},
    )


def _pace(view: DatasetView, now: datetime) -> tuple[float | None, float | None]:
    """(samples a second since the dataset runs, seconds left)."""
    start = view.timestamps.get(DatasetState.RUNNING, view.created_at)
    end = max(view.timestamps.values()) if view.state.terminal else now
    elapsed_s = (end - start).total_seconds()
    accepted = view.counts.accepted + view.in_work.accepted
    if accepted == 0 or elapsed_s <= 0:
        return None, None
    rate = accepted / elapsed_s
    left = None if view.state.terminal else max(view.counts.requested - accepted, 0) / rate
    return rate, left


def shard_out(record: ShardRecord, url: str) -> ShardOut:
    """A committed shard as it is answered, with its presigned URL."""
    return ShardOut(
        name=record.name,
        samples=record.samples,
        size_bytes=record.size_bytes,
        sha256=record.sha256,
        url=url,
    )


def corpus_out(corpus: CorpusManifest) -> CorpusOut:
    """A corpus without its shards."""
    return CorpusOut(
        name=corpus.name,
        tenant=corpus.tenant,
        kind=corpus.kind,
        digest=corpus.digest,
        licence=corpus.licence,
        sources=corpus.sources,
        updated_at=corpus.updated_at,
        samples={split: corpus.samples(split) for split in Split},
        rejected=corpus.rejected,
    )


def schedule_out(schedule: Schedule, turn: Turn) -> ScheduleOut:
    """A domain's schedule and what it waits for."""
    return ScheduleOut(
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


PictureUrl = Callable[[Stage, str], str]


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
