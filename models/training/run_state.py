"""The state of a training, StyleMatteGAN's or StyleMatte's, in one safetensors file.

A file holds `modules/NAME/TENSOR`, `optimizers/NAME/INDEX/MOMENT` and `rng`; progress and history
are in its header.
"""

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.networks.checkpoints.checkpoint import Kind, halved, load_checkpoint, save_checkpoint


@dataclass
class TrainingProgress:
    images: int = 0  # real images seen, all stages
    steps: int = 0  # optimiser steps, all stages
    seconds: float = 0.0  # of training, without set-up
    history: list[dict[str, Any]] = field(
        default_factory=list
    )  # one entry per start of the trainer


@dataclass(kw_only=True)
class TrainingState:
    """Everything that a resumed run needs to go on bit for bit."""

    modules: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    rng: torch.Generator = field(default_factory=torch.Generator)
    progress: TrainingProgress = field(default_factory=TrainingProgress)
    kind: Kind = "stylemattegan-training"

    def save(self, path: Path) -> None:
        """Writes the state atomically and exactly."""
        tensors = dict(self._module_tensors()) | dict(self._moments(self.optimizers))
        self._write(path, tensors)

    def save_compact(self, path: Path, forget: Collection[str] = ()) -> None:
        """Writes half-precision weights and bfloat16 moments; optimisers in `forget` begin anew
        when it is loaded."""
        kept = [name for name in self.optimizers if name not in forget]
        moments = {name: _shortened(moment) for name, moment in self._moments(kept)}
        self._write(path, halved(dict(self._module_tensors())) | moments)

    def load(self, path: Path) -> None:
        """Reads what `save` or `save_compact` wrote; modules and optimisers that the file lacks
        stay as they are.

        Raises CheckpointRejected for another kind of file, RuntimeError for networks of another
        shape.
        """
        checkpoint = load_checkpoint(path, kind=self.kind)
        for name, module in self.modules.items():
            if tensors := tensors_below(f"modules/{name}/", checkpoint.state):
                module.load_state_dict(tensors)
        for name, optimizer in self.optimizers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, moment in tensors_below(f"optimizers/{name}/", checkpoint.state).items():
                index, _, what = key.partition("/")
                state.setdefault(int(index), {})[what] = moment.float()
            optimizer.load_state_dict(
                {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
            )
        self.rng.set_state(checkpoint.state["rng"])
        self.progress = TrainingProgress(**checkpoint.extra)

    def _module_tensors(self) -> Iterator[tuple[str, Tensor]]:
        for name, module in self.modules.items():
            for key, tensor in module.state_dict().items():
                yield f"modules/{name}/{key}", tensor

    def _moments(self, names: Collection[str]) -> Iterator[tuple[str, Tensor]]:
        for name in names:
            for index, entry in self.optimizers[name].state_dict()["state"].items():
                for what, moment in entry.items():
                    yield f"optimizers/{name}/{index}/{what}", moment

    def _write(self, path: Path, tensors: dict[str, Tensor]) -> None:
        state = tensors | {"rng": self.rng.get_state()}
        save_checkpoint(path, kind=self.kind, config={}, state=state, extra=asdict(self.progress))


def tensors_below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those whose names begin with the prefix, under what follows it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _shortened(moment: Tensor) -> Tensor:
    return moment.bfloat16() if moment.ndim else moment
