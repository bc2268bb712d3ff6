"""Writes training snapshots in the reference's layout, whole or hostile."""

import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from core.errors import CheckpointRejected
from models.networks.checkpoints.import_snapshot import import_file
from models.networks.stylegan3 import build_generator

SMALL: dict[str, Any] = {
    "z_dim": 4,
    "c_dim": 0,
    "w_dim": 4,
    "img_resolution": 32,
    "img_channels": 4,
    "mapping_kwargs": {"num_layers": 1},
    "channel_base": 128,
    "channel_max": 4,
    "num_layers": 4,
    "margin_size": 2,
}


class Call:
    """Pickles as a call of `function` with `args`: what an attacker, or torch, would write."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.function, self.args = function, args

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.function, self.args


def module(
    class_name: str,
    state: dict[str, Any],
    kwargs: dict[str, Any] | None = None,
    buffers: frozenset[str] = frozenset(),
) -> Call:
    """A module in the reference's layout; a tensor whose last name is in `buffers` becomes a
    buffer."""
    own = {name: tensor for name, tensor in state.items() if "." not in name}
    children: dict[str, dict[str, Any]] = {}
    for name, tensor in state.items():
        if "." in name:
            first, rest = name.split(".", 1)
            children.setdefault(first, {})[rest] = tensor
    fields = {
        "_parameters": OrderedDict((k, parameter(v)) for k, v in own.items() if k not in buffers)
        | {"none": None},
        "_buffers": {k: v for k, v in own.items() if k in buffers} | {"scratch": torch.zeros(1)},
        "_non_persistent_buffers_set": {"scratch"},
        "_modules": {
            name: module("Inner", inner, buffers=buffers) for name, inner in children.items()
        },
        "_init_args": (),
        "_init_kwargs": kwargs or {},
    }
    meta = {
        "type": "class",
        "version": 6,
        "module_src": "raise SystemExit",
        "class_name": class_name,
        "state": fields,
    }
    return Call(reconstruct, meta)


def parameter(value: Any) -> Any:
    floating = isinstance(value, torch.Tensor) and value.is_floating_point()
    return torch.nn.Parameter(value) if floating else value


class Snapshots:
    """Snapshots of a small generator, and what is expected of an import."""

    call = Call
    small = SMALL
    module = staticmethod(module)

    @staticmethod
    def tensor(stream: bytes, offset: Any = 0, size: Any = (4,), stride: Any = (1,)) -> Call:
        """A tensor, as torch pickles it, over a storage written as `stream`."""
        storage = Call(torch.storage._load_from_bytes, stream)
        return Call(
            torch._utils._rebuild_tensor_v2, storage, offset, size, stride, False, OrderedDict()
        )

    @staticmethod
    def state() -> dict[str, torch.Tensor]:
        torch.manual_seed(1)
        return build_generator(SMALL).state_dict()

    def write(self, path: Path, **changes: Any) -> Path:
        """A whole snapshot at `path`, with tensors, settings, class or entries replaced; None
        leaves a tensor out."""
        state = self.state() | changes.pop("state", {})
        state = {name: tensor for name, tensor in state.items() if tensor is not None}
        kwargs = SMALL | changes.pop("kwargs", {})
        generator = module(changes.pop("class_name", "Generator"), state, kwargs)
        path.write_bytes(
            pickle.dumps({"G_ema": generator, "augment_pipe": None, **changes}, protocol=4)
        )
        return path

    @staticmethod
    def refused(path: Path, reason: str, **options: Any) -> None:
        """Importing fails with `reason`, a pattern, and writes nothing."""
        out = path.with_suffix(".out")
        with pytest.raises(CheckpointRejected, match=reason):
            import_file(path, out=out, **options)
        assert not out.exists()


def reconstruct(meta: dict[str, Any]) -> None:
    raise AssertionError("code of a snapshot was run")


@pytest.fixture(scope="session")
def snapshots() -> Iterator[Snapshots]:
    """With the names by which the reference's pickles call its code, so that tests can write such
    pickles."""
    package, persistence = (
        types.ModuleType("torch_utils"),
        types.ModuleType("torch_utils.persistence"),
    )
    reconstruct.__module__, reconstruct.__qualname__ = (
        persistence.__name__,
        "_reconstruct_persistent_obj",
    )
    persistence._reconstruct_persistent_obj = reconstruct  # type: ignore[attr-defined]
    sys.modules.update({"torch_utils": package, persistence.__name__: persistence})
    yield Snapshots()
    del sys.modules["torch_utils"], sys.modules[persistence.__name__]
