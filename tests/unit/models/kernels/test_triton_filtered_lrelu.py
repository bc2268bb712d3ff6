"""The Triton kernel's values and gradients against the textbook's, in double precision.

Its code runs on the CPU (see conftest.py), and is compiled for a GPU that need not be there.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from unittest import mock

import pytest
import torch
import torch.nn.functional as F

from models.kernels.filtered_lrelu import cuda, triton_kernel
from models.networks.stylegan3 import ops


@pytest.fixture
def kernel(without_a_gpu) -> Iterator[ModuleType]:
    with mock.patch.object(cuda, "triton_kernel", without_a_gpu(triton_kernel)):
        yield cuda


def lowpass(taps: int | None) -> torch.Tensor | None:
    """Asymmetric, so that a convolution isn't taken for a correlation."""
    if taps is None:
        return None
    weights = torch.rand(taps, generator=torch.Generator().manual_seed(taps)) - 0.2
    return weights / weights.abs().sum()


def textbook(x, up_filter, down_filter, bias, up, down, padding, gain, slope, clamp, scale):
    """Zero insertion, padding or cropping, whole convolutions: arXiv 2106.12423, section 3.2."""

    def convolve(x, taps):
        if taps is None:
            return x
        kernel = torch.outer(taps, taps).flip(0, 1)[None, None].to(x)
        return F.conv2d(x.flatten(0, 1)[:, None], kernel)[:, 0].unflatten(0, x.shape[:2])

    n, c, h, w = x.shape
    x = x * scale[:, :, None, None] + bias[:, None, None]
    inserted = F.pad(x.reshape(n, c, h, 1, w, 1), (0, up - 1, 0, 0, 0, up - 1))
    x = convolve(F.pad(inserted.reshape(n, c, h * up, w * up), padding), up_filter) * up**2
    x = F.leaky_relu(x, slope) * gain
    return convolve(x if clamp is None else x.clamp(-clamp, clamp), down_filter)[
        :, :, ::down, ::down
    ]


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
    filters = lowpass(up_taps), lowpass(down_taps)
    random = torch.Generator().manual_seed(0)
    x = torch.randn(1, 34, *size, generator=random).contiguous(memory_format=layout)
    scale, bias = torch.rand(1, 34, generator=random) + 0.5, torch.randn(34, generator=random)
    rest = up, down, padding, 2**0.5, 0.2, clamp
    single = [t.requires_grad_() for t in (x, bias, scale)]
    double = [t.detach().double().requires_grad_() for t in single]
    y = kernel.filtered_lrelu(single[0], *filters, single[1], *rest, single[2])
    exact = textbook(double[0], *filters, double[1], *rest, double[2])
    assert y.shape == exact.shape
    assert y.is_contiguous(memory_format=torch.channels_last)
    close(y, exact)
    direction = torch.randn(y.shape, generator=random)
    ours = torch.autograd.grad(y, single, direction)
    theirs = torch.autograd.grad(exact, double, direction.double())
    for gradient, wanted in zip(ours, theirs, strict=True):
        close(gradient, wanted)
    with torch.no_grad():
        close(kernel.filtered_lrelu(x, *filters, bias, *rest, scale, 2 * scale),
              2 * exact * scale.double()[:, :, None, None])  # fmt: skip


def close(ours: torch.Tensor, wanted: torch.Tensor) -> None:
    assert (ours - wanted).abs().max() <= 2e-6 * wanted.abs().max()


def test_half_precision_sums_in_float32(kernel) -> None:
    x = torch.randn(1, 8, 20, 20, generator=torch.Generator().manual_seed(0)).half()
    arguments = lowpass(12), lowpass(12), None, 2, 2, (9, 8, 9, 8), 2**0.5, 0.2, None
    y = kernel.filtered_lrelu(x, *arguments)
    exact = kernel.filtered_lrelu(x.float(), *arguments)
    assert y.dtype is torch.float16
    assert (y.float() - exact).abs().max() <= 5e-4 * exact.abs().max()


def test_padding_that_leaves_nothing_is_refused() -> None:
    nothing = lowpass(12), lowpass(12), None, 2, 2, (0, 0, 0, 0), 1, 1, None
    with pytest.raises(ValueError, match="leaves nothing"):
        cuda.filtered_lrelu(torch.zeros(1, 1, 2, 2), *nothing)


def test_radial_filters_and_odd_factors_are_left_to_torch() -> None:
    x, line = torch.zeros(1, 1, 4, 4), lowpass(12)
    assert cuda.supports(x, line, 2, 2)
    assert cuda.supports(x, None, 4, 1)
    assert not cuda.supports(x, torch.outer(line, line), 2, 2)
    assert not cuda.supports(x, line, 3, 2)
    assert not cuda.supports(x.double(), line, 2, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["layer", "critical"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_it_compiles_for_hopper_without_spilling_much(name, dtype) -> None:
    """With the triton installed here, for a GPU that need not be there: values and gradients."""
    up_taps, down_taps, up, down, padding, size, clamp = CASES[name]
    x = torch.zeros(1, 32, *size, dtype=dtype, requires_grad=True)
    rest = lowpass(up_taps), lowpass(down_taps), None, up, down, padding, 2**0.5, 0.2, clamp
    launched: list[tuple] = []
    fake = mock.MagicMock()
    fake.__getitem__.return_value = lambda *arguments, **_: launched.append(arguments)
    with mock.patch.object(cuda.triton_kernel, "stream", fake):
        cuda.filtered_lrelu(x, *rest).sum().backward()
    assert len(launched) == 2
    for arguments in launched:
        assert spilled_bytes(arguments) <= 1024


def spilled_bytes(arguments: tuple) -> int:
    """Local memory of a thread, as ptxas tells it, where the kernel is launched with these."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    kernel = triton_kernel.stream
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
    filters = lowpass(12).cuda(), lowpass(12).cuda()
    arguments = *filters, x.new_ones(40), 2, 2, (9, 8, 9, 8), 2**0.5, 0.2, 256.0
    y, expected = ops.filtered_lrelu(x, *arguments), ops.filtered_lrelu_torch(x, *arguments)
    direction = torch.randn_like(y)
    ours, theirs = (torch.autograd.grad(out, x, direction)[0] for out in (y, expected))
    tolerance = {torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 4e-2}[dtype]
    for a, b in ((y, expected), (ours, theirs)):
        assert (a - b).abs().max() <= tolerance * b.abs().max()
