"""Models on the wire: versions, aliases, and how they move."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from matteforge.schemas.base import Frozen, Wire
from matteforge.schemas.names import DIGEST, MODEL_VERSION


class ModelOut(Wire):
    """A model: its aliases and its champion, the bundle that `model: NAME` stands for."""

    name: str = Field(examples=["humans"])
    tenant: str = Field("default", description="whose it is; all read those of `default`")
    aliases: dict[str, str] = Field(description="alias -> digest of the bundle in force")
    resolution: int | None = Field(
        description="pixels a side of the champion's samples; null without a champion"
    )
    truncation_psi: float | None = Field(
        None, description="what orders of the champion take that name none; null: 0.7"
    )
    thresholds: Mapping[str, float] = Field(description="the champion's filter, by criterion")
    card: Mapping[str, object] = Field(description="the champion's data, training and figures")


class ModelPage(Wire):
    """Every model."""

    items: list[ModelOut]


class PromoteIn(Frozen):
    """Which version becomes the champion, and why."""

    version: str = Field(pattern=MODEL_VERSION, examples=["candidate"])
    reason: str = Field(min_length=1, max_length=500)


class RollbackIn(Frozen):
    """Why the champion before the present one returns."""

    reason: str = Field(min_length=1, max_length=500)
    present: str | None = Field(
        None,
        pattern=DIGEST,
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
    truncation_psi: float | None = None
    files: dict[str, str] = Field(description="SHA-256 by name")
    thresholds: dict[str, float]
    card: dict[str, Any] = Field(description="data, parents, code version, figures with intervals")
