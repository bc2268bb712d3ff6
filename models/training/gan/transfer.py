"""Begin a run with networks of another resolution: what agrees is copied, what is new learns first.

Layers near the input of a StyleGAN3 of one family have the same names and shapes at every
resolution, and nearly the same cutoffs. The layers above them are new; before the game goes on they
learn to draw what the other generator draws.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import CheckpointRejected
from matteforge.cli.steps import Steps
from models.networks.checkpoints.checkpoint import load_checkpoint
from models.networks.checkpoints.load import load_generator
from models.networks.stylegan3 import Generator
from models.training import distributed
from models.training.gan.fast_forward import generate
from models.training.gan.trainer import GanTraining
from models.training.run_state import tensors_below

FIT_STEPS, FIT_BATCH, FIT_LR = 200, 16, 0.003
FIT_PIXELS = FIT_BATCH * 128**2  # a batch's, above 128 px: memory and time of a step stay


@torch.no_grad()
def copy_agreeing(network: nn.Module, tensors: Mapping[str, Tensor]) -> set[str]:
    """Copies the tensors whose names and shapes agree; returns the names that found none."""
    own = network.state_dict()
    for name, tensor in own.items():
        if name in tensors and tensors[name].shape == tensor.shape:
            tensor.copy_(tensors[name])
    return {n for n, t in own.items() if n not in tensors or tensors[n].shape != t.shape}


def start_from(trainer: GanTraining, path: Path) -> str:
    """Takes over a generator, or the discriminators of a training state, of any resolution.

    Returns a line that says what was taken. Raises CheckpointRejected when the file is neither, or
    the generator's z has another length.
    """
    try:
        teacher = load_generator(path)
    except CheckpointRejected:
        return _start_discriminators(trainer, path)
    there, here = teacher.mapping.z_dim, trainer.generator.mapping.z_dim
    if there != here:
        raise CheckpointRejected(
            f"{path.name} is of another family: z has {there} numbers there, {here} here"
        )
    new = copy_agreeing(trainer.generator, teacher.state_dict())
    parameters = dict(trainer.generator.named_parameters())
    fresh = {name: parameters[name] for name in sorted(new & parameters.keys())}
    line = f"{path.name}: {len(parameters) - len(fresh)} of {len(parameters)} parameters taken over"
    if fresh:
        loss = fit_new_layers(trainer, teacher, list(fresh.values()))
        line += f"; the new layers' mean distance to its pictures: {loss:.3f}"
    trainer.averaged.load_state_dict(trainer.generator.state_dict())
    return line


def _start_discriminators(trainer: GanTraining, path: Path) -> str:
    state = load_checkpoint(path, kind=trainer.state.kind).state
    lines = []
    for name, network in (("d_rgba", trainer.critic), ("d_features", trainer.judge)):
        tensors = tensors_below(f"modules/{name}/", state)
        new, total = copy_agreeing(network, tensors), len(network.state_dict())
        lines.append(f"{name}: {total - len(new)} of {total} tensors taken over")
    return f"{path.name}: {', '.join(lines)}"


def fit_new_layers(trainer: GanTraining, teacher: Generator, fresh: list[nn.Parameter]) -> float:
    """Trains the new layers alone to draw what the teacher draws for the same z, resized.

    Returns the mean absolute distance of the last steps, in [0, 2].
    """
    optimizer = torch.optim.Adam(fresh, FIT_LR, betas=(0.9, 0.99))
    device, size = trainer.device, trainer.corpus.images.shape[-1]
    teacher = teacher.to(device).eval().requires_grad_(False)
    batch = max(min(FIT_BATCH, FIT_PIXELS // size**2), 2)
    last: list[float] = []
    quiet = distributed.rank() > 0
    for step in Steps("steps of new layers", FIT_STEPS, quiet=quiet).each(range(FIT_STEPS)):
        z = distributed.normal(batch, teacher.mapping.z_dim, rng=trainer.rng, device=device)
        with torch.no_grad():
            drawn = generate(teacher, z, trainer.dtype)
            target = F.interpolate(drawn, size, mode="bilinear", antialias=True)
        loss = (generate(trainer.generator, z, trainer.dtype, update_emas=True) - target).abs()
        gradients = torch.autograd.grad(loss.mean(), fresh)
        for parameter, gradient in zip(fresh, gradients, strict=True):
            parameter.grad = gradient
        for group in optimizer.param_groups:
            group["lr"] = FIT_LR * (1 - step / FIT_STEPS)
        optimizer.step()
        last = [*last[-9:], float(loss.detach().mean())]
    optimizer.zero_grad(set_to_none=True)
    return sum(last) / len(last)
