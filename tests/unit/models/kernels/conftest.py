"""Triton's kernels without a GPU: all programs of a launch at once, as tensors on the CPU.

Triton's own interpreter takes minutes for one launch of a kernel of a thousand operations.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import pytest
import torch

PROGRAMS = 3  # axes of a grid, before a program's own


class Pointer:
    """Elements of a tensor's memory: where they are, as Triton adds them up."""

    def __init__(self, memory: torch.Tensor, at: torch.Tensor | int = 0) -> None:
        self.memory, self.at = memory, at
        self.dtype = SimpleNamespace(element_ty=memory.dtype)

    def __add__(self, more: torch.Tensor | int) -> Pointer:
        return Pointer(self.memory, self.at + more)


def flat(tensor: torch.Tensor) -> torch.Tensor:
    """Its memory in its own order."""
    length = 1 + sum(
        (size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True)
    )
    return tensor.detach().as_strided((length,), (1,))


class Launched:
    """A kernel, or a function that kernels call."""

    grid: tuple[int, ...] = ()

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        def launch(*arguments: Any, num_warps: int) -> None:
            Launched.grid = grid
            self.function(
                *(Pointer(flat(a)) if isinstance(a, torch.Tensor) else a for a in arguments)
            )

        return launch

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)


def program_id(axis: int) -> torch.Tensor:
    shape = [1] * (PROGRAMS + 1)
    shape[axis] = -1
    return torch.arange(Launched.grid[axis], dtype=torch.int32).view(shape)


def load(pointer: Pointer, mask: Any = True, other: float = 0.0) -> torch.Tensor:
    at = torch.as_tensor(pointer.at)
    inside, at = torch.broadcast_tensors(torch.as_tensor(mask), at)
    at = torch.where(inside, at, 0)
    assert int(at.min()) >= 0
    assert int(at.max()) < len(pointer.memory)
    return torch.where(inside, pointer.memory[at.long()], other)


def store(pointer: Pointer, value: torch.Tensor, mask: torch.Tensor) -> None:
    at, value, mask = torch.broadcast_tensors(torch.as_tensor(pointer.at), value, mask)
    assert not mask.any() or 0 <= int(at[mask].min()) <= int(at[mask].max()) < len(pointer.memory)
    pointer.memory[at[mask].long()] = value[mask]


def as_tensor(value: Any) -> torch.Tensor:
    return torch.as_tensor(value, dtype=torch.float32)


def stand_ins() -> dict[str, ModuleType]:
    """`triton` and `triton.language`, as far as our kernels use them."""
    triton, language = ModuleType("triton"), ModuleType("triton.language")
    vars(triton).update(
        jit=lambda function=None, **_: Launched(function) if function else Launched,
        language=language,
    )
    vars(language).update(
        constexpr=lambda value: value, static_range=range, program_id=program_id,
        num_programs=lambda axis: Launched.grid[axis], load=load, store=store, abs=torch.abs,
        arange=lambda low, high: torch.arange(low, high, dtype=torch.int32),
        zeros=lambda shape, dtype: torch.zeros(shape, dtype=dtype), where=torch.where,
        minimum=lambda a, b: torch.minimum(as_tensor(a), as_tensor(b)),
        maximum=lambda a, b: torch.maximum(as_tensor(a), as_tensor(b)),
        float32=torch.float32, int32=torch.int32, int64=torch.int64, int16=torch.int16,
    )  # fmt: skip
    return {"triton": triton, "triton.language": language}


@pytest.fixture(scope="session")
def without_a_gpu() -> Callable[[ModuleType], ModuleType]:
    """A copy of a module of kernels that runs on the CPU."""

    def copied(module: ModuleType) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"{module.__name__}_on_cpu", module.__file__)
        assert spec
        assert spec.loader
        copy = importlib.util.module_from_spec(spec)
        with mock.patch.dict(sys.modules, stand_ins()):
            spec.loader.exec_module(copy)
        return copy

    return copied
