"""Corpora on the wire: what the networks learn from."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from matteforge.schemas.base import Wire


class CorpusKind(StrEnum):
    PAIRS = (
        "pairs"  # KEY.rgba.png, and KEY.image.png + KEY.alpha.png where the whole picture is known
    )
    IMAGES = "images"  # KEY.image.png or .jpg, alpha unknown
    BACKGROUNDS = "backgrounds"  # the same, without a subject


class Split(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class CorpusOut(Wire):
    """A corpus without its shards."""

    name: str
    tenant: str = Field("default", description="whose it is; all read those of `default`")
    kind: CorpusKind
    digest: str
    licence: str
    sources: list[str]
    updated_at: datetime
    samples: dict[Split, int]
    rejected: dict[str, int] = Field(description="files left out, by reason")


class CorpusPage(Wire):
    """Every corpus."""

    items: list[CorpusOut]
