"""StyleMatte's encoder as a frozen feature network: it has learned nothing of a generator."""

import torch
from torch import Tensor, nn

from models.networks.stylematte.network import StyleMatte, normalised


class EncoderFeatures(nn.Module):
    """The four stages of the Swin encoder; gradients flow to the input, none to the weights."""

    def __init__(self, matte: StyleMatte) -> None:
        super().__init__()
        self.encoder = matte.pixel_decoder.encoder
        self.requires_grad_(False).eval()

    def forward(self, rgb_pm1: Tensor) -> list[Tensor]:
        """rgb_pm1: float32 [n, 3, h, w] in [-1, 1] -> maps [n, c, h / 4, w / 4] to [n, 8 c, h / 32,
        w / 32]."""
        return list(self.encoder(normalised(rgb_pm1)).feature_maps)

    def pooled(self, rgb_pm1: Tensor) -> Tensor:
        """Mean over space of all stages: [n, 15 c]."""
        return torch.cat([stage.mean((2, 3)) for stage in self(rgb_pm1)], 1)
