"""A subject cut out of somebody's own picture, on the wire."""

from typing import Literal

from pydantic import Field

from matteforge.schemas.base import Wire
from matteforge.schemas.datasets import ErrorInfo

MAX_PICTURE_BYTES = 64 << 20

Output = Literal["alpha", "cutout", "composite"]
MatteState = Literal["waiting", "done", "failed"]


class MatteOut(Wire):
    """One picture that is or was cut out. It is kept for a day."""

    id: str = Field(examples=["mt_006720000000000000000000"])
    state: MatteState
    output: Output
    bundle: str = Field(description="digest of the bundle whose StyleMatte is used")
    width: int | None = Field(description="pixels of the result, upright; null until it is done")
    height: int | None
    side: int | None = Field(description="the longer side, in pixels, at which StyleMatte looked")
    seconds: float | None = Field(description="of work")
    notice: str | None = Field(description="what to know of the network that was used")
    error: ErrorInfo | None
    links: dict[str, str] = Field(description="self, and `result` once it is done")
