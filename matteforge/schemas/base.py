"""Bases of every schema."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Base of every record: immutable, unknown keys rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Wire(BaseModel):
    """Base of every response: immutable; a client ignores fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")
