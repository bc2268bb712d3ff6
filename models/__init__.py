"""The networks, and what trains and judges them. Importing this package alone doesn't import
torch."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.networks.discriminator import build_discriminator
    from models.networks.stylegan3 import build_generator
    from models.networks.stylematte import build_stylematte

__all__ = ["build_discriminator", "build_generator", "build_stylematte", "shipped_bundle"]

_HOMES = {
    "build_discriminator": "models.networks.discriminator",
    "build_generator": "models.networks.stylegan3",
    "build_stylematte": "models.networks.stylematte",
}


def shipped_bundle() -> Path:
    """Folder of the bundle that comes with the package."""
    return Path(__path__[0]) / "pretrained" / "humans"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
