"""A client of the MatteForge API: needs httpx and pydantic, no FastAPI, no torch."""

from client.client import MatteForge
from client.download import Progress
from client.errors import DownloadCorrupt, MatteForgeError, MatteForgeRequestError, MatteForgeUnavailable

__all__ = [
    "DownloadCorrupt",
    "MatteForge",
    "MatteForgeError",
    "MatteForgeRequestError",
    "MatteForgeUnavailable",
    "Progress",
]
