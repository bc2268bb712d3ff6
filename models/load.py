"""From a checkpoint file to a network ready for inference."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import torch

from core.errors import CheckpointRejected
from models.checkpoint import Kind, load_checkpoint

if TYPE_CHECKING:
    from models.discriminator import Discriminator
    from models.generator import Generator
    from models.matting import StyleMatte


class _Network(Protocol):
    def load_reference_state(self, state: dict[str, torch.Tensor]) -> Any: ...
    def eval(self) -> Self: ...


N = TypeVar("N", bound=_Network)


def load_generator(path: Path | str) -> "Generator":
    """The StyleMatteGAN generator of a checkpoint: eval mode, float32, on the CPU. Raises CheckpointRejected."""
    from models.generator import build_generator

    return _load(path, "stylemattegan-generator", build_generator)


def load_discriminator(path: Path | str) -> "Discriminator":
    """The discriminator of a checkpoint: eval mode, float32, on the CPU. Raises CheckpointRejected."""
    from models.discriminator import build_discriminator

    return _load(path, "stylemattegan-discriminator", build_discriminator)


def load_stylematte(path: Path | str) -> "StyleMatte":
    """The StyleMatte of a checkpoint: eval mode, float32, on the CPU. Raises CheckpointRejected."""
    from models.matting import build_stylematte

    return _load(path, "stylematte", build_stylematte)


def _load(path: Path | str, kind: Kind, build: Callable[[dict[str, Any]], N]) -> N:
    checkpoint = load_checkpoint(path, kind=kind)
    network = build_with(build, checkpoint.config)
    fit(network, checkpoint.state)
    return network.eval()


def build_with(build: Callable[[dict[str, Any]], N], config: Mapping[str, Any]) -> N:
    """Build a network from an untrusted config; what the config's own checks refuse raises CheckpointRejected."""
    try:
        return build(dict(config))
    except (TypeError, ValueError, KeyError) as error:
        raise CheckpointRejected(f"its config is not one of ours: {error}") from error


def fit(network: _Network, state: Mapping[str, torch.Tensor]) -> None:
    """Load a state strictly; missing, unexpected or misshaped tensors raise CheckpointRejected, each by name."""
    try:
        network.load_reference_state(dict(state))
    except (RuntimeError, KeyError, ValueError) as error:
        raise CheckpointRejected(f"its tensors do not fit its config: {error}") from error
