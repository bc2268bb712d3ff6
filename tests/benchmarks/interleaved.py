"""Variants that take turns in one process, so that their ratios hold on a busy machine."""

import statistics
import time
from collections.abc import Callable, Mapping

Seconds = dict[str, list[float]]


def processor_seconds(runs: Mapping[str, Callable[[], object]], rounds: int) -> Seconds:
    """Processor time (all threads) of each run in each round, after a first call that is not counted."""
    for run in runs.values():
        run()
    seconds: Seconds = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.process_time()
            run()
            seconds[name].append(time.process_time() - start)
    return seconds


def ratio(seconds: Seconds, slow: str, fast: str) -> tuple[float, float, float]:
    """How many times faster: of the least times, and the lowest and highest of a round."""
    rounds = [a / b for a, b in zip(seconds[slow], seconds[fast], strict=True)]
    return min(seconds[slow]) / min(seconds[fast]), min(rounds), max(rounds)


def shown(times: tuple[float, float, float]) -> str:
    return f"{times[0]:.2f} ({times[1]:.2f} to {times[2]:.2f})"


def median_ms(seconds: Seconds, name: str, divisor: int = 1) -> float:
    return statistics.median(seconds[name]) * 1000 / divisor
