"""Networks for other programs: plain safetensors, ONNX and TorchScript."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from core.errors import CheckpointRejected
from models.networks.checkpoints.checkpoint import HEADER_KEY, kind_of, load_checkpoint
from models.networks.checkpoints.load import load_generator, load_stylematte
from models.networks.stylegan3 import ops
from models.networks.stylematte import deformable_attention

OPSET = 17
TOLERANCE = 1e-4  # of alpha, between onnxruntime and the network


def export_safetensors(checkpoint: Path, out: Path) -> int:
    """All tensors in float32 under the reference's names, which ours are; returns their number.

    The header keeps the config under `matteforge`, which other programs pass over, so that
    `models import` reads the file again. Raises CheckpointRejected.
    """
    kind = _kind(checkpoint)
    found = load_checkpoint(checkpoint, kind=kind)
    state = {
        name: (x.float() if x.is_floating_point() else x).contiguous()
        for name, x in found.state.items()
    }
    header = _header(checkpoint)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, out, {HEADER_KEY: header, "format": "pt"})
    return len(state)


def export_onnx(checkpoint: Path, out: Path, side: int) -> float:
    """A StyleMatte for pictures of `side` x `side` pixels, one at a time; returns the largest
    difference of alpha between onnxruntime and the network.

    The backbone's windows and the filter's boxes are fixed by tracing, and so is the size. Input
    `image`: float32 [1, 3, side, side], normalised by ImageNet's mean and deviation; output
    `alpha`: float32 [1, 1, side, side] in [0, 1]. Raises CheckpointRejected for another network and
    where the difference exceeds TOLERANCE; then nothing is written.
    """
    if _kind(checkpoint) != "stylematte":
        raise CheckpointRejected(
            f"{checkpoint.name} is no StyleMatte; ONNX is written of one alone"
        )
    matte, partial = load_stylematte(checkpoint), out.with_name(f".{out.name}.partial")
    image = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with torch.no_grad(), _textbook_operations(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tracing fixes sizes: that is what is wanted
            torch.onnx.export(
                matte, (image,), str(partial), dynamo=False, opset_version=OPSET,
                input_names=["image"], output_names=["alpha"],
            )  # fmt: skip
            expected = matte(image)
        difference = _difference(partial, image, expected)
        if difference > TOLERANCE:
            raise CheckpointRejected(f"onnxruntime's alpha differs by {difference:.1e}")
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return difference


def export_program(checkpoint: Path, out: Path) -> float:
    """A generator as TorchScript, without truncation: z, float32 [1, z_dim] -> image, float32 [1,
    c, h, w]; returns the largest difference from the network, of another z. Raises
    CheckpointRejected."""
    if _kind(checkpoint) != "stylemattegan-generator":
        raise CheckpointRejected(f"{checkpoint.name} is no generator")
    generator = load_generator(checkpoint)
    generator.synthesis.use_kernel(False)
    z = torch.randn(1, generator.config.z_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), _textbook_operations(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.jit.trace(generator, (z,), check_trace=False)
        out.parent.mkdir(parents=True, exist_ok=True)
        program.save(str(out))
        other = torch.randn_like(z)
        return float((torch.jit.load(str(out))(other) - generator(other)).abs().max())


def _difference(path: Path, image: torch.Tensor, expected: torch.Tensor) -> float:
    try:
        import onnxruntime
    except ImportError as error:
        raise CheckpointRejected(
            "ONNX is checked by onnxruntime: pip install onnxruntime"
        ) from error
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (alpha,) = session.run(None, {"image": image.numpy()})
    return float((torch.from_numpy(alpha) - expected).abs().max())


@contextmanager
def _textbook_operations() -> Iterator[None]:
    """Attention, resampling and activation by torch's own operations: an exporter sees nothing of
    our kernels, nor of functions with gradients of their own."""
    textbook: tuple[tuple[Any, str, Any], ...] = (
        (deformable_attention, "sample_values", deformable_attention.sample_torch),
        (ops, "resample", _resample_torch),
        (ops, "_activate", _activate_torch),
    )
    ours = [getattr(module, name) for module, name, _ in textbook]
    for module, name, operation in textbook:
        setattr(module, name, operation)
    try:
        yield
    finally:
        for (module, name, _), operation in zip(textbook, ours, strict=True):
            setattr(module, name, operation)


def _resample_torch(x: torch.Tensor, along: torch.Tensor, across: torch.Tensor) -> torch.Tensor:
    return along @ x @ across.T


def _activate_torch(
    x: torch.Tensor, gain: float, slope: float, clamp: float | None
) -> torch.Tensor:
    activated = F.leaky_relu(x, slope)
    return activated if clamp is None else activated.clamp(-clamp / gain, clamp / gain)


def _kind(checkpoint: Path) -> Any:
    kind = kind_of(checkpoint)
    if kind is None:
        raise CheckpointRejected(f"{checkpoint.name} is no checkpoint; `models import` makes one")
    return kind


def _header(checkpoint: Path) -> str:
    from safetensors import safe_open

    with safe_open(checkpoint, framework="pt") as file:
        return str((file.metadata() or {})[HEADER_KEY])
