"""The engine's CUDA side: a graph for the plan's fixed batch, pinned host buffers, a copy stream.

Written without a GPU at hand and never run on one; tests run its logic on the CPU. Byte identity
holds on one device model and software stack, as everywhere: a graph replays the kernels that it
captured.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

WARM_UPS = 3  # calls before a capture: cuDNN, cuBLAS and Triton set up what must not be captured
Replay = Callable[[], None]
Waiting = Callable[[], NDArray[Any]]


class GraphedGenerator:
    """Calls a generator through a CUDA graph of its last batch size and psi: one launch instead of
    hundreds.

    The result lies in the graph's memory and is overwritten by the next call: use it on the same
    stream before that.
    """

    def __init__(
        self, generator: nn.Module, capture: Callable[[Callable[[], None]], Replay] | None = None
    ) -> None:
        """capture: runs a piece of work and returns what repeats it; a CUDA graph when None."""
        self._generator = generator
        self._capture = capture or capture_graph
        self._key: tuple[object, ...] | None = None
        self._z = self._image = torch.empty(0)
        self._replay: Replay = _nothing

    def __call__(self, z: Tensor, truncation_psi: float) -> Tensor:
        """z: float32 [n, z_dim] -> float32 [n, 4, h, w]."""
        key = tuple(z.shape), z.device, truncation_psi
        if key != self._key:
            self._key, self._replay = (
                None,
                _nothing,
            )  # the old graph's memory goes before the new one's comes
            self._z = z.clone()
            self._replay = self._capture(lambda: self._run(truncation_psi))
            self._key = key
        self._z.copy_(z, non_blocking=True)
        self._replay()
        return self._image

    def _run(self, truncation_psi: float) -> None:
        self._image = self._generator(self._z, truncation_psi=truncation_psi)


def _nothing() -> None:
    pass


def capture_graph(work: Callable[[], None]) -> Replay:
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


def prepare(generator: nn.Module, matte: nn.Module) -> None:
    """Convolutions' weights as tensor cores read them."""
    for network in (generator, matte):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
