"""Which of several ways to compute the same thing is taken: one that agrees, and then the
fastest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from torch import Tensor

log = logging.getLogger(__name__)
ROUNDS = 3
LOST = ("CUDA error", "ECC", "launch failure", "device-side assert", "illegal memory access")


def fastest(
    ways: Mapping[str, Callable[[], Tensor]],
    *,
    tolerance: float,
    clock: Callable[[], float],
    what: str,
) -> str:
    """The name of the way that takes the least time and gives what the first does.

    tolerance: largest difference relative to the largest magnitude of the first's result. clock:
    seconds, once all work is done. A way that raises is left out, unless the device is lost; what
    the first raises is raised.
    """
    (first, reference), *_ = ways.items()
    wanted, seconds = reference(), dict[str, float]()
    bound = tolerance * float(wanted.abs().max())
    for name, run in ways.items():
        try:
            difference = float((run() - wanted).abs().max())
            if name == first or difference <= bound:  # never of what is not a number
                seconds[name] = _least(run, clock)
            else:
                log.warning("%s by %s is left out: it is off by %.2g", what, name, difference)
        except Exception as error:
            if name == first or is_lost(error):
                raise
            log.warning("%s by %s is left out: %s", what, name, error)
    chosen = min(seconds, key=seconds.__getitem__)
    measured = ", ".join(f"{name} {s * 1000:.2f} ms" for name, s in seconds.items())
    log.info("%s by %s: %s", what, chosen, measured)
    return chosen


def is_lost(error: BaseException) -> bool:
    """Whether the device can't be used any more by this process, as after an ECC or launch
    failure."""
    return isinstance(error, RuntimeError) and any(mark in str(error) for mark in LOST)


def _least(run: Callable[[], Tensor], clock: Callable[[], float]) -> float:
    times = []
    for _ in range(ROUNDS):
        start = clock()
        run()
        times.append(clock() - start)
    return min(times)
