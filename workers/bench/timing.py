"""Variants that take turns in one process, so that their ratios hold on a busy machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Seconds = dict[str, list[float]]


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How two variants compare: of their least times, and the lowest and highest of a round."""

    name: str
    value: float
    low: float
    high: float
    target: float | None = None
    more_is_better: bool = True

    @property
    def reached(self) -> bool | None:
        """Whether the target is; None without one."""
        if self.target is None:
            return None
        return self.value >= self.target if self.more_is_better else self.value <= self.target

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def clock_of(device: str) -> Callable[[], float]:
    """Seconds of this process: of all its threads on the CPU; on CUDA of the wall clock, when its
    work is done."""
    if device == "cpu":
        return time.process_time
    import torch

    def clock() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return clock


def take_turns(
    runs: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
) -> Seconds:
    """Seconds of each run in each round, after a first call that is not counted."""
    for run in runs.values():
        run()
    seconds: Seconds = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = clock()
            run()
            seconds[name].append(clock() - start)
    return seconds


def ratio(
    seconds: Seconds,
    above: str,
    below: str,
    *,
    target: float | None = None,
    more_is_better: bool = True,
) -> Ratio:
    """Seconds of `above` by those of `below`."""
    rounds = [a / b for a, b in zip(seconds[above], seconds[below], strict=True)]
    return Ratio(
        name=f"{above} / {below}",
        value=min(seconds[above]) / min(seconds[below]),
        low=min(rounds),
        high=max(rounds),
        target=target,
        more_is_better=more_is_better,
    )


def median_ms(seconds: Seconds, name: str, divisor: int = 1) -> float:
    """Median milliseconds of a variant, a `divisor`th of them."""
    return statistics.median(seconds[name]) * 1000 / divisor
