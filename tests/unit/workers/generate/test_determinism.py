"""Determinism is asked for where it is needed, and nowhere else."""

import pytest
import torch

from workers.generate.determinism import deterministic


def settings() -> tuple[bool, ...]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.allow_tf32,
        torch.backends.cuda.matmul.allow_tf32,
    )


def test_inside_the_block_kernels_repeat_themselves() -> None:
    with deterministic():
        assert settings() == (True, False, False, False)


def test_afterwards_all_is_as_it_was_even_after_an_error() -> None:
    before = settings()
    torch.backends.cudnn.benchmark = True
    try:
        with pytest.raises(RuntimeError), deterministic():
            raise RuntimeError
        assert settings() == (before[0], True, *before[2:])
    finally:
        torch.backends.cudnn.benchmark = before[1]


def test_a_decorated_function_runs_inside() -> None:
    before = settings()
    assert deterministic()(settings)()[0]
    assert settings() == before
