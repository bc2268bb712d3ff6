"""Threads that share out a batch, each of which leaves torch's operations undivided.

Two halves of a batch on two cores meet once; an operation that is divided over two cores waits for
the slower one, hundreds of times an image.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from threading import Barrier
from typing import TypeVar

import torch

T = TypeVar("T")


def share_out(work: Callable[[int, int], T], total: int) -> list[T]:
    """work(first, last) for as many ranges of `total` as torch has threads for the caller; results
    in order.

    The ranges run at the same time in threads for which torch has one thread and records no
    gradients; a single one runs in the caller's.
    """
    count = min(torch.get_num_threads(), total)
    if count < 2:
        return [work(0, total)]
    threads = _threads(os.getpid(), count)
    ranges = pairwise(total * part // count for part in range(count + 1))

    def without_gradients(first: int, last: int) -> T:
        with torch.inference_mode():
            return work(first, last)

    return [done.result() for done in [threads.submit(without_gradients, *edge) for edge in ranges]]


@lru_cache(maxsize=1)
def _threads(process: int, count: int) -> ThreadPoolExecutor:
    """process: its id, for threads don't survive a fork."""
    callers, all_there = torch.get_num_threads(), Barrier(count)

    def begin() -> None:
        torch.get_num_threads()  # else torch's first operation here takes over the process's number
        torch.set_num_threads(1)
        all_there.wait()

    threads = ThreadPoolExecutor(count, initializer=begin)
    for started in [threads.submit(int) for _ in range(count)]:
        started.result()
    torch.set_num_threads(
        callers
    )  # what a thread sets is also what later threads of the process begin with
    return threads
