"""What the loop around StyleMatteGAN's training needs: signals, statistics, sample grids."""

import signal
from collections.abc import Iterable
from pathlib import Path
from types import FrameType

import torch
from torch import Tensor

from models.imaging.compositing import over
from models.imaging.sheets import checkerboard, save_sheet, tile
from models.imaging.tensors import quantised_rgb
from models.networks.checkpoints.checkpoint import save_checkpoint
from models.networks.stylegan3 import Generator
from models.training.run_state import TrainingProgress

CALIBRATION_BATCHES = 16


class StopSignal:
    """True once SIGTERM or SIGINT came: the loop then saves and leaves."""

    def __init__(self) -> None:
        self._stopped = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopped = True

    def __bool__(self) -> bool:
        return self._stopped


@torch.no_grad()
def measure_statistics(generator: Generator, seed: int = 0) -> None:
    """Measures w_avg and the magnitudes anew: the source's do not fit weights that were averaged
    over time."""
    rng, device = torch.Generator().manual_seed(seed), generator.mapping.w_avg.device
    w = generator.mapping(torch.randn(4096, generator.mapping.z_dim, generator=rng).to(device))[
        :, 0
    ]
    generator.mapping.w_avg.copy_(w.mean(0))
    betas = [layer.magnitude_ema_beta for layer in generator.synthesis.layers()]
    for batch in range(CALIBRATION_BATCHES):
        generator.synthesis.set_magnitude_ema_beta(batch / (batch + 1))
        z = torch.randn(8, generator.mapping.z_dim, generator=rng).to(device)
        generator.synthesis(generator.mapping(z), update_emas=True)
    for layer, beta in zip(generator.synthesis.layers(), betas, strict=True):
        layer.magnitude_ema_beta = beta


def save_generator(path: Path, generator: Generator, progress: TrainingProgress) -> None:
    """The calibrated EMA generator as a checkpoint that
    `models.networks.checkpoints.load.load_generator` reads."""
    save_checkpoint(
        path,
        kind="stylemattegan-generator",
        config=generator.config.to_dict(),
        state=generator.state_dict(),
        extra={
            "kimg": round(progress.images / 1000, 1),
            "hours": round(progress.seconds / 3600, 2),
            "history": progress.history,
        },
    )


def composite_over_checker(images: Tensor) -> Tensor:
    """[n, 4, h, w] in [-1, 1] -> RGB [n, 3, h, w]: the subject alone, over a grey checkerboard."""
    checker = torch.from_numpy(checkerboard(images.shape[-1]) * 2 - 1).to(images.device)
    return over(images[:, :3], (images[:, 3:].clamp(-1, 1) + 1) / 2, checker)


def write_grid(path: Path, rows: Iterable[Tensor]) -> None:
    """A picture of rows of images: each [n, 1 or 3, h, w] in [-1, 1], with the same n."""
    pictures = [list(quantised_rgb(row.expand(-1, 3, -1, -1)).cpu().numpy()) for row in rows]
    save_sheet(path, tile(pictures))


@torch.no_grad()
def write_samples(path: Path, raw: Generator, averaged: Generator) -> None:
    """Fixed z: raw, averaged at psi 1, at .7 with its alpha and cut-out."""
    device = raw.mapping.w_avg.device
    z = torch.randn(16, raw.mapping.z_dim, generator=torch.Generator().manual_seed(1)).to(device)
    truncated = averaged(z, truncation_psi=0.7)
    rows = [raw(z)[:, :3], averaged(z)[:, :3], truncated[:, :3], truncated[:, 3:]]
    write_grid(path, [*rows, composite_over_checker(truncated)])
