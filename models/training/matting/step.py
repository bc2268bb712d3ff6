"""StyleMatte's training step, and the state that it takes to go on (arXiv 2305.02981, section
3.1)."""

import copy
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from models.networks.stylematte import StyleMatte, predict_alpha
from models.training.matting.augment import Batch, draw_batch
from models.training.matting.losses import matting_loss
from models.training.matting.own_scenes import draw_scenes, joined

MOMENTS = ("exp_avg", "exp_avg_sq", "step")


@dataclass(frozen=True, kw_only=True)
class MattingTraining:
    """What a run does; equal options and data give equal networks."""

    steps: int
    seed: int = 0
    trained: Literal["all", "head"] = "all"
    """The whole network, or only pyramid fusion and the last convolution on a pixel decoder that
    stays as it is."""
    mixed_precision: bool = True
    """bfloat16 where it is safe, on CUDA only."""
    sizes: tuple[int, ...] = (64, 96, 128, 128)
    """Image sides, in pixels; each batch draws one."""
    batch_pixels: int = 8 * 128 * 128
    """Pixels of a batch, whatever its size."""
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    warmup_steps: int = 200
    ema_decay: float = 0.998
    clip_norm: float = 1.0
    background_count: int = 2000
    background_size: int = 160
    photo_crops: int = 1500
    """Crops of photographs that join the procedural backgrounds, where photographs are given."""
    scene_share: float = 0.15
    """Share of a batch that shows people in their own scenes, where there are some."""
    checkpoint_every: int = 200

    def learning_rate_at(self, step: int) -> float:
        """Linear warm-up, then half a cosine down to 2 % at the last step."""
        progress = min(1.0, step / max(1, self.steps))
        cosine = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress))
        return self.learning_rate * min(1.0, (step + 1) / max(1, self.warmup_steps)) * cosine


class MattingTrainer:
    """A network in training, its EMA and its optimiser after `step` batches."""

    def __init__(
        self,
        network: StyleMatte,
        options: MattingTraining,
        portraits: NDArray[np.uint8],
        backgrounds: NDArray[np.uint8],
        scenes: NDArray[np.uint8] | None = None,
    ) -> None:
        self.network, self.ema = (
            network.train(),
            copy.deepcopy(network).eval().requires_grad_(False),
        )
        self.options, self.portraits, self.backgrounds = options, portraits, backgrounds
        self.scenes = scenes if scenes is not None and len(scenes) else None
        network.pixel_decoder.requires_grad_(options.trained == "all")
        self.trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
        self.optimiser = torch.optim.AdamW(
            self.trained.values(),
            lr=options.learning_rate,
            weight_decay=options.weight_decay,
            betas=(0.9, 0.98),
        )
        self.step = 0

    def train_step(self) -> dict[str, float]:
        """One batch forth and back. Returns the losses, the gradient norm and the learning rate."""
        rng = np.random.default_rng((self.options.seed, self.step))
        size = int(rng.choice(self.options.sizes))
        count = max(2, self.options.batch_pixels // size**2)
        batch = self._draw(count, size, rng)
        rate = self.options.learning_rate_at(self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        device = self.network.conv.weight.device
        with torch.autocast(
            device.type, torch.bfloat16, self.options.mixed_precision and device.type == "cuda"
        ):
            predicted = predict_alpha(self.network, batch.image.to(device))
        losses = matting_loss(predicted.float(), batch.alpha.to(device), batch.contrast.to(device))
        self.optimiser.zero_grad(set_to_none=True)
        losses["total"].backward()
        norm = nn.utils.clip_grad_norm_(
            self.trained.values(), self.options.clip_norm, error_if_nonfinite=True
        )
        self.optimiser.step()
        self.step += 1
        self._update_ema()
        return {name: loss.item() for name, loss in losses.items()} | {
            "grad_norm": norm.item(),
            "lr": rate,
        }

    def _draw(self, count: int, size: int, rng: np.random.Generator) -> Batch:
        if self.scenes is None:
            return draw_batch(self.portraits, self.backgrounds, count=count, size=size, rng=rng)
        whole = min(int(rng.binomial(count, self.options.scene_share)), count - 1)
        composed = draw_batch(
            self.portraits, self.backgrounds, count=count - whole, size=size, rng=rng
        )
        if whole == 0:
            return composed
        return joined(composed, draw_scenes(self.scenes, count=whole, size=size, rng=rng))

    @torch.no_grad()
    def _update_ema(self) -> None:
        decay = min(self.options.ema_decay, (1 + self.step) / (4 + self.step))
        for mean, parameter in zip(self.ema.parameters(), self.network.parameters(), strict=True):
            mean.lerp_(parameter, 1 - decay)
        for kept, buffer in zip(self.ema.buffers(), self.network.buffers(), strict=True):
            kept.copy_(buffer)

    def save(self, path: Path) -> None:
        """Writes network, EMA, optimiser and step atomically, as safetensors."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"ema.{name}": tensor for name, tensor in self.ema.state_dict().items()}
        for name, parameter in self.trained.items():
            moments = self.optimiser.state[parameter]
            tensors |= {
                f"{moment}.{name}": moments[moment] for moment in MOMENTS if moment in moments
            }
        partial = path.with_suffix(".partial")
        save_file(
            {name: t.detach().cpu().clone() for name, t in tensors.items()},
            partial,
            {"step": str(self.step)},
        )
        os.replace(partial, path)

    def resume(self, path: Path) -> None:
        """Takes up what `save` wrote."""
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            self.step = int(file.metadata()["step"])
        part: dict[str, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            kind, _, name = key.partition(".")
            part.setdefault(kind, {})[name] = tensor
        self.network.load_state_dict(part["network"])
        self.ema.load_state_dict(part["ema"])
        state = {
            index: {moment: part[moment][name] for moment in MOMENTS}
            for index, name in enumerate(self.trained)
            if name in part.get("step", {})
        }
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": state})
