"""Assemble model bundles on disk, ready to be published (core.registry)."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.bundle import BUNDLE_FILE, GENERATOR_FILE, Bundle, load_bundle_folder
from core.errors import CheckpointRejected, InvalidSpec
from matteforge.schemas.criteria import check_thresholds
from models.imaging.tensors import split_rgba
from models.networks.checkpoints.checkpoint import (
    Kind,
    digest,
    halved,
    load_checkpoint,
    save_checkpoint,
)
from models.networks.checkpoints.load import load_generator, load_stylematte
from models.networks.stylegan3 import Generator
from models.networks.stylematte import StyleMatte, predict_alpha

STYLEMATTE_FILE = "stylematte.safetensors"
CHECKED_PSI = 0.7
CHECKED_IN = 3  # parts
ASSEMBLED_IN = CHECKED_IN + 2
CHECKED = 2  # portraits: group normalisation refuses a single value


def assemble(
    folder: Path,
    *,
    name: str,
    generator: Path,
    stylematte: Path,
    thresholds: Mapping[str, float],
    card: Mapping[str, Any] | None = None,
    truncation_psi: float | None = None,
    half: bool = True,
    on_part: Callable[[str], object] = str,
) -> Bundle:
    """Write a bundle folder from two checkpoints, large tensors as float16 if `half`, and check
    that it loads.

    Raises CheckpointRejected when a checkpoint is of another kind, or the generator has no alpha
    channel, and InvalidSpec when a threshold is not one of the filter's or out of its range.
    on_part: told the part that begins, ASSEMBLED_IN in all.
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
        on_part(f"writing {file}")
        checkpoint = load_checkpoint(source, kind=kind)
        state = halved(checkpoint.state) if half else checkpoint.state
        save_checkpoint(
            folder / file, kind=kind, config=checkpoint.config, state=state, extra=checkpoint.extra
        )
    config = load_generator(folder / GENERATOR_FILE).config
    bundle = Bundle(
        name=name,
        files={file: digest(folder / file) for file in sources},
        thresholds=dict(thresholds),
        resolution=config.img_resolution,
        truncation_psi=truncation_psi,
        card=dict(card or {}),
    )
    (folder / BUNDLE_FILE).write_bytes(bundle.to_bytes())
    return check_bundle(folder, on_part)


def check_bundle(folder: Path, on_part: Callable[[str], object] = str) -> Bundle:
    """The bundle in a folder, once both its networks were loaded and have sampled once.

    Raises CheckpointRejected, saying what is wrong: files, kinds, channels, resolution, weights
    or pictures that are not finite. A bundle that passes can be ordered from. on_part: told the
    part that begins, CHECKED_IN in all.
    """
    on_part("reading the bundle")
    bundle = load_bundle_folder(folder)
    for file in (GENERATOR_FILE, STYLEMATTE_FILE):
        if file not in bundle.files:
            raise CheckpointRejected(f"the bundle lacks its file {file}")
    on_part("loading both networks")
    generator = load_generator(folder / GENERATOR_FILE)
    matte = load_stylematte(folder / STYLEMATTE_FILE)
    config = generator.config
    if config.img_channels != 4:
        raise CheckpointRejected(f"a StyleMatteGAN has 4 channels, this has {config.img_channels}")
    if config.img_resolution != bundle.resolution:
        raise CheckpointRejected(
            f"the bundle says {bundle.resolution} px, its generator {config.img_resolution} px"
        )
    on_part("sampling once")
    for file, network in ((GENERATOR_FILE, generator), (STYLEMATTE_FILE, matte)):
        _check_weights(file, network)
    _check_sample(generator, matte)
    return bundle


def _check_weights(file: str, network: nn.Module) -> None:
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise CheckpointRejected(f"{file}: {name} is not finite")


def _check_sample(generator: Generator, matte: StyleMatte) -> None:
    """Draw portraits and let StyleMatte see them: shapes and finiteness."""
    config = generator.config
    size = config.img_resolution
    z = torch.randn(CHECKED, config.z_dim, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        image = generator(z, truncation_psi=CHECKED_PSI)  # [n, 4, h, w]
        _check_picture(GENERATOR_FILE, image, (CHECKED, 4, size, size))
        alpha = predict_alpha(matte, split_rgba(image)[0])  # [n, 1, h, w]
    _check_picture(STYLEMATTE_FILE, alpha, (CHECKED, 1, size, size))


def _check_picture(file: str, picture: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(picture.shape) != shape:
        raise CheckpointRejected(f"{file} makes {tuple(picture.shape)}, not {shape}")
    if not bool(picture.isfinite().all()):
        raise CheckpointRejected(f"{file}: its output is not finite")
