"""Synthetic training data for portrait matting: the client of a MatteForge service.

from matteforge import MatteForge

with MatteForge("http://127.0.0.1:8000", api_key) as client:
    dataset = client.order(64, seed=1)
    client.wait(dataset.id)
    client.download(dataset.id, "portraits")
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matteforge.async_client import AsyncMatteForge
    from matteforge.client import MatteForge
    from matteforge.download import Progress
    from matteforge.errors import (
        DownloadCorrupt,
        MatteForgeError,
        MatteForgeRequestError,
        MatteForgeUnavailable,
    )

__version__ = version("matteforge")
__all__ = [
    "AsyncMatteForge",
    "DownloadCorrupt",
    "MatteForge",
    "MatteForgeError",
    "MatteForgeRequestError",
    "MatteForgeUnavailable",
    "Progress",
    "__version__",
]

# `matteforge --help` needs click alone: a name is imported when it is used.
_HOMES = {"AsyncMatteForge": "async_client", "MatteForge": "client", "Progress": "download"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
