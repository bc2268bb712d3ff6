"""Steps as CUDA graphs: captured once, then replayed, so that launching their kernels costs
nothing."""

from collections.abc import Callable

import torch

WARM_UPS = 2  # before a capture: they build what is built once, and choose algorithms


class GraphedSteps:
    """Runs steps by name, as graphs or, not graphed, as they are.

    A step must do the same work on the same tensors each time, draw its random numbers on the
    device, and wait for nothing. `clear` drops all gradients; it runs before each step that isn't
    replayed.
    """

    def __init__(self, graphed: bool, clear: Callable[[], None]) -> None:
        self._graphed, self._clear = graphed, clear
        self._graphs: dict[str, torch.cuda.CUDAGraph] = {}

    def run(self, name: str, step: Callable[[], None]) -> None:
        """Does one step; at the first of a name WARM_UPS more, if graphed."""
        if not self._graphed:
            self._clear()
            step()
            return
        if name not in self._graphs:
            self._graphs[name] = self._captured(step)
        self._graphs[name].replay()

    def _captured(self, step: Callable[[], None]) -> torch.cuda.CUDAGraph:
        side, here = torch.cuda.Stream(), torch.cuda.current_stream()
        side.wait_stream(here)
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                self._clear()
                step()
        here.wait_stream(side)
        torch.cuda.synchronize()
        self._clear()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        return graph
