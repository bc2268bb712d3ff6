"""The mapping network z, c -> w (arXiv 1812.04948, section 2; arXiv 1912.04958, appendix B)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from models.networks.stylegan3.config import GeneratorConfig
from models.training import distributed

W_AVG_BETA = 0.998


class FullyConnected(nn.Module):
    """A linear layer with equalised learning rate: stored weights are scaled by lr_multiplier /
    sqrt(in) when used."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        lr_multiplier: float = 1.0,
        activate: bool = False,
        weight_init: float = 1.0,
        bias_init: float | list[float] = 0.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(
            torch.randn(out_features, in_features) * (weight_init / lr_multiplier)
        )
        self.bias = nn.Parameter(
            torch.zeros(out_features) + torch.tensor(bias_init) / lr_multiplier
        )
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier
        self.activate = activate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: [n, in_features] -> [n, out_features]."""
        y = F.linear(x, self.weight * self.weight_gain, self.bias * self.bias_gain)
        return F.leaky_relu(y, 0.2) * math.sqrt(2) if self.activate else y


def normalized(x: torch.Tensor) -> torch.Tensor:
    """[n, features], each row scaled to a mean square of 1."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class MappingNetwork(nn.Module):
    """z, c -> ws: one w per synthesis layer and one for the Fourier input, with the running average
    `w_avg`."""

    w_avg: torch.Tensor

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.z_dim, self.c_dim = config.z_dim, config.c_dim
        self.num_ws = config.num_layers + 2
        self.num_layers = config.mapping_kwargs.num_layers
        if config.c_dim:
            self.embed = FullyConnected(config.c_dim, config.w_dim)
        features = config.z_dim + (config.w_dim if config.c_dim else 0)
        for index in range(self.num_layers):
            layer = FullyConnected(
                features, config.w_dim, config.mapping_kwargs.lr_multiplier, activate=True
            )
            self.add_module(f"fc{index}", layer)
            features = config.w_dim
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def forward(
        self,
        z: torch.Tensor,
        c: torch.Tensor | None = None,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
        update_emas: bool = False,
    ) -> torch.Tensor:
        """z: [n, z_dim], c: [n, c_dim] or None (zeros) -> ws: float32 [n, num_ws, w_dim].

        truncation_psi: ws are moved towards w_avg, 1 leaves them; truncation_cutoff: only the first
        so many of them. update_emas: updates w_avg, before it is used. Raises ValueError for inputs
        of the wrong shape.
        """
        if z.ndim != 2 or z.shape[1] != self.z_dim:
            raise ValueError(f"z must be [n, {self.z_dim}], got {list(z.shape)}")
        x = normalized(z.to(self.w_avg.dtype))
        if self.c_dim:
            condition = z.new_zeros(len(z), self.c_dim) if c is None else c
            if condition.shape != (len(z), self.c_dim):
                raise ValueError(f"c must be [{len(z)}, {self.c_dim}], got {list(condition.shape)}")
            x = torch.cat([x, normalized(self.embed(condition.to(x.dtype)))], 1)
        for index in range(self.num_layers):
            x = self.get_submodule(f"fc{index}")(x)
        if update_emas:
            self.w_avg.copy_(distributed.mean(x.detach().mean(0)).lerp(self.w_avg, W_AVG_BETA))
        ws = x[:, None].repeat(1, self.num_ws, 1)
        if truncation_psi == 1:
            return ws
        truncated = self.w_avg.lerp(ws, truncation_psi)
        if truncation_cutoff is None:
            return truncated
        return torch.cat([truncated[:, :truncation_cutoff], ws[:, truncation_cutoff:]], 1)
