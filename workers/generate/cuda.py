"""The engine's CUDA side: graphs for the plan's fixed batch, pinned host buffers, a copy stream.

What is chosen is chosen when a bundle or a plan is taken up, never between two batches of a plan.
Byte identity holds on one device model and software stack, as everywhere: a graph replays the
kernels that it captured. docs/reports/gpu.md says what of this was run on a GPU.
"""

import logging
import time
from collections.abc import Callable, Hashable
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.kernels.fastest import fastest, is_lost
from models.networks.stylegan3 import Generator
from models.networks.stylematte import predict_alpha

log = logging.getLogger(__name__)
WARM_UPS = 3  # calls before a capture: cuDNN, cuBLAS and Triton set up what must not be captured
IMAGE_TOLERANCE, ALPHA_TOLERANCE = 2e-2, 1e-3  # of half precision, against torch's operations
MATTE_TRIAL = 4, 128  # images and pixels a side that StyleMatte's precision is chosen on
Replay = Callable[[], None]
Waiting = Callable[[], NDArray[Any]]


class Graphed:
    """Calls a function through a CUDA graph of its last shape and options: one launch instead of
    hundreds.

    The function itself is called where it can't be captured, or is no slower. The result lies in
    the graph's memory and is overwritten by the next call: use it on the same stream before that.
    """

    def __init__(
        self,
        function: Callable[..., Tensor],
        capture: Callable[[Replay], Replay] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """capture: runs a piece of work and returns what repeats it, a CUDA graph when None; clock:
        seconds."""
        self._function = function
        self._capture = capture or capture_graph
        self._clock = clock or finished
        self._key: Hashable = None
        self._input = self._result = torch.empty(0)
        self._replay: Replay = _nothing

    def __call__(self, x: Tensor, *options: Hashable) -> Tensor:
        """x: any tensor; options: whatever else the function takes."""
        key = tuple(x.shape), x.dtype, x.device, options
        if key != self._key:
            self._key, self._replay = None, _nothing  # old graph's memory goes before the new comes
            self._input = x.clone()
            self._replay = self._quicker(lambda: self._run(*options))
            self._key = key
        self._input.copy_(x, non_blocking=True)
        self._replay()
        return self._result

    def _run(self, *options: Hashable) -> None:
        self._result = self._function(self._input, *options)

    def _quicker(self, work: Replay) -> Replay:
        """A replay, unless the work by itself takes no longer."""
        try:
            replay = self._capture(work)
        except torch.OutOfMemoryError:
            raise  # a smaller part of the batch may do
        except RuntimeError as error:
            if is_lost(error):
                raise
            log.warning("works without a CUDA graph: %s", error)
            return work
        captured = self._result

        def replayed() -> Tensor:
            replay()
            return captured

        def worked() -> Tensor:
            work()
            return self._result

        ways = {"each launch": worked, "graph": replayed}
        chosen = fastest(ways, tolerance=1e-5, clock=self._clock, what="a batch")
        self._result = captured
        return replay if chosen == "graph" else work


def _nothing() -> None:
    pass


def finished() -> float:
    """Seconds, once the device has done all that it was asked for."""
    torch.cuda.synchronize()
    return time.perf_counter()


def capture_graph(work: Replay) -> Replay:
    """Warm up on a stream of its own, then capture; what `work` made last is what a replay makes
    anew."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UPS):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    replay: Replay = graph.replay
    return replay


class Downloads:
    """Copies to pinned host memory on a stream of their own, beside the model's next batch.

    The buffers come from torch's caching allocator of pinned memory, and go back to it with the
    arrays.
    """

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()

    def __call__(self, tensor: Tensor) -> Waiting:
        """Begin to copy what the current stream will have made; the result waits for the copy and
        returns the array."""
        done = torch.cuda.Event()
        host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            host.copy_(tensor, non_blocking=True)
            done.record(self._stream)
        tensor.record_stream(self._stream)  # its memory is not reused before the copy is done

        def wait() -> NDArray[Any]:
            done.synchronize()
            return host.numpy()

        return wait


def download_at_once(tensor: Tensor) -> Waiting:
    """`Downloads` for the CPU: there is nothing to wait for."""
    array: NDArray[Any] = np.ascontiguousarray(tensor.numpy())
    return lambda: array


def prepare(generator: Generator, clock: Callable[[], float] = finished) -> None:
    """Weights as tensor cores read them, and each layer's filtered leaky relu by the kernel where
    it agrees with torch's and is faster."""
    generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    z = torch.randn(8, generator.config.z_dim, generator=torch.Generator().manual_seed(0))
    z = z.to(generator.mapping.w_avg.device)

    def sampled(by_kernel: bool) -> Tensor:
        generator.synthesis.use_kernel(by_kernel)
        return generator.sample(z)

    ways = {"torch": lambda: sampled(False), "kernel": lambda: sampled(True)}
    chosen = fastest(ways, tolerance=IMAGE_TOLERANCE, clock=clock, what="the generator")
    generator.synthesis.use_kernel(chosen == "kernel")


def choose_matting(
    matte: nn.Module, clock: Callable[[], float] = finished
) -> Callable[[Tensor], Tensor]:
    """`predict_alpha` in half precision where that is faster and alpha stays within 1e-3."""
    device = next(matte.parameters()).device
    count, side = MATTE_TRIAL
    random = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, side // 8, side // 8, generator=random) * 2 - 1
    trial = nn.functional.interpolate(coarse, side, mode="bicubic").clamp(-1, 1).to(device)

    def alpha(image: Tensor, half: bool) -> Tensor:
        lower = torch.autocast(device.type, torch.float16, cache_enabled=False)
        with torch.inference_mode(), lower if half else nullcontext():
            return predict_alpha(matte, image)[:, 0].float()

    ways = {"float32": lambda: alpha(trial, False), "float16": lambda: alpha(trial, True)}
    chosen = fastest(ways, tolerance=ALPHA_TOLERANCE, clock=clock, what="StyleMatte")
    return lambda image: alpha(image, chosen == "float16")
