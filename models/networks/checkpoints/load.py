"""From a checkpoint file to a network ready for inference."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from core.errors import CheckpointRejected
from models.networks.checkpoints.checkpoint import Kind, load_checkpoint

if TYPE_CHECKING:
    from models.networks.discriminator import Discriminator
    from models.networks.stylegan3 import Generator
    from models.networks.stylematte import StyleMatte


T = TypeVar("T")
N = TypeVar("N", bound=nn.Module)


def load_generator(path: Path | str) -> "Generator":
    """The StyleMatteGAN generator of a checkpoint: eval mode, float32, on the CPU. Raises
    CheckpointRejected."""
    from models.networks.stylegan3 import build_generator

    return _load(path, "stylemattegan-generator", build_generator)


def load_discriminator(path: Path | str) -> "Discriminator":
    """The discriminator of a checkpoint: eval mode, float32, on the CPU. Raises
    CheckpointRejected."""
    from models.networks.discriminator import build_discriminator

    return _load(path, "stylemattegan-discriminator", build_discriminator)


def load_stylematte(path: Path | str) -> "StyleMatte":
    """The StyleMatte of a checkpoint: eval mode, float32, on the CPU. Raises CheckpointRejected."""
    from models.networks.stylematte import build_stylematte

    return _load(path, "stylematte", build_stylematte)


def _load(path: Path | str, kind: Kind, build: Callable[[dict[str, Any]], N]) -> N:
    checkpoint = load_checkpoint(path, kind=kind)
    check_state(build, checkpoint.config, checkpoint.state)
    network = build(checkpoint.config)
    network.load_state_dict(checkpoint.state)
    return network.eval()


def build_with(build: Callable[[dict[str, Any]], T], config: Mapping[str, Any]) -> T:
    """Call `build` on a config from outside; what the config's own checks refuse raises
    CheckpointRejected."""
    try:
        return build(dict(config))
    except (
        TypeError,
        ValueError,
        LookupError,
        AttributeError,
        ArithmeticError,
        RuntimeError,
    ) as error:
        raise CheckpointRejected(f"its config is not one of ours: {error}") from error


def check_state(
    build: Callable[[dict[str, Any]], nn.Module],
    config: Mapping[str, Any],
    state: Mapping[str, torch.Tensor],
) -> None:
    """Compare a state with what its config asks for, before memory is spent on either.

    Missing, unexpected and misshaped tensors raise CheckpointRejected with their names.
    """
    expected = expected_shapes(build, config)
    problems = {
        "missing": expected.keys() - state.keys(),
        "unexpected": state.keys() - expected.keys(),
        "misshaped": {
            name for name in expected.keys() & state.keys() if expected[name] != state[name].shape
        },
    }
    found = [f"{problem}: {_listed(names)}" for problem, names in problems.items() if names]
    if found:
        raise CheckpointRejected(f"its tensors do not fit its config; {'; '.join(found)}")


def expected_shapes(
    build: Callable[[dict[str, Any]], nn.Module], config: Mapping[str, Any]
) -> dict[str, torch.Size]:
    """What a network of this config consists of, by name. Raises CheckpointRejected."""
    with torch.device("meta"):
        network = build_with(build, config)
    return {name: tensor.shape for name, tensor in network.state_dict().items()}


def _listed(names: Collection[str], shown: int = 3) -> str:
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(sorted(names)[:shown]) + rest
