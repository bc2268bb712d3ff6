"""The StyleMatteGAN generator: StyleGAN3 (arXiv 2106.12423) whose output is RGB and alpha (arXiv
2305.02981)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from models.networks.stylegan3.config import GeneratorConfig
from models.networks.stylegan3.mapping import MappingNetwork
from models.networks.stylegan3.synthesis import SynthesisNetwork


class Generator(nn.Module):
    """z -> image. `state_dict()` has the reference's names."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.mapping = MappingNetwork(config)
        self.synthesis = SynthesisNetwork(config)

    def forward(
        self,
        z: torch.Tensor,
        c: torch.Tensor | None = None,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
        update_emas: bool = False,
    ) -> torch.Tensor:
        """z: [n, z_dim], c: [n, c_dim] or None -> float32 [n, img_channels, h, w]; see the two
        networks."""
        ws = self.mapping(z, c, truncation_psi, truncation_cutoff, update_emas)
        image: torch.Tensor = self.synthesis(ws, update_emas)
        return image

    @torch.no_grad()
    def sample(
        self, z: torch.Tensor, truncation_psi: float = 1.0, part_size: int | None = None
    ) -> torch.Tensor:
        """What forward gives, without gradients; part_size: see `SynthesisNetwork.shared_out`."""
        return self.synthesis.shared_out(self.mapping(z, None, truncation_psi), part_size)

    def set_input_transform(self, matrix: torch.Tensor | Sequence[Sequence[float]]) -> None:
        """Stores a 3x3 inverse transform of the canvas as given. Raises ValueError for another
        shape."""
        value = torch.as_tensor(matrix, dtype=torch.float32)
        if value.shape != (3, 3):
            raise ValueError(f"the input transform must be 3x3, got {list(value.shape)}")
        self.synthesis.input.transform.copy_(value)

    def load_reference_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Loads tensors under the reference's names. Raises RuntimeError for a missing, unexpected
        or misshaped one."""
        self.load_state_dict(state, strict=True)


def build_generator(kwargs: Mapping[str, Any]) -> Generator:
    """A freshly initialised generator in eval mode from the reference's keywords. Raises ValueError
    for bad ones."""
    return Generator(GeneratorConfig.from_dict(kwargs)).eval()
