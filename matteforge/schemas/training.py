"""Training runs and schedules on the wire: what is ordered, its stages, what the gate decided."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from matteforge.schemas.base import Frozen, Wire
from matteforge.schemas.datasets import ErrorInfo
from matteforge.schemas.gate import GateDecision
from matteforge.schemas.names import MODEL_REFERENCE, NAME

CorpusName = Annotated[str, StringConstraints(pattern=NAME)]


class Stage(StrEnum):
    """The stages in their order. Each is done once; its record and its files are in S3."""

    # the champion's StyleMatte; without a champion one is trained on the labelled pairs
    BASELINE = "baseline"
    LABEL = "label"  # it labels the unlabelled corpus
    WARM_START = "warm_start"  # StyleMatteGAN's first images, softened
    ADVERSARIAL = "adversarial"  # and on from there
    SAMPLE = "sample"  # samples, those kept on which both networks agree
    FINE_TUNE = "fine_tune"  # StyleMatte on labelled pairs and accepted samples
    # both StyleMattes on the test split, both generators against the labelled corpus
    EVALUATE = "evaluate"
    GATE = "gate"
    REGISTER = (
        "register"  # thresholds, bundle, NAME@candidate; NAME@champion if the gate lets it pass
    )
    RELABEL = "relabel"  # the champion there is now labels the corpus for the next turn


STAGES = tuple(Stage)


PRESETS: dict[str, dict[str, Any]] = {
    # A turn on a CPU from the shipped generator on; a GPU has room for a thousand times the kimg.
    "embedded": {},
    # Seconds: for tests and for a look at the machinery. Its pictures mean nothing.
    "tiny": {
        "generator": "tiny-32",
        "matting_network": "micro",
        "matting_size": 64,
        "matting_batch": 2,
        "baseline_steps": 4,
        "matting_steps": 2,
        "warm_start_kimg": 0.016,
        "adversarial_kimg": 0.016,
        "samples": 4,
        "sample_attempts": 32,
        "rendered_backgrounds": 4,
        "gate_pairs": 2,
        "gate_images": 16,
    },
}


class TrainingSpec(Frozen):
    """What a user asks for. Strict: numbers are numbers. Budgets end a stage early; what it has by
    then is used."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    domain: str = Field(pattern=NAME, description="name of the model", examples=["humans"])
    preset: Literal["embedded", "tiny"] = Field(
        "embedded", description="gives the defaults of all that follows"
    )
    labelled: list[CorpusName] = Field(
        min_length=1, max_length=20, description="corpora of image-alpha pairs"
    )
    unlabelled: list[CorpusName] = Field(
        min_length=1,
        max_length=20,
        description="corpora to be labelled: images, or pairs whose alpha is not looked at",
    )
    framing: Literal["square", "aligned"] = Field(
        "square",
        description="aligned: crops around what is alike in all pictures, a face below the top of "
        "the subject",
    )
    seed: int = Field(0, ge=0, lt=2**31)

    generator: Literal[
        "portrait-64-small", "portrait-64", "portrait-128", "portrait-256", "tiny-32"
    ] = "portrait-128"
    continue_generator: bool = Field(
        True,
        description="the champion's generator is trained on where its state is kept and it has "
        "this size",
    )
    regression_kimg: float = Field(
        0.0,
        ge=0,
        le=25_000,
        description="thousand images of a regression, with which one that begins anew begins",
    )
    warm_start_kimg: float = Field(
        1.0, ge=0, le=25_000, description="thousand images that StyleMatteGAN sees"
    )
    adversarial_kimg: float = Field(2.0, ge=0, le=25_000, description="thousand images more")
    generator_rate: float | None = Field(
        None, gt=0, le=0.01, description="StyleMatteGAN's learning rate; null: its preset's"
    )
    samples: int = Field(
        500, ge=0, le=100_000, description="accepted samples that StyleMatte learns from"
    )
    sample_attempts: int = Field(5000, ge=1, description="candidates after which sampling ends")
    truncation_psi: float = Field(1.0, gt=0, le=1.5)
    synthetic_share: float = Field(
        0.5, ge=0, le=0.95, description="at most this share of the fine-tuning pictures"
    )

    matting_network: Literal["tiny", "swin-t", "micro"] = Field(
        "tiny", description="where there is no champion"
    )
    matting_size: int = Field(
        128, ge=32, le=1024, multiple_of=32, description="pixels a side of its pictures"
    )
    matting_batch: int = Field(8, ge=2, le=256, description="pictures of that size in a step")
    start_from: str | None = Field(
        None,
        pattern=MODEL_REFERENCE,
        description="a model whose StyleMatte is trained on where the domain has no champion; "
        "without it one begins anew",
        examples=["humans"],
    )
    baseline_steps: int = Field(3000, ge=1, description="where there is no champion")
    matting_steps: int = Field(1000, ge=1)
    matting_rate: float = Field(
        3e-4, gt=0, le=0.01, description="peak learning rate of the fine-tuning"
    )
    backgrounds: list[CorpusName] = Field(
        default_factory=list,
        max_length=20,
        description="corpora of photographs without subjects, put behind them",
    )
    rendered_backgrounds: int = Field(
        1000, ge=1, le=100_000, description="drawn scenes, used besides"
    )

    stage_budget_s: float | None = Field(
        None, gt=0, description="a training stage ends after so many seconds"
    )
    gate_pairs: int = Field(30, ge=2, description="test pairs below which nothing passes the gate")
    slice_margin: float = Field(0.002, ge=0, le=1, description="MAD by which no slice may be worse")
    gate_images: int = Field(
        1000,
        ge=2,
        le=100_000,
        description="of each generator and, at most, of the corpus, to measure distances",
    )
    promote: bool = Field(True, description="False: what passes the gate stays NAME@candidate")

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(preset := given.get("preset", "embedded"), str):
            return {**PRESETS.get(preset, {}), **given}
        return given


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        return self in (RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED)


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


class SchedulePage(Wire):
    """Every schedule."""

    items: list[ScheduleOut]
