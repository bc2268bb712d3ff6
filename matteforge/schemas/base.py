"""Bases of every schema, and the patterns of names."""

from pydantic import BaseModel, ConfigDict

NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"
"""Names of models, aliases, corpora and domains."""


class Frozen(BaseModel):
    """Base of every record: immutable, unknown keys rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Wire(BaseModel):
    """Base of every response: immutable; a client ignores fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")
