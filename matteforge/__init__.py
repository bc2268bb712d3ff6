"""A client of the MatteForge API: needs httpx and pydantic, no FastAPI, no torch."""

from matteforge.client import MatteForge
from matteforge.download import Progress
from matteforge.errors import (
    DownloadCorrupt,
    MatteForgeError,
    MatteForgeRequestError,
    MatteForgeUnavailable,
)

__all__ = [
    "DownloadCorrupt",
    "MatteForge",
    "MatteForgeError",
    "MatteForgeRequestError",
    "MatteForgeUnavailable",
    "Progress",
]
