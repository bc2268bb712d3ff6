"""The choice between ways of computing the same thing."""

import pytest
import torch
from torch import Tensor

from models.kernels.fastest import fastest, is_lost


class Clockwork:
    """Ways that take as long as they say."""

    def __init__(self) -> None:
        self.now = 0.0

    def way(self, seconds: float, value: float = 1.0):
        def run() -> Tensor:
            self.now += seconds
            return torch.full((3,), value)

        return run

    def choose(self, **ways) -> str:
        return fastest(ways, tolerance=1e-2, clock=lambda: self.now, what="a test")


def test_the_fastest_that_agrees_with_the_first_is_chosen() -> None:
    work = Clockwork()
    assert work.choose(a=work.way(2), b=work.way(1, 1.009), c=work.way(3)) == "b"
    assert work.choose(a=work.way(2), b=work.way(1, 1.02), c=work.way(3)) == "a"
    assert work.choose(a=work.way(2), b=work.way(1, float("nan"))) == "a"


def test_a_way_that_fails_is_left_out_unless_the_device_is_lost() -> None:
    work = Clockwork()

    def fails() -> Tensor:
        raise RuntimeError(message)

    message = "no kernel image"
    assert work.choose(a=work.way(2), b=fails) == "a"
    with pytest.raises(RuntimeError, match="no kernel image"):
        work.choose(a=fails, b=work.way(1))
    message = "CUDA error: an illegal memory access was encountered"
    with pytest.raises(RuntimeError, match="illegal"):
        work.choose(a=work.way(2), b=fails)


def test_being_out_of_memory_is_not_being_lost() -> None:
    assert not is_lost(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert is_lost(RuntimeError("CUDA error: unspecified launch failure"))
