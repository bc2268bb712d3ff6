"""The state of a StyleMatte in files as people have them: nested, prefixed, not alone."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from core.errors import CheckpointRejected
from models.networks.checkpoints.torch_file import is_torch_file, read_torch_file

ANCHOR = "pixel_decoder."  # every StyleMatte's names hold it, behind whatever wraps the network
AVERAGED = ("ema", "shadow", "averaged", "swa")  # words of a path to weights averaged over training
DEEPEST = 4


@dataclass(frozen=True, kw_only=True)
class FoundState:
    """state: tensors by names without prefix; place: where it lay in the file, for the report;
    others: places of states that were not taken."""

    state: dict[str, torch.Tensor]
    place: str
    others: tuple[str, ...] = ()


def is_safetensors(content: bytes) -> bool:
    """Eight bytes of length, then a JSON object."""
    return (
        len(content) > 8
        and content[8:9] == b"{"
        and struct.unpack("<Q", content[:8])[0] <= len(content)
    )


def read_stylematte_state(path: Path, content: bytes) -> FoundState:
    """The tensors that make up a StyleMatte in a `.pth` or `.safetensors` file.

    Where there are several, averaged ones (ema, params_ema, swa_model) come first, then the
    fullest; the others are named. Raises CheckpointRejected, saying what the file holds instead.
    """
    tree = (
        read_torch_file(content, path.name)
        if is_torch_file(content)
        else _safetensors(path, content)
    )
    found = sorted(_states(tree), key=_rank)
    if found:
        return replace(found[0], others=tuple(each.place or "the top" for each in found[1:]))
    if not isinstance(tree, Mapping) or not any(_tensors(tree)):
        raise CheckpointRejected(f"{path.name} holds no plain dict of tensors")
    names = [name for name, value in tree.items() if isinstance(value, torch.Tensor)] or list(tree)
    shown = ", ".join(map(str, names[:3]))
    raise CheckpointRejected(
        f"{path.name} is not a StyleMatte: it holds {shown} ..., and no {ANCHOR}* that every "
        "StyleMatte has"
    )


def _safetensors(path: Path, content: bytes) -> dict[str, torch.Tensor]:
    try:
        return load(content)
    except (SafetensorError, KeyError) as error:
        raise CheckpointRejected(f"{path.name} is not a whole safetensors file: {error}") from error


def _states(tree: Any, place: str = "", depth: int = 0) -> Iterator[FoundState]:
    """Each dict of tensors that holds the anchor, under each prefix that it is found behind."""
    if not isinstance(tree, Mapping) or depth > DEEPEST:
        return
    tensors = {str(name): x for name, x in tree.items() if isinstance(x, torch.Tensor)}
    prefixes = {name[: name.index(ANCHOR)] for name in tensors if ANCHOR in name}
    for prefix in sorted(prefixes):
        state = {
            name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)
        }
        yield FoundState(state=state, place=f"{place}{prefix}".rstrip("."))
    for name, inner in tree.items():
        if isinstance(inner, Mapping):
            yield from _states(inner, f"{place}{name}.", depth + 1)


def _rank(found: FoundState) -> tuple[bool, int, str]:
    averaged = any(word in found.place.lower() for word in AVERAGED)
    return (not averaged, -len(found.state), found.place)


def _tensors(tree: Mapping[Any, Any]) -> Iterator[bool]:
    for value in tree.values():
        if isinstance(value, torch.Tensor):
            yield True
        elif isinstance(value, dict):
            yield from _tensors(value)


def without_extras(
    state: Mapping[str, torch.Tensor], expected: Mapping[str, Any]
) -> tuple[dict[str, torch.Tensor], list[str]]:
    """The state without buffers that the network doesn't have, and their names.

    What is called a weight or a bias stays: another network's weights must be refused, not dropped.
    """
    extras = [
        name
        for name in state
        if name not in expected and name.rpartition(".")[2] not in ("weight", "bias")
    ]
    return {name: x for name, x in state.items() if name not in extras}, extras
