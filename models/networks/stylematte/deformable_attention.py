"""Multi-scale deformable attention (arXiv 2010.04159, equation 3).

On a CPU numba's kernels sample, weight and sum in one pass; elsewhere, and for what they don't
compute, transformers' own operation does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from transformers.models.mask2former.modeling_mask2former import (
    Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention,
    multi_scale_deformable_attention,
)

from models.kernels.deformable_attention import Sizes, attend, attend_backward

Shapes = Sequence[tuple[int, int]]
"""Height and width of each level."""


class DeformableAttention(Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention):
    """Each position attends to a few places around it in every level; where, and how much, it
    predicts itself.

    Parameters and their initialisation are transformers'; this sampling is several times faster on
    a CPU.
    """

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        position_embeddings: Tensor,
        reference_points: Tensor,
        spatial_shapes_list: Shapes,
        **_: Any,
    ) -> tuple[Tensor, None]:
        """Takes what transformers' encoder layer gives. No position is masked: images are padded
        before the backbone.

        hidden_states, position_embeddings: float32 [n, q, width]; encoder_hidden_states: [n, s,
        width], its levels one after another; reference_points: [n, q, levels, 2], x and y in [0,
        1]. Returns [n, q, width], and no weights.
        """
        queries = hidden_states + position_embeddings
        per_sample = *queries.shape[:2], self.n_heads, self.n_levels, self.n_points
        value = self.value_proj(encoder_hidden_states).unflatten(-1, (self.n_heads, -1))
        offsets = self.sampling_offsets(queries).view(*per_sample, 2)
        logits = self.attention_weights(queries).view(*per_sample[:3], -1)
        weights = logits.softmax(-1).view(per_sample)
        whole = (
            value.float(),
            spatial_shapes_list,
            reference_points.float(),
            offsets.float(),
            weights.float(),
        )
        return self.output_proj(
            sample_values(*whole)
        ), None  # float32 also where the rest runs in half precision


def sample_values(
    value: Tensor, shapes: Shapes, centres: Tensor, offsets: Tensor, weights: Tensor
) -> Tensor:
    """Weighted bilinear samples, zero outside of a level.

    value: [n, s, heads, channels], levels of `shapes` one after another; centres: [n, q, levels,
    2], x and y in [0, 1]; offsets: [n, q, heads, levels, points, 2] in pixels of the level;
    weights: [n, q, heads, levels, points]. Returns [n, q, heads * channels]. Differentiable in
    value, offsets and weights.
    """
    tensors = value, offsets, weights, centres
    if (
        all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors)
        and value.shape[-1] % 8 == 0
    ):
        return _Sample.apply(value, offsets, weights, centres, tuple(shapes))
    return sample_torch(value, shapes, centres, offsets, weights)


def sample_torch(
    value: Tensor, shapes: Shapes, centres: Tensor, offsets: Tensor, weights: Tensor
) -> Tensor:
    """`sample` by transformers' operation: a grid_sample per level."""
    extent = value.new_tensor([(width, height) for height, width in shapes])
    places = centres[:, :, None, :, None] + offsets / extent[:, None]
    return multi_scale_deformable_attention(value, list(shapes), places, weights)


class _Sample(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        value: Tensor,
        offsets: Tensor,
        weights: Tensor,
        centres: Tensor,
        shapes: tuple[tuple[int, int], ...],
    ) -> Tensor:
        value, offsets, weights, centres = (
            t.contiguous() for t in (value, offsets, weights, centres)
        )
        sizes, levels = _layout(value, weights, shapes)
        out = torch.empty(*weights.shape[:3], sizes.channels)
        _for_pairs(attend, value, sizes, levels, value, offsets, weights, centres, out)
        ctx.shapes = shapes
        ctx.save_for_backward(value, offsets, weights, centres)
        return out.flatten(2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        value, offsets, weights, centres = ctx.saved_tensors
        sizes, levels = _layout(value, weights, ctx.shapes)
        gradients = torch.zeros_like(value), torch.empty_like(offsets), torch.empty_like(weights)
        inputs = value, offsets, weights, centres, gradient.contiguous()
        _for_pairs(attend_backward, value, sizes, levels, *inputs, *gradients)
        return *gradients, None, None


def _layout(
    value: Tensor, weights: Tensor, shapes: tuple[tuple[int, int], ...]
) -> tuple[Sizes, np.ndarray[Any, Any]]:
    """Raises ValueError where the levels don't add up to the positions of `value`."""
    areas = [height * width for height, width in shapes]
    if sum(areas) != value.shape[1]:
        raise ValueError(
            f"levels {list(shapes)} have {sum(areas)} positions, the values {value.shape[1]}"
        )
    starts = np.cumsum([0, *areas[:-1]])
    levels = np.array(
        [(*shape, start) for shape, start in zip(shapes, starts, strict=True)], np.int64
    )
    _, positions, heads, channels = value.shape
    return Sizes(weights.shape[1], positions, heads, channels, *weights.shape[3:]), levels


def _for_pairs(
    kernel: Callable[..., None],
    value: Tensor,
    sizes: Sizes,
    levels: np.ndarray[Any, Any],
    *tensors: Tensor,
) -> None:
    """Runs a kernel over all (image, head) pairs, in torch's number of threads."""
    pairs = value.shape[0] * sizes.heads
    arguments = sizes, levels, *(tensor.data_ptr() for tensor in tensors)
    threads = min(torch.get_num_threads(), pairs)
    if threads <= 1:
        kernel(0, pairs, *arguments)
        return
    edges = pairwise(pairs * t // threads for t in range(threads + 1))
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(kernel, *edge, *arguments) for edge in edges]:
            done.result()
