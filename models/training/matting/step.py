"""StyleMatte's training step, and the state that it takes to go on (arXiv 2305.02981, section
3.1)."""

import copy
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.kernels.device import training_dtype
from models.networks.stylematte import StyleMatte, predict_alpha
from models.training.ema import update_ema
from models.training.matting.augment import Batch, draw_batch
from models.training.matting.losses import matting_loss
from models.training.matting.own_scenes import concatenated, draw_scenes
from models.training.run_state import TrainingState


@dataclass(frozen=True, kw_only=True)
class MattingTraining:
    """What a run does; equal options and data give equal networks."""

    steps: int
    seed: int = 0
    trained: Literal["all", "head"] = "all"
    """The whole network, or only pyramid fusion and the last convolution on a pixel decoder that
    stays as it is."""
    mixed_precision: bool = True
    """bfloat16 where it is safe, on devices that gain by it (`training_dtype`)."""
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
            fused=True,
        )
        self.state = TrainingState(
            kind="stylematte-training",
            modules={"network": self.network, "ema": self.ema},
            optimizers={"network": self.optimiser},
        )

    @property
    def step(self) -> int:
        """Batches so far."""
        return self.state.progress.steps

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
        with torch.autocast(device.type, torch.bfloat16, self.options.mixed_precision
                            and training_dtype(device) is torch.bfloat16):  # fmt: skip
            predicted = predict_alpha(self.network, batch.image.to(device))
        losses = matting_loss(predicted.float(), batch.alpha.to(device), batch.contrast.to(device))
        self.optimiser.zero_grad(set_to_none=True)
        losses["total"].backward()
        norm = nn.utils.clip_grad_norm_(
            self.trained.values(), self.options.clip_norm, error_if_nonfinite=True
        )
        self.optimiser.step()
        self.state.progress.steps += 1
        decay = min(self.options.ema_decay, (1 + self.step) / (4 + self.step))
        update_ema(self.ema, self.network, decay)
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
        return concatenated(composed, draw_scenes(self.scenes, count=whole, size=size, rng=rng))
