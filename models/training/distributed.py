"""One training step over several processes, as torchrun starts them: equal to one process with the
whole batch.

Every process draws the random numbers of the whole batch from equal generators and keeps those of
its own images; image i belongs to process i mod count, so that strided minibatch groups stay whole.
What runs over the batch, such as the normalisation of styles, runs over all processes; gradients
are averaged. Alone, all of this is the identity.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


@contextmanager
def joined(device: str) -> Iterator[torch.device]:
    """Joins the processes that torchrun started, if it did; the device of this one: cpu or cuda
    with its index."""
    if not dist.is_torchelastic_launched():
        yield torch.device(device)
        return
    dist.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        own = (
            torch.device(device, dist.get_node_local_rank())
            if device == "cuda"
            else torch.device(device)
        )
        if own.type == "cuda":
            torch.cuda.set_device(own)
        yield own
    finally:
        dist.destroy_process_group()


def count() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def part(batch: Tensor) -> Tensor:
    """This process' images of a whole batch."""
    return batch[rank() :: count()]


Random = torch.Generator | None
"""A generator on the CPU; None: each process draws by itself on the device, from the generator that
torch has for it, as a CUDA graph can."""


def uniform(*shape: int, rng: Random, device: torch.device | str = "cpu") -> Tensor:
    """Uniform in [0, 1); shape: of this process' part. rng advances by the whole batch."""
    if rng is None:
        return torch.rand(shape, device=device)
    return part(torch.rand(shape[0] * count(), *shape[1:], generator=rng)).to(device)


def normal(*shape: int, rng: Random, device: torch.device | str = "cpu") -> Tensor:
    """Numbers from the unit Gaussian, else as `uniform`."""
    if rng is None:
        return torch.randn(shape, device=device)
    return part(torch.randn(shape[0] * count(), *shape[1:], generator=rng)).to(device)


def integers(limit: int, size: int, rng: Random, device: torch.device | str = "cpu") -> Tensor:
    """`size` of 0..limit - 1, as `uniform`."""
    if rng is None:
        return torch.randint(limit, (size,), device=device)
    return part(torch.randint(limit, (size * count(),), generator=rng)).to(device)


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _averaged(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Every process' loss depends on every process' x; averaging over processes follows with
        the parameters'."""
        return _averaged(gradient)


def _averaged(x: Tensor) -> Tensor:
    x = x.contiguous().clone()
    dist.all_reduce(x)
    return x / count()


def mean(x: Tensor) -> Tensor:
    """The mean of a tensor over all processes, while gradients are recorded; else x: one process
    may sample alone."""
    if count() == 1 or not torch.is_grad_enabled():
        return x
    mean_of_all: Tensor = _Mean.apply(x)
    return mean_of_all


def all_agree(here: bool) -> bool:
    """Whether it is true in every process."""
    if count() == 1:
        return here
    votes = torch.tensor(float(here), device="cuda" if dist.get_backend() == "nccl" else "cpu")
    return float(_averaged(votes)) == 1.0


@torch.no_grad()
def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Gradients of mean losses become those of the whole batch."""
    if count() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = _averaged(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, averaged in zip(
        gradients, flat.split([g.numel() for g in gradients]), strict=True
    ):
        gradient.copy_(averaged.view_as(gradient))
