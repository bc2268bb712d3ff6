import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.gan.augment import AdaptiveProbability, augment, change_colour, move, soften


def images(count: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 4, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@given(seed=st.integers(0, 2**32), p=st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_colour_never_touches_alpha(seed: int, p: float) -> None:
    before = images(seed=1)
    after = change_colour(before, p, torch.Generator().manual_seed(seed))
    assert torch.equal(after[:, 3], before[:, 3])


def test_colour_changes_rgb() -> None:
    before = images()
    assert (
        change_colour(before, 1.0, torch.Generator().manual_seed(0)) - before
    ).abs().mean() > 0.01


@given(seed=st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_geometry_moves_all_channels_alike(seed: int) -> None:
    same = images()[:, :1].expand(-1, 4, -1, -1).contiguous()
    moved = move(same, 1.0, torch.Generator().manual_seed(seed))
    assert torch.equal(moved[:, :1].expand_as(moved), moved)


def test_probability_zero_changes_nothing() -> None:
    before = images()
    after = augment(before, 0.0, torch.Generator().manual_seed(0))
    torch.testing.assert_close(after, before, rtol=0, atol=1e-5)


def test_one_draw_is_one_augmentation() -> None:
    first, second = (augment(images(), 1.0, torch.Generator().manual_seed(9)) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("p", [0.5, 1.0])
def test_gradients_reach_every_channel(p: float) -> None:
    before = images().requires_grad_(True)
    augment(before, p, torch.Generator().manual_seed(3)).square().sum().backward()
    assert before.grad is not None
    assert before.grad.isfinite().all()
    assert before.grad.abs().sum((0, 2, 3)).min() > 0


def test_p_grows_while_the_discriminator_is_too_sure_and_falls_after() -> None:
    adaptive = AdaptiveProbability(kimg=0.1, target=0.6)
    adaptive.observe(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    adaptive.observe(torch.tensor([1.0, 1.0, 1.0, -1.0]))
    assert adaptive.adjust() == pytest.approx(0.75)
    assert float(adaptive.p) == pytest.approx(8 / 100)
    adaptive.observe(torch.tensor([1.0, -1.0, 1.0, 1.0]))
    assert adaptive.adjust() == pytest.approx(0.5)
    assert float(adaptive.p) == pytest.approx(4 / 100)


def test_p_stays_within_its_limits() -> None:
    adaptive = AdaptiveProbability(kimg=0.01, limit=0.5)
    for _ in range(3):
        adaptive.observe(torch.ones(4))
        adaptive.adjust()
    assert float(adaptive.p) == 0.5
    for _ in range(3):
        adaptive.observe(-torch.ones(4))
        adaptive.adjust()
    assert float(adaptive.p) == 0.0


def test_the_state_of_p_is_whole() -> None:
    first, second = AdaptiveProbability(kimg=0.1), AdaptiveProbability(kimg=0.1)
    first.observe(torch.ones(4))
    second.load_state_dict(first.state_dict())
    assert first.adjust() == second.adjust() == 1.0
    assert torch.equal(first.p, second.p)


def test_softening_blurs_as_much_as_said_and_keeps_sums() -> None:
    point = torch.zeros(1, 4, 33, 33)
    point[..., 16, 16] = 1
    blurred = soften(point, 2.0)
    steps = (torch.arange(33) - 16.0).square()
    assert blurred.sum((2, 3)).tolist() == [[pytest.approx(1)] * 4]
    assert float((blurred[0, 3] * steps).sum()) == pytest.approx(4, rel=0.1)
    torch.testing.assert_close(soften(point, 0.05), point)


def test_p_is_a_fraction_whatever_number_it_starts_from() -> None:
    adaptive = AdaptiveProbability(kimg=500, start=0)
    adaptive.observe(torch.ones(32, 1))
    assert adaptive.adjust() == 1.0
    assert float(adaptive.p) == pytest.approx(32 / 500_000)
