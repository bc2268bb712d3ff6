"""The Triton kernel's values and gradients against the textbook's, in double precision.

Its code runs on the CPU (see conftest.py), and is compiled for a GPU that need not be there.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from unittest import mock

import pytest
import torch

from models.kernels.filtered_lrelu import cuda, triton_kernel
from models.kernels.filtered_lrelu.filtering import Filtering
from models.networks.stylegan3 import ops
from workers.bench import textbook


@pytest.fixture
def kernel(without_a_gpu: Callable[[ModuleType], ModuleType]) -> Iterator[ModuleType]:
    with mock.patch.object(cuda, "triton_kernel", without_a_gpu(triton_kernel)):
        yield cuda


def lowpass(taps: int | None) -> torch.Tensor | None:
    """Asymmetric, so that a convolution isn't taken for a correlation."""
    if taps is None:
        return None
    weights = torch.rand(taps, generator=torch.Generator().manual_seed(taps)) - 0.2
    return weights / weights.abs().sum()


# up taps, down taps, up, down, padding, size of x, clamp
CASES = {
    "layer": (12, 12, 2, 2, (9, 8, 9, 8), (13, 18), 0.4),
    "critical": (24, 12, 4, 2, (-6, -9, -5, -9), (13, 16), None),
    "down_4": (12, 24, 2, 4, (9, 8, 10, 8), (20, 14), 0.4),
    "no_down": (12, None, 2, 1, (5, 6, 4, 7), (9, 11), None),
    "segments": (12, 12, 2, 2, (3, 9, 5, 4), (28, 11), 0.4),
}


LAYOUTS = {"no_down": torch.contiguous_format}  # channels last elsewhere


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_the_textbooks(kernel, name) -> None:
    up_taps, down_taps, up, down, padding, size, clamp = CASES[name]
    layout = LAYOUTS.get(name, torch.channels_last)
    ends = padding, 2**0.5, 0.2, clamp
    filtering = Filtering(lowpass(up_taps), lowpass(down_taps), up, down, *ends)
    random = torch.Generator().manual_seed(0)
    x = torch.randn(1, 34, *size, generator=random).contiguous(memory_format=layout)
    scale, bias = torch.rand(1, 34, generator=random) + 0.5, torch.randn(34, generator=random)
    single = [t.requires_grad_() for t in (x, bias, scale)]
    double = [t.detach().double().requires_grad_() for t in single]
    y = kernel.filtered_lrelu(single[0], filtering, single[1], scale=single[2])
    exact = textbook.filtered_lrelu(double[0], filtering, double[1], scale=double[2])
    assert y.shape == exact.shape
    assert y.is_contiguous(memory_format=torch.channels_last)
    close(y, exact)
    direction = torch.randn(y.shape, generator=random)
    ours = torch.autograd.grad(y, single, direction)
    theirs = torch.autograd.grad(exact, double, direction.double())
    for gradient, wanted in zip(ours, theirs, strict=True):
        close(gradient, wanted)
    with torch.no_grad():
        rescaled = kernel.filtered_lrelu(x, filtering, bias, scale=scale, rescale=2 * scale)
        close(rescaled, 2 * exact * scale.double()[:, :, None, None])


def close(ours: torch.Tensor, wanted: torch.Tensor) -> None:
    assert (ours - wanted).abs().max() <= 2e-6 * wanted.abs().max()


def test_half_precision_sums_in_float32(kernel) -> None:
    x = torch.randn(1, 8, 20, 20, generator=torch.Generator().manual_seed(0)).half()
    filtering = Filtering(lowpass(12), lowpass(12), 2, 2, (9, 8, 9, 8), 2**0.5, 0.2, None)
    y = kernel.filtered_lrelu(x, filtering)
    exact = kernel.filtered_lrelu(x.float(), filtering)
    assert y.dtype is torch.float16
    assert (y.float() - exact).abs().max() <= 5e-4 * exact.abs().max()


def test_padding_that_leaves_nothing_is_refused() -> None:
    nothing = Filtering(lowpass(12), lowpass(12), 2, 2, (0, 0, 0, 0), 1, 1, None)
    with pytest.raises(ValueError, match="leaves nothing"):
        cuda.filtered_lrelu(torch.zeros(1, 1, 2, 2), nothing)


def test_radial_filters_and_odd_factors_are_left_to_torch() -> None:
    x, line = torch.zeros(1, 1, 4, 4), lowpass(12)

    def supported(x, down_filter, up, down):
        ends = (9, 8, 9, 8), 1.0, 0.2, None
        return cuda.supports(x, Filtering(line, down_filter, up, down, *ends))

    assert supported(x, line, 2, 2)
    assert supported(x, None, 4, 1)
    assert not supported(x, torch.outer(line, line), 2, 2)
    assert not supported(x, line, 3, 2)
    assert not supported(x.double(), line, 2, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["layer", "critical"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_it_compiles_for_hopper_without_spilling_much(name, dtype) -> None:
    """With the triton installed here, for a GPU that need not be there: values and gradients."""
    up_taps, down_taps, up, down, padding, size, clamp = CASES[name]
    x = torch.zeros(1, 32, *size, dtype=dtype, requires_grad=True)
    ends = padding, 2**0.5, 0.2, clamp
    filtering = Filtering(lowpass(up_taps), lowpass(down_taps), up, down, *ends)
    launched: list[tuple] = []
    fake = mock.MagicMock()
    fake.__getitem__.return_value = lambda *arguments, **_: launched.append(arguments)
    with mock.patch.object(cuda.triton_kernel, "filter_strips", fake):
        cuda.filtered_lrelu(x, filtering).sum().backward()
    assert len(launched) == 2
    for arguments in launched:
        assert spilled_bytes(arguments) <= 1024


def spilled_bytes(arguments: tuple) -> int:
    """Local memory of a thread, as ptxas tells it, where the kernel is launched with these."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    kernel = triton_kernel.filter_strips
    kinds = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32",
             torch.int16: "i16"}  # fmt: skip
    signature, constants = {}, {}
    for parameter, value in zip(kernel.params, arguments, strict=True):
        if parameter.is_constexpr:
            signature[parameter.name], constants[(parameter.num,)] = "constexpr", value
        elif isinstance(value, torch.Tensor):
            signature[parameter.name] = "*" + kinds[value.dtype]
        else:
            signature[parameter.name] = "fp32" if isinstance(value, float) else "i32"
    source = ASTSource(kernel, signature, constexprs=constants)
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": 1})
    tools = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
    told = subprocess.run(
        [tools / "ptxas", "-v", "-arch=sm_90a", "-", "-o", "/dev/null"],
        input=compiled.asm["ptx"], capture_output=True, text=True, check=True,
    ).stderr  # fmt: skip
    return int(re.search(r"(\d+) bytes stack frame", told)[1])


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_compiled_kernel_agrees_with_torch(dtype: torch.dtype) -> None:
    x = torch.randn(2, 40, 36, 36, device="cuda", dtype=dtype).requires_grad_()
    ends = (9, 8, 9, 8), 2**0.5, 0.2, 256.0
    filtering, bias = Filtering(lowpass(12).cuda(), lowpass(12).cuda(), 2, 2, *ends), x.new_ones(40)
    y = ops.filtered_lrelu(x, filtering, bias)
    expected = ops.filtered_lrelu_torch(x, filtering, bias)
    direction = torch.randn_like(y)
    ours, theirs = (torch.autograd.grad(out, x, direction)[0] for out in (y, expected))
    tolerance = {torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 4e-2}[dtype]
    for a, b in ((y, expected), (ours, theirs)):
        assert (a - b).abs().max() <= tolerance * b.abs().max()
