"""A StyleMatte as an ONNX file for pictures of any size, several at once."""

import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.models.swin.modeling_swin import SwinPatchEmbeddings, SwinPatchMerging

from core.errors import CheckpointRejected
from models.networks.checkpoints.export import kind_to_export, replaced
from models.networks.checkpoints.load import load_stylematte
from models.networks.stylematte import StyleMatte, deformable_attention, network
from models.networks.stylematte.deformable_attention import Shapes
from models.networks.stylematte.guided_filter import fast_guided_filter

OPSET = 17
TOLERANCE = 1e-4  # of alpha, between onnxruntime and the network
TRACED = (2, 3, 149, 215)  # no side fits patches or windows: the graph learns to pad
CHECKED = ((1, 3, 320, 320), (2, 3, 224, 352), (1, 3, 187, 250))
AXES = {0: "batch", 2: "height", 3: "width"}


def export_onnx(checkpoint: Path, out: Path, on_part: Callable[[str], object] = str) -> float:
    """Write a StyleMatte as ONNX; returns the largest difference of alpha between onnxruntime and
    the network, on smooth pictures of the sizes CHECKED.

    Input `image`: float32 [batch, 3, height, width], normalised by ImageNet's mean and deviation;
    output `alpha`: float32 [batch, 1, height, width] in [0, 1]. The network is compared with its
    guided filter in float64: where a picture is flat, rounding in float32 alone moves torch's alpha
    by up to 0.01. on_part: told the part that begins, one more than CHECKED in all. Raises
    CheckpointRejected for another network and where the difference exceeds TOLERANCE; then nothing
    is written.
    """
    if kind_to_export(checkpoint) != "stylematte":
        raise CheckpointRejected(
            f"{checkpoint.name} is no StyleMatte; ONNX is written of one alone"
        )
    partial = out.with_name(f".{out.name}.partial")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        on_part(f"tracing {checkpoint.name}")
        _write(load_stylematte(checkpoint), partial)
        difference = _difference(partial, load_stylematte(checkpoint), on_part)
        if not difference <= TOLERANCE:
            raise CheckpointRejected(f"onnxruntime's alpha differs by {difference:.1e}")
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return difference


def _write(matte: StyleMatte, out: Path) -> None:
    """Trace the network with sizes that stay open: what transformers decides by a size in Python
    is computed instead."""
    for module in matte.modules():
        if isinstance(module, SwinPatchEmbeddings):
            module.maybe_pad = _pad_to_patches  # type: ignore[method-assign]
        elif isinstance(module, SwinPatchMerging):
            module.maybe_pad = _pad_to_even  # type: ignore[method-assign]
    encoder = matte.pixel_decoder.decoder.encoder
    encoder.get_reference_points = _centres  # type: ignore[method-assign]
    onnx, image = _needed("onnx"), torch.zeros(TRACED)
    with (
        torch.no_grad(),
        replaced(
            (deformable_attention, "sample_values", _sample_any_size),
            (network, "fast_guided_filter", _filter_by_deviations),
        ),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # the tracer's, on branches that are the same for any size
        torch.onnx.export(
            matte, (image,), str(out), dynamo=False, opset_version=OPSET,
            input_names=["image"], output_names=["alpha"],
            dynamic_axes={"image": AXES, "alpha": AXES},
        )  # fmt: skip
    written = onnx.load(out)
    written.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 1  # what tracing can't tell
    onnx.save(written, out)


def _difference(path: Path, matte: StyleMatte, on_part: Callable[[str], object]) -> float:
    onnxruntime = _needed("onnxruntime")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rng, largest = torch.Generator().manual_seed(0), 0.0
    for shape in CHECKED:
        on_part("checking {0} x {2} x {3}".format(*shape))
        image = F.interpolate(
            torch.randn(*shape[:2], 12, 12, generator=rng), shape[2:], mode="bicubic"
        )  # smooth, as photographs are
        (alpha,) = session.run(None, {"image": image.numpy()})
        with torch.no_grad(), replaced((network, "fast_guided_filter", _filter_in_double)):
            difference = (torch.from_numpy(alpha) - matte(image)).abs().max()
        largest = max(largest, float(difference.nan_to_num(torch.inf)))
    return largest


def _needed(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise CheckpointRejected(
            "ONNX is written with onnx and checked by onnxruntime: pip install onnx onnxruntime"
        ) from error


def _pad_to_patches(image: Tensor, height: int, width: int) -> Tensor:
    return F.pad(image, (0, -width % 4, 0, -height % 4))


def _pad_to_even(x: Tensor, height: int, width: int) -> Tensor:
    return F.pad(x, (0, 0, 0, width % 2, 0, height % 2))


def _centres(shapes: Shapes, ratios: Tensor, device: torch.device) -> Tensor:
    """Middles of all pixels of all levels, [n, q, levels, 2], x and y in [0, 1]; no pixel is
    masked, and so `ratios`, [n, levels, 2], are 1."""
    levels = []
    for height, width in shapes:
        y = (torch.arange(height, device=device) + 0.5) / height
        x = (torch.arange(width, device=device) + 0.5) / width
        rows, columns = torch.meshgrid(y, x, indexing="ij")
        levels.append(torch.stack([columns.flatten(), rows.flatten()], -1))
    return torch.cat(levels)[None, :, None] * ratios[:, None]


def _filter_in_double(low_guide: Tensor, low: Tensor, guide: Tensor, **options: Any) -> Tensor:
    wide = (x.double() for x in (low_guide, low, guide))
    return fast_guided_filter(*wide, **options).float()


def _filter_by_deviations(
    low_guide: Tensor, low: Tensor, guide: Tensor, *, radius: int, eps: float
) -> Tensor:
    """`fast_guided_filter` whose variances are means of squared deviations, and so accurate without
    float64, which many of onnxruntime's devices lack."""
    inside = _neighbours(torch.ones_like(low_guide), radius)  # [n, window, h, w]
    count = inside.sum(1, keepdim=True)
    guides, lows = _neighbours(low_guide, radius), _neighbours(low, radius)
    mean_guide, mean_low = (x.sum(1, keepdim=True) / count for x in (guides, lows))
    deviation = (guides - mean_guide) * inside
    covariance = (deviation * (lows - mean_low)).sum(1, keepdim=True) / count
    slope = covariance / (deviation.square().sum(1, keepdim=True) / count + eps)
    fit = torch.cat([slope, mean_low - slope * mean_guide], 1)
    for dim in (3, 2):
        fit = _stretched(fit, dim, guide.shape[dim])
    return fit[:, :1] * guide + fit[:, 1:]


def _neighbours(x: Tensor, radius: int) -> Tensor:
    """[n, 1, h, w] -> the window around each pixel, [n, (2 radius + 1)^2, h, w], 0 outside."""
    height, width = x.shape[-2:]
    padded, side = F.pad(x, (radius,) * 4), range(2 * radius + 1)
    return torch.cat([padded[..., i : i + height, j : j + width] for i in side for j in side], 1)


def _stretched(x: Tensor, dim: int, size: int) -> Tensor:
    """Linear interpolation with aligned corners; places are counted in whole numbers, since slopes
    are steep and float32 would round them."""
    length = x.shape[dim]
    steps = torch.arange(size) * (length - 1)
    lower = torch.div(steps, size - 1, rounding_mode="floor")
    upper = (lower + 1).clamp(max=length - 1)
    share = (steps - lower * (size - 1)).float() / (size - 1)
    share = share.view([-1 if d == dim else 1 for d in range(4)])
    return x.index_select(dim, lower) * (1 - share) + x.index_select(dim, upper) * share


def _sample_any_size(
    value: Tensor, shapes: Shapes, centres: Tensor, offsets: Tensor, weights: Tensor
) -> Tensor:
    """`deformable_attention.sample_torch` without a number that tracing would fix."""
    heads, start, levels = int(value.shape[2]), 0, []
    for level, (height, width) in enumerate(shapes):
        extent = torch.stack([torch.as_tensor(width), torch.as_tensor(height)]).to(value)
        places = centres[:, :, None, level, None] + offsets[:, :, :, level] / extent
        grid = (2 * places - 1).transpose(1, 2).flatten(0, 1)  # [n * heads, q, points, 2]
        part = value[:, start : start + height * width].permute(0, 2, 3, 1).flatten(0, 1)
        part = part.unflatten(-1, (height, width))  # [n * heads, channels, h, w]
        levels.append(F.grid_sample(part, grid, padding_mode="zeros", align_corners=False))
        start = start + height * width
    weight = weights.transpose(1, 2).flatten(0, 1).flatten(-2)[:, None]
    summed = (torch.cat(levels, -1) * weight).sum(-1)  # [n * heads, channels, q]
    return summed.unflatten(0, (-1, heads)).flatten(1, 2).transpose(1, 2)
