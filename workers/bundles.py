"""Assemble model bundles on disk, ready to be published (core.registry)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import CheckpointRejected, InvalidSpec
from core.registry import BUNDLE_FILE, GENERATOR_FILE, Bundle
from matteforge.schemas.criteria import check_thresholds
from models.networks.checkpoints.checkpoint import (
    Kind,
    digest,
    halved,
    load_checkpoint,
    save_checkpoint,
)
from models.networks.checkpoints.load import load_generator, load_stylematte

STYLEMATTE_FILE = "stylematte.safetensors"


def assemble(
    folder: Path,
    *,
    name: str,
    generator: Path,
    stylematte: Path,
    thresholds: Mapping[str, float],
    card: Mapping[str, Any] | None = None,
    half: bool = True,
) -> Bundle:
    """Write a bundle folder from two checkpoints, large tensors as float16 if `half`, and check
    that it loads.

    Raises CheckpointRejected when a checkpoint is of another kind, or the generator has no alpha
    channel, and InvalidSpec when a threshold is not one of the filter's or out of its range.
    """
    try:
        check_thresholds(thresholds)
    except ValueError as error:
        raise InvalidSpec(str(error)) from error
    folder.mkdir(parents=True, exist_ok=True)
    sources: dict[str, tuple[Path, Kind]] = {
        GENERATOR_FILE: (generator, "stylemattegan-generator"),
        STYLEMATTE_FILE: (stylematte, "stylematte"),
    }
    for file, (source, kind) in sources.items():
        checkpoint = load_checkpoint(source, kind=kind)
        state = halved(checkpoint.state) if half else checkpoint.state
        save_checkpoint(
            folder / file, kind=kind, config=checkpoint.config, state=state, extra=checkpoint.extra
        )
    config = load_generator(folder / GENERATOR_FILE).config
    load_stylematte(folder / STYLEMATTE_FILE)
    if config.img_channels != 4:
        raise CheckpointRejected(
            f"a StyleMatteGAN has 4 channels, {generator.name} has {config.img_channels}"
        )
    bundle = Bundle(
        name=name,
        files={file: digest(folder / file) for file in sources},
        thresholds=dict(thresholds),
        resolution=config.img_resolution,
        card=dict(card or {}),
    )
    (folder / BUNDLE_FILE).write_bytes(bundle.to_bytes())
    return bundle
