"""The fused filtered leaky relu against the textbook: zero insertion and full convolutions, in
float64."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from models.kernels.filtered_lrelu.cpu import filtered_lrelu
from models.kernels.filtered_lrelu.filtering import Filtering
from models.kernels.simd import compiled, peek, poke
from models.networks.stylegan3.ops import filtered_lrelu_torch
from workers.bench import textbook

GAIN, SLOPE = 2**0.5, 0.2


@dataclass(frozen=True)
class Case:
    up: int = 2
    down: int = 2
    up_taps: int | None = 12
    down_taps: int | None = 12
    padding: tuple[int, int, int, int] = (9, 8, 9, 8)
    size: tuple[int, int] = (13, 18)
    clamp: float | None = 0.4
    radial: bool = False
    gain: float = GAIN
    slope: float = SLOPE

    def filtering(self) -> Filtering:
        """Asymmetric filters, so that a convolution isn't taken for a correlation."""

        def filter_of(*shape: int) -> torch.Tensor:
            taps = torch.rand(shape) - 0.2
            return taps / taps.abs().sum()

        down = None
        if self.down_taps is not None:
            down = (
                filter_of(self.down_taps, self.down_taps)
                if self.radial
                else filter_of(self.down_taps)
            )
        up = None if self.up_taps is None else filter_of(self.up_taps)
        ends = self.padding, self.gain, self.slope, self.clamp
        return Filtering(up, down, self.up, self.down, *ends)


BASE = Case()
CASES = {
    "layer": BASE,
    "up_4": replace(BASE, up=4, up_taps=24, padding=(-6, -9, -6, -9), size=(19, 24)),
    "up_4_radial": replace(
        BASE, up=4, up_taps=24, padding=(-2, -5, -2, -5), size=(19, 24), radial=True
    ),
    "radial": replace(BASE, radial=True, padding=(11, 10, 11, 10)),
    "to_rgb": Case(1, 1, None, None, (0, 0, 0, 0), gain=1.0, slope=1.0),
    "down_4": replace(BASE, down=4, down_taps=24, size=(31, 20)),
    "up_4_down_4": replace(BASE, up=4, up_taps=24, down=4, down_taps=24),
    "up_4_down_1": replace(BASE, up=4, up_taps=24, down=1, down_taps=None),
    "up_2_down_1": replace(BASE, down=1, down_taps=6),
    "up_1_down_2": replace(BASE, up=1, up_taps=None),
    "up_1_down_4": replace(BASE, up=1, up_taps=6, down=4, down_taps=24, size=(31, 40)),
    "up_3_down_2": replace(BASE, up=3, up_taps=18),
    "down_without_filter": replace(BASE, down_taps=None),
    "odd_taps": replace(BASE, up_taps=7, down_taps=5),
    "fewer_taps_than_factor": replace(BASE, up=4, up_taps=3),
    "phase_without_taps": replace(BASE, up=4, up_taps=2, padding=(6, 5, 6, 5)),
    "uneven_padding": replace(BASE, padding=(3, 8, -2, 12)),
    "crop_and_pad": replace(BASE, padding=(-7, 15, 15, -7)),
    "more_padding_than_taps": replace(BASE, padding=(31, 29, 40, 33)),
    "one_pixel_out": replace(BASE, size=(1, 1), padding=(11, 11, 11, 11), down_taps=12),
    "wide": replace(BASE, size=(6, 150)),
    "no_clamp": replace(BASE, clamp=None),
    "relu": replace(BASE, slope=0.0),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def assert_near(actual: torch.Tensor, expected: torch.Tensor) -> None:
    """Within 1e-5 of the largest magnitude; rounding alone where everything cancels."""
    assert actual.shape == expected.shape
    assert (actual - expected).abs().max() <= 1e-5 * expected.abs().max() + 1e-6


def assert_textbook(case: Case) -> None:
    filtering = case.filtering()
    x, bias = torch.randn(2, 3, *case.size, requires_grad=True), torch.randn(3, requires_grad=True)
    exact_x, exact_bias = (t.detach().double().requires_grad_() for t in (x, bias))
    y, exact = (
        filtered_lrelu(x, filtering, bias),
        textbook.filtered_lrelu(exact_x, filtering, exact_bias),
    )
    assert_near(y, exact)
    cotangent = torch.randn_like(y)
    gradients = torch.autograd.grad(y, (x, bias), cotangent)
    for gradient, expected in zip(
        gradients, torch.autograd.grad(exact, (exact_x, exact_bias), cotangent), strict=True
    ):
        assert_near(gradient, expected)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_output_and_gradients_are_the_textbook_s(case: Case) -> None:
    assert_textbook(case)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_geometry_is_the_textbook_s(data: st.DataObject) -> None:
    up, down = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    radial = data.draw(st.booleans())
    up_taps, down_taps = (
        data.draw(st.integers(1, 24)),
        data.draw(st.integers(1, 9 if radial else 24)),
    )
    size, padding = [], []
    for _ in range(2):
        length = data.draw(st.integers(1, 40))
        least = max(1, up_taps + down_taps - 1) - length * up  # so that one sample is left
        low = data.draw(st.integers(max(-12, -length * up + 1), 40))
        size.append(length)
        padding += [
            low,
            data.draw(st.integers(max(least - low, -length * up - min(low, 0) + 1), 60)),
        ]
    assert_textbook(
        Case(up, down, up_taps, down_taps, tuple(padding), (size[1], size[0]), radial=radial)
    )


@pytest.mark.parametrize("name", ["layer", "up_4", "radial", "to_rgb"])
def test_a_scale_comes_before_the_bias(name: str) -> None:
    filtering = CASES[name].filtering()
    shapes = (2, 3, *CASES[name].size), (3,), (2, 3)
    x, bias, scale = (torch.randn(shape, requires_grad=True) for shape in shapes)
    expected = filtered_lrelu(x * scale[:, :, None, None], filtering, bias)
    recorded = filtered_lrelu(x, filtering, bias, scale=scale)
    assert_near(recorded, expected)
    assert torch.equal(recorded, filtered_lrelu(x, filtering, bias, scale=scale.detach()))
    cotangent = torch.randn_like(expected)
    gradients = (torch.autograd.grad(y, (x, bias, scale), cotangent) for y in (recorded, expected))
    for ours, theirs in zip(*gradients, strict=True):
        assert_near(ours, theirs)


@pytest.mark.parametrize("name", ["layer", "up_4", "radial", "to_rgb"])
def test_what_comes_out_is_rescaled(name: str) -> None:
    filtering = CASES[name].filtering()
    x, bias, rescale = torch.randn(2, 3, *CASES[name].size), torch.randn(3), torch.randn(2, 3)
    plain = filtered_lrelu(x, filtering, bias)
    expected = plain * rescale[:, :, None, None]
    assert torch.equal(filtered_lrelu(x, filtering, bias, rescale=rescale), expected)
    recorded = filtered_lrelu(x.requires_grad_(), filtering, bias, rescale=rescale.requires_grad_())
    cotangent = torch.randn_like(recorded)
    of_x, of_rescale = torch.autograd.grad(recorded, (x, rescale), cotangent)
    assert_near(of_rescale, (cotangent * plain).sum((2, 3)))
    y = filtered_lrelu(x, filtering, bias)
    assert_near(of_x, torch.autograd.grad(y, x, cotangent * rescale.detach()[:, :, None, None])[0])


@pytest.mark.parametrize("name", ["layer", "up_4", "radial", "to_rgb"])
def test_the_torch_version_agrees(name: str) -> None:
    filtering = CASES[name].filtering()
    x, bias = torch.randn(2, 3, *CASES[name].size), torch.randn(3)
    assert_near(filtered_lrelu(x, filtering, bias), filtered_lrelu_torch(x, filtering, bias))


def test_bias_is_optional() -> None:
    x, filtering = torch.randn(1, 2, *BASE.size), BASE.filtering()
    assert torch.equal(
        filtered_lrelu(x, filtering, None),
        filtered_lrelu(x, filtering, torch.zeros(2)),
    )


@pytest.mark.parametrize("layout", ["channels_last", "transposed", "expanded"])
def test_memory_layout_does_not_matter(layout: str) -> None:
    filtering = BASE.filtering()
    x = torch.randn(2, 3, 16, 16)
    views = {
        "channels_last": x.contiguous(memory_format=torch.channels_last),
        "transposed": x.transpose(2, 3),
        "expanded": x[:, :1].expand(-1, 3, -1, -1),
    }
    view, bias = views[layout].requires_grad_(), torch.randn(3)
    y = filtered_lrelu(view, filtering, bias)
    assert torch.equal(y, filtered_lrelu(view.detach().clone(), filtering, bias))
    (gradient,) = torch.autograd.grad(y, view, torch.ones_like(y).mT)
    dense = view.detach().clone().requires_grad_()
    (expected,) = torch.autograd.grad(
        filtered_lrelu(dense, filtering, bias), dense, torch.ones_like(y)
    )
    assert torch.equal(gradient, expected)


def test_recording_for_the_gradient_does_not_change_the_output() -> None:
    filtering = BASE.filtering()
    x, bias = torch.randn(2, 3, *BASE.size, requires_grad=True), torch.randn(3)
    recorded = filtered_lrelu(x, filtering, bias)
    with torch.no_grad():
        plain = filtered_lrelu(x, filtering, bias)
    assert recorded.requires_grad
    assert not plain.requires_grad
    assert torch.equal(recorded, plain)


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_threads_do_not_change_a_bit(threads: int) -> None:
    filtering = BASE.filtering()
    results = []
    for count in (1, threads):
        torch.set_num_threads(count)
        torch.manual_seed(1)
        x = torch.randn(3, 5, *BASE.size, requires_grad=True)
        y = filtered_lrelu(x, filtering, torch.randn(5))
        results.append((y, *torch.autograd.grad(y.square().sum(), x)))
    for one, many in zip(*results, strict=True):
        assert torch.equal(one, many)


def test_a_plane_does_not_depend_on_its_batch() -> None:
    filtering = BASE.filtering()
    x, bias = torch.randn(4, 3, *BASE.size), torch.randn(3)
    together = filtered_lrelu(x, filtering, bias)
    assert torch.equal(
        together, torch.cat([filtered_lrelu(one, filtering, bias) for one in x.split(1)])
    )


def test_an_empty_batch_gives_an_empty_batch() -> None:
    x = torch.zeros(0, 3, *BASE.size, requires_grad=True)
    y = filtered_lrelu(x, BASE.filtering(), torch.zeros(3))
    assert y.shape == (0, 3, 11, 16)
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.shape == x.shape


def test_nan_reaches_the_output_instead_of_being_clamped() -> None:
    y = filtered_lrelu(torch.full((1, 1, *BASE.size), torch.nan), BASE.filtering(), None)
    assert y.isnan().all()


def test_a_second_derivative_is_refused() -> None:
    x = torch.randn(1, 1, *BASE.size, requires_grad=True)
    (gradient,) = torch.autograd.grad(
        filtered_lrelu(x, BASE.filtering(), None).square().sum(), x, create_graph=True
    )
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize(
    ("x", "change"),
    [
        (torch.zeros(1, 1, 8, 8, dtype=torch.float64), {}),
        (torch.zeros(1, 1, 8, 8), {"gain": 0.0}),
        (torch.zeros(1, 1, 8, 8), {"slope": -0.1}),
        (torch.zeros(1, 1, 8, 8), {"padding": (-20, -20, -20, -20)}),
        (torch.zeros(1, 1, 0, 8), {}),
        (torch.zeros(1, 2, 8, 8), {"bias": torch.zeros(3)}),
        (torch.zeros(1, 2, 8, 8), {"scale": torch.ones(2)}),
        (torch.zeros(1, 1, 8, 8), {"up_filter": torch.ones(2, 2)}),
    ],
)
def test_what_cannot_be_computed_is_refused(x: torch.Tensor, change: dict[str, Any]) -> None:
    given = {name: change[name] for name in ("bias", "scale") if name in change}
    filtering = BASE.filtering()._replace(**{k: v for k, v in change.items() if k not in given})
    with pytest.raises(ValueError, match=r"needs|leaves nothing"):
        filtered_lrelu(x, filtering, **given)


def test_kernels_compile_where_no_cache_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def place(address: int, index: int) -> None:
        poke(address, index, peek(address, 1 - index))

    monkeypatch.setattr("numba.core.caching.CacheImpl._locator_classes", [])
    with pytest.raises(RuntimeError, match="cannot cache"):
        njit(cache=True)(place)
    values = torch.tensor([1.0, 2.0])
    compiled(place)(values.data_ptr(), 0)
    assert values.tolist() == [2.0, 2.0]


def _compute(queue: Any, filtering: Filtering) -> None:
    queue.put(filtered_lrelu(torch.ones(2, 2, *BASE.size), filtering, None).sum().item())


def test_a_forked_child_computes_after_its_parent_did() -> None:
    torch.set_num_threads(2)
    filtering = BASE.filtering()
    expected = filtered_lrelu(torch.ones(2, 2, *BASE.size), filtering, None).sum().item()
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=_compute, args=(queue, filtering))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert queue.get() == expected
