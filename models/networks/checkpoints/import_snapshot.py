"""Foreign weights to checkpoints: training snapshots of the reference implementation and released
StyleMatte files."""

import gzip
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from core.errors import CheckpointRejected
from models.networks.checkpoints.checkpoint import (
    Kind,
    digest,
    kind_of,
    load_checkpoint,
    save_checkpoint,
)
from models.networks.checkpoints.foreign_weights import what_it_is
from models.networks.checkpoints.generator_forms import (
    check_channels,
    colour_from_grey,
    of_one_class,
    refuse_stylegan2,
)
from models.networks.checkpoints.load import build_with, check_state, expected_shapes
from models.networks.checkpoints.snapshot_reader import SnapshotModule, read_module
from models.networks.checkpoints.stylematte_files import (
    is_safetensors,
    read_stylematte_state,
    without_extras,
)
from models.networks.checkpoints.torch_file import is_torch_file, is_whole_torch_file
from models.networks.discriminator import DiscriminatorConfig, build_discriminator
from models.networks.stylegan3 import GeneratorConfig, build_generator
from models.networks.stylematte import build_stylematte
from models.networks.stylematte.reference_names import infer_config, rename

GZIP = b"\x1f\x8b"
MOST_UNPACKED = 50  # times its size: weights hardly pack
MAX_FILE_BYTES = 8 * 1024**3  # unpacked, too: the largest networks of the kind have 2 GiB
PICKLE = b"\x80"
WEIGHTS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
NEUTRAL: dict[
    str, tuple[Any, ...]
] = {  # settings of reference discriminators at their only value that we know
    "block_kwargs": ({}, {"freeze_layers": 0}),
    "mapping_kwargs": ({},),
    "cmap_dim": (None,),
    "architecture": ("resnet",),
}

BUILDERS: dict[str, Callable[[dict[str, Any]], nn.Module]] = {
    "stylemattegan-generator": build_generator,
    "stylemattegan-discriminator": build_discriminator,
    "stylematte": build_stylematte,
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
    notes: tuple[str, ...] = ()  # what was done to make it fit


@dataclass(frozen=True, kw_only=True)
class Converted:
    kind: Kind
    config: dict[str, Any]
    state: Mapping[str, torch.Tensor]
    notes: tuple[str, ...] = ()


def import_file(
    path: Path | str, *, entry: str = "G_ema", class_number: int | None = None, out: Path | str
) -> ImportSummary:
    """Convert a file of weights to a checkpoint: a snapshot's network `entry`, a StyleMatte's
    `.pth` or `.safetensors`, or a checkpoint of ours; gzip is unpacked.

    The format is told by content. Tensors keep their bits, but for a conditional generator, of
    which `class_number` is kept, and a grey one, which becomes RGB. Raises CheckpointRejected,
    naming the reason, for files that are truncated, name code to run, or do not fit their config;
    then nothing is written.
    """
    path, out = Path(path), Path(out)
    content = _content(path)
    source: dict[str, Any] = {"file": path.name, "sha256": digest(path)}
    if content.startswith(PICKLE) and not is_torch_file(content):
        found = _network(read_module(path, content, entry), class_number)
        source["entry"] = entry
    elif is_whole_torch_file(content) or is_safetensors(content):
        found = _own(content, path) or _stylematte(path, content)
    else:
        raise CheckpointRejected(
            f"{path.name} is no file of weights but {what_it_is(content)}; a StyleGAN3 snapshot "
            "(.pkl), or a StyleMatte's .pth or .safetensors, was expected"
        )
    _check_values(found.state)
    if found.notes:
        source["notes"] = list(found.notes)
    save_checkpoint(
        out, kind=found.kind, config=found.config, state=found.state, extra={"imported": source}
    )
    return ImportSummary(
        kind=found.kind,
        entry=source.get("entry"),
        config=found.config,
        tensors=len(found.state),
        elements=sum(tensor.numel() for tensor in found.state.values()),
        out=out,
        sha256=digest(out),
        notes=found.notes,
    )


def _content(path: Path) -> bytes:
    """The file's bytes, unpacked where it is gzipped. Raises CheckpointRejected for one that is too
    large."""
    with path.open("rb") as file:
        packed = file.read(len(GZIP)) == GZIP
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            most = (
                min(MAX_FILE_BYTES, MOST_UNPACKED * path.stat().st_size)
                if packed
                else MAX_FILE_BYTES
            )
            content = file.read(most + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CheckpointRejected(f"{path.name} is not a whole gzip file: {error}") from error
    if len(content) > most:
        raise CheckpointRejected(f"{path.name} holds more than {most} bytes: no file of networks")
    return content


def _network(module: SnapshotModule, class_number: int | None) -> Converted:
    if module.class_name == "Generator":
        refuse_stylegan2(module.state)
        check_channels(module.kwargs, module.state)
        kwargs, state = colour_from_grey(module.kwargs, module.state)
        notes: tuple[str, ...] = ("grey became RGB",) if kwargs != module.kwargs else ()
        classes = kwargs.get("c_dim")
        kwargs, state = of_one_class(kwargs, state, class_number)
        if classes:
            notes += (f"class {class_number} of {classes}",)
        config = build_with(GeneratorConfig.from_dict, kwargs).to_dict()
        check_state(build_generator, config, state)
        return Converted(kind="stylemattegan-generator", config=config, state=state, notes=notes)
    if module.class_name == "Discriminator":
        config = build_with(_discriminator_config, module.kwargs).to_dict()
        check_state(build_discriminator, config, module.state)
        return Converted(kind="stylemattegan-discriminator", config=config, state=module.state)
    raise CheckpointRejected(
        f"its entry is a {module.class_name}, neither a Generator nor a Discriminator"
    )


def _discriminator_config(kwargs: Mapping[str, Any]) -> DiscriminatorConfig:
    return DiscriminatorConfig.from_dict(
        {k: v for k, v in kwargs.items() if v not in NEUTRAL.get(k, ())}
    )


def _own(content: bytes, path: Path) -> Converted | None:
    """A checkpoint of ours; None for any other file."""
    if not is_safetensors(content) or (kind := kind_of(path)) is None:
        return None
    checkpoint = load_checkpoint(path, kind=kind)
    if kind not in BUILDERS:
        raise CheckpointRejected(f"{path.name} holds a {kind}, which is no network by itself")
    check_state(BUILDERS[kind], checkpoint.config, checkpoint.state)
    return Converted(kind=kind, config=checkpoint.config, state=checkpoint.state)


def _stylematte(path: Path, content: bytes) -> Converted:
    found = read_stylematte_state(path, content)
    state = rename(found.state)
    try:
        config = infer_config(state).to_dict()
    except (KeyError, IndexError, ValueError, ZeroDivisionError) as error:
        raise CheckpointRejected(f"{path.name} is not a StyleMatte: it has no {error}") from error
    state, extras = without_extras(state, expected_shapes(build_stylematte, config))
    check_state(build_stylematte, config, state)
    notes: tuple[str, ...] = (f"taken from {found.place}",) if found.place else ()
    if found.others:
        notes += (f"also there, and not taken: {', '.join(found.others)}",)
    if extras:
        notes += (f"left out {', '.join(sorted(extras)[:5])}",)
    return Converted(kind="stylematte", config=config, state=state, notes=notes)


def _check_values(state: Mapping[str, torch.Tensor]) -> None:
    """Raise CheckpointRejected for weights that are quantised or not finite."""
    for name, x in state.items():
        if name.endswith((".weight", ".bias")) and x.dtype not in WEIGHTS:
            raise CheckpointRejected(
                f"its tensor {name} is {str(x.dtype).removeprefix('torch.')}: quantised weights "
                "can't be used; those of 16, 32 or 64 bits that they were made of can"
            )
    broken = [name for name, x in state.items() if x.is_floating_point() and not x.isfinite().all()]
    if broken:
        raise CheckpointRejected(
            f"{len(broken)} of its tensors hold NaN or infinity, first {broken[0]}"
        )
