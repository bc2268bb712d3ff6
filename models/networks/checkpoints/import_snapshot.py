"""Foreign weights to checkpoints: training snapshots of the reference implementation and released
StyleMatte files."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from core.errors import CheckpointRejected
from models.networks.checkpoints.checkpoint import Kind, digest, save_checkpoint
from models.networks.checkpoints.load import build_with, check_state
from models.networks.checkpoints.snapshot_reader import SnapshotModule, read_module
from models.networks.discriminator import DiscriminatorConfig, build_discriminator
from models.networks.stylegan3 import GeneratorConfig, build_generator
from models.networks.stylematte import build_stylematte
from models.networks.stylematte.reference_names import infer_config, rename

TORCH_ZIP = b"PK\x03\x04"
TORCH_LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # its magic number, pickled
NEUTRAL: dict[
    str, tuple[Any, ...]
] = {  # settings of reference discriminators at their only value that we know
    "block_kwargs": ({}, {"freeze_layers": 0}),
    "mapping_kwargs": ({},),
    "cmap_dim": (None,),
    "architecture": ("resnet",),
}


@dataclass(frozen=True, kw_only=True)
class ImportSummary:
    kind: Kind
    entry: str | None  # of a snapshot
    config: dict[str, Any]
    tensors: int
    elements: int
    out: Path
    sha256: str  # of the checkpoint


def import_file(path: Path | str, *, entry: str = "G_ema", out: Path | str) -> ImportSummary:
    """Convert a snapshot's network `entry`, or a StyleMatte `.pth`, to a checkpoint; every tensor
    keeps its bits.

    The format is told by content. Raises CheckpointRejected, naming the reason, for files that are
    truncated, name code to run, or do not fit their config; then nothing is written.
    """
    path, out = Path(path), Path(out)
    with path.open("rb") as file:
        head = file.read(len(TORCH_LEGACY))
    is_torch = head.startswith(TORCH_ZIP) or head == TORCH_LEGACY
    source: dict[str, Any] = {"file": path.name, "sha256": digest(path)}
    if is_torch:
        kind, config, state = _stylematte(path)
    else:
        kind, config, state = _network(read_module(path, entry))
        source["entry"] = entry
    save_checkpoint(out, kind=kind, config=config, state=state, extra={"imported": source})
    return ImportSummary(
        kind=kind,
        entry=None if is_torch else entry,
        config=config,
        tensors=len(state),
        elements=sum(tensor.numel() for tensor in state.values()),
        out=out,
        sha256=digest(out),
    )


Converted = tuple[Kind, dict[str, Any], Mapping[str, torch.Tensor]]


def _network(module: SnapshotModule) -> Converted:
    if module.class_name == "Generator":
        config = build_with(GeneratorConfig.from_dict, module.kwargs).to_dict()
        check_state(build_generator, config, module.state)
        return "stylemattegan-generator", config, module.state
    if module.class_name == "Discriminator":
        config = build_with(_discriminator_config, module.kwargs).to_dict()
        check_state(build_discriminator, config, module.state)
        return "stylemattegan-discriminator", config, module.state
    raise CheckpointRejected(
        f"its entry is a {module.class_name}, neither a Generator nor a Discriminator"
    )


def _discriminator_config(kwargs: Mapping[str, Any]) -> DiscriminatorConfig:
    return DiscriminatorConfig.from_dict(
        {k: v for k, v in kwargs.items() if v not in NEUTRAL.get(k, ())}
    )


def _stylematte(path: Path) -> Converted:
    state = rename(_torch_state(path))
    try:
        config = infer_config(state).to_dict()
    except (KeyError, IndexError, ValueError) as error:
        raise CheckpointRejected(f"{path.name} is not a StyleMatte: it has no {error}") from error
    check_state(build_stylematte, config, state)
    return "stylematte", config, state


def _torch_state(path: Path) -> dict[str, torch.Tensor]:
    """A state dict, plain or under `state_dict`, read by torch's own restricted unpickler."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a hostile or broken stream can raise anything
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        reason = f"it names {named[1]}; nothing was run" if named else str(error).partition("\n")[0]
        raise CheckpointRejected(f"{path.name} is not a file of weights: {reason}") from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(
        isinstance(tensor, torch.Tensor) for tensor in content.values()
    ):
        raise CheckpointRejected(f"{path.name} holds no plain dict of tensors")
    return {str(name): tensor for name, tensor in content.items()}
