"""What the steps of StyleMatteGAN's training are made of: R1, composites, guarded updates and the
balance of two gradients."""

import torch
from torch import Tensor, nn

from models.imaging.compositing import over
from models.training import distributed


class GradientBalance(nn.Module):
    """Sums two gradients at the images so that the second has a set norm relative to the first's,
    by running norms."""

    norms: Tensor

    def __init__(self, rate: float = 0.02) -> None:
        super().__init__()
        self.rate = rate
        self.register_buffer("norms", torch.zeros(2))

    def forward(self, first: Tensor, second: Tensor, ratio: float) -> Tensor:
        """Gradients of one shape -> first + ratio |first| / |second| second."""
        squares = torch.stack([first.square().sum(), second.square().sum()])
        current = (distributed.mean(squares) / distributed.count()).sqrt()
        begun = (self.norms > 0).any()
        self.norms.copy_(torch.where(begun, self.norms.lerp(current, self.rate), current))
        return first + second * (ratio * self.norms[0] / self.norms[1].clamp(min=1e-12))


def blurred_backgrounds(images_u8: Tensor, count: int = 512) -> Tensor:
    """The colours of a corpus' scenes without detail, to lay behind subjects: uint8 [n, 4, h, h] ->
    [min(count, n), 3, h, h] in [-1, 1]."""
    chosen = torch.linspace(0, len(images_u8) - 1, min(count, len(images_u8))).long()
    scenes = images_u8[chosen.to(images_u8.device), :3].float() / 127.5 - 1
    coarse = nn.functional.adaptive_avg_pool2d(scenes, 8)
    size = images_u8.shape[-1]
    raised = nn.functional.interpolate(coarse, size, mode="bicubic", align_corners=False)
    return raised.clamp(-1, 1)


def scenes_and_composites(images: Tensor, bank: Tensor, rng: distributed.Random) -> Tensor:
    """RGBA [n, 4, h, h] in [-1, 1] -> RGB [n, 3, h, h]: the first half as it is, the second's
    subjects over backgrounds of the bank [m, 3, h, h]."""
    half = len(images) // 2
    scenes, rest = images[:half, :3], images[half:]
    index = distributed.integers(len(bank), len(rest), rng, images.device)
    alpha = (rest[:, 3:].clamp(-1, 1) + 1) / 2
    return torch.cat([scenes, over(rest[:, :3], alpha, bank[index])])


def r1_penalty(discriminator: nn.Module, images: Tensor, dtype: torch.dtype) -> Tensor:
    """Mean squared norm of the logits' gradient at real images (arXiv 1801.04406, equation 9
    without gamma / 2)."""
    images = images.detach().requires_grad_(True)
    logits = discriminator(images, dtype).sum()
    (gradient,) = torch.autograd.grad(logits, images, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


@torch.no_grad()
def guarded_step(optimizer: torch.optim.Optimizer, skipped: Tensor) -> None:
    """Averages the gradients over processes and steps, unless one is not finite: `skipped`, a
    scalar, counts those. The optimiser is fused; nothing waits for the device."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    distributed.average_gradients(parameters)
    norms = torch._foreach_norm([p.grad for p in parameters])
    broken = 1 - torch.stack(list(norms)).sum().isfinite().float()
    skipped.add_(broken)
    optimizer.found_inf = broken  # type: ignore[attr-defined]  # what fused optimisers look at
    optimizer.step()
