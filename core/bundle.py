"""What a bundle of models is: its files by their SHA-256, and reading one from a folder."""

import hashlib
import json
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError

from core.errors import (
    CheckpointRejected,
)
from matteforge.schemas.base import Frozen
from matteforge.schemas.criteria import check_thresholds
from matteforge.schemas.names import NAME, FileName, Sha256
from matteforge.schemas.orders import MAX_PSI

BUNDLE_FILE = "bundle.json"
GENERATOR_FILE = "generator.safetensors"
TRAINING_STATE_FILE = (
    "training-state.safetensors"  # may lie in a bundle's folder; no part of the bundle
)
MAX_RESOLUTION = 4096


class Bundle(Frozen):
    """What a dataset is pinned to. `files` maps file names to their SHA-256."""

    format: str = "matteforge.bundle/1"
    name: str = Field(pattern=NAME, description="the alias it was made for, e.g. humans")
    files: dict[FileName, Sha256] = Field(
        description="generator.safetensors, stylematte.safetensors and cards"
    )
    thresholds: Annotated[dict[str, float], AfterValidator(check_thresholds)] = Field(
        description="calibrated filter, by criterion"
    )
    resolution: int = Field(ge=1, le=MAX_RESOLUTION, description="pixels a side")
    truncation_psi: float | None = Field(
        None, gt=0, le=MAX_PSI, description="of orders that name none; null: 0.7"
    )
    card: dict[str, object] = Field(
        default_factory=dict, description="data, kimg, seeds, commands, figures"
    )

    def to_bytes(self) -> bytes:
        """Canonical JSON: what the digest is taken of. What older bundles lack is left out where it
        says nothing, so that their digests stay."""
        fields = self.model_dump(mode="json")
        if self.truncation_psi is None:
            del fields["truncation_psi"]
        return json.dumps(fields, sort_keys=True, indent=1).encode() + b"\n"

    @property
    def digest(self) -> str:
        return "sha256:" + hashlib.sha256(self.to_bytes()).hexdigest()


def load_bundle_folder(folder: Path) -> Bundle:
    """Read and verify a bundle on disk. CheckpointRejected when a file is missing or has other
    bytes than recorded."""
    try:
        bundle = Bundle.model_validate_json((folder / BUNDLE_FILE).read_bytes())
    except (OSError, ValidationError) as error:
        raise CheckpointRejected(
            f"{folder.name}/{BUNDLE_FILE} can't be read as a bundle: {error}"
        ) from error
    for name, expected in bundle.files.items():
        path = folder / name
        if not path.is_file():
            raise CheckpointRejected(f"the bundle lacks its file {name}")
        if (actual := _sha256(path)) != expected:
            raise CheckpointRejected(f"{name} has sha256 {actual}, its bundle says {expected}")
    return bundle


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
