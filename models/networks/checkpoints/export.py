"""Networks for other programs: plain safetensors and TorchScript; ONNX is in `onnx_file`."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from core.errors import CheckpointRejected
from models.networks.checkpoints.checkpoint import HEADER_KEY, Kind, kind_of, load_checkpoint
from models.networks.checkpoints.load import load_generator
from models.networks.stylegan3 import ops


def export_safetensors(checkpoint: Path, out: Path, on_part: Callable[[str], object] = str) -> int:
    """All tensors in float32 under the reference's names, which ours are; returns their number.

    The header keeps the config under `matteforge`, which other programs pass over, so that
    `models import` reads the file again. on_part: told the part that begins, two in all. Raises
    CheckpointRejected.
    """
    on_part(f"reading {checkpoint.name}")
    kind = kind_to_export(checkpoint)
    found = load_checkpoint(checkpoint, kind=kind)
    state = {
        name: (x.float() if x.is_floating_point() else x).contiguous()
        for name, x in found.state.items()
    }
    header = _header(checkpoint)
    on_part(f"writing {out.name}")
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, out, {HEADER_KEY: header, "format": "pt"})
    return len(state)


def export_program(checkpoint: Path, out: Path, on_part: Callable[[str], object] = str) -> float:
    """A generator as TorchScript, without truncation: z, float32 [1, z_dim] -> image, float32 [1,
    c, h, w]; returns the largest difference from the network, of another z. on_part: told the part
    that begins, two in all. Raises CheckpointRejected."""
    on_part(f"tracing {checkpoint.name}")
    if kind_to_export(checkpoint) != "stylemattegan-generator":
        raise CheckpointRejected(f"{checkpoint.name} is no generator")
    generator = load_generator(checkpoint)
    generator.synthesis.use_kernel(False)
    textbook = (ops, "resample", _resample_torch), (ops, "_activate", _activate_torch)
    z = torch.randn(1, generator.config.z_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), replaced(*textbook), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.jit.trace(generator, (z,), check_trace=False)
        out.parent.mkdir(parents=True, exist_ok=True)
        program.save(str(out))
        on_part(f"checking {out.name}")
        other = torch.randn_like(z)
        return float((torch.jit.load(str(out))(other) - generator(other)).abs().max())


@contextmanager
def replaced(*operations: tuple[Any, str, Any]) -> Iterator[None]:
    """Each (module, name, operation) instead of the module's own: an exporter sees nothing of our
    kernels, nor of functions with gradients of their own."""
    ours = [getattr(module, name) for module, name, _ in operations]
    for module, name, operation in operations:
        setattr(module, name, operation)
    try:
        yield
    finally:
        for (module, name, _), operation in zip(operations, ours, strict=True):
            setattr(module, name, operation)


def _resample_torch(x: torch.Tensor, along: torch.Tensor, across: torch.Tensor) -> torch.Tensor:
    return along @ x @ across.T


def _activate_torch(
    x: torch.Tensor, gain: float, slope: float, clamp: float | None
) -> torch.Tensor:
    activated = F.leaky_relu(x, slope)
    return activated if clamp is None else activated.clamp(-clamp / gain, clamp / gain)


def kind_to_export(checkpoint: Path) -> Kind:
    """What a checkpoint holds. Raises CheckpointRejected for any other file."""
    kind = kind_of(checkpoint)
    if kind is None:
        raise CheckpointRejected(f"{checkpoint.name} is no checkpoint; `models import` makes one")
    return kind


def _header(checkpoint: Path) -> str:
    from safetensors import safe_open

    with safe_open(checkpoint, framework="pt") as file:
        return str((file.metadata() or {})[HEADER_KEY])
