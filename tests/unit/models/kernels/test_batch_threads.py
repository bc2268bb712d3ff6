"""models.kernels.batch_threads: a batch shared out over threads."""

from collections.abc import Iterator
from threading import get_ident

import pytest
import torch

from models import build_generator
from models.kernels.batch_threads import share_out
from models.training.gan.presets import PRESETS


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_every_item_once_and_results_in_order() -> None:
    assert share_out(lambda first, last: (first, last), 5) == [(0, 2), (2, 5)]
    assert share_out(lambda first, last: (first, last), 1) == [(0, 1)]
    torch.set_num_threads(1)
    assert share_out(lambda first, last: get_ident(), 5) == [get_ident()]


def test_torch_divides_nothing_in_the_crew_and_keeps_its_number_outside() -> None:
    def work(first: int, last: int) -> tuple[int, bool, int]:
        torch.randn(1000, 1000).sum()
        return torch.get_num_threads(), torch.is_grad_enabled(), get_ident()

    for _ in range(2):
        found = share_out(work, 8)
        assert [(threads, recorded) for threads, recorded, _ in found] == [(1, False)] * 2
        assert get_ident() not in {ident for *_, ident in found}
        assert torch.get_num_threads() == 2


def test_an_error_in_the_crew_reaches_the_caller() -> None:
    def work(first: int, last: int) -> None:
        raise ValueError(f"at {first}")

    with pytest.raises(ValueError, match="at 0"):
        share_out(work, 4)


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_a_generator_whose_batch_is_shared_out_makes_the_same_images(batch: int) -> None:
    torch.manual_seed(0)
    generator = build_generator(PRESETS["tiny-32"].generator)
    z = torch.randn(batch, generator.config.z_dim)
    images = generator(z).detach()
    torch.testing.assert_close(generator.sample(z), images, rtol=0, atol=2e-6)
    torch.set_num_threads(1)
    assert generator.sample(z).equal(generator(z))
