"""What a second core brings the generator on a CPU."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache

import torch

from models.networks.stylegan3 import Generator, build_generator
from workers.bench.cases import GENERATORS, Row, make_row
from workers.bench.timing import ratio, take_turns


def measure_threads(*, rounds: int) -> Row:
    """The generator on one and on two cores, by the wall clock: needs a quiet machine and some
    twenty rounds.

    Two processes with half a batch each tell what the machine itself gives for two cores.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn) as first, ProcessPoolExecutor(1, spawn) as second:

        def by_processes() -> None:
            for done in [pool.submit(_forward, 4, 1) for pool in (first, second)]:
                done.result()

        runs = {
            "one core": lambda: first.submit(_forward, 8, 1).result(),
            "two cores": lambda: second.submit(_forward, 8, 2).result(),
            "two processes": by_processes,
        }
        seconds = take_turns(runs, rounds, time.perf_counter)
    ratios = [
        ratio(seconds, "one core", "two cores", target=1.7),
        ratio(seconds, "one core", "two processes"),
    ]
    return make_row("threads: t64, batch 8, forward", seconds, ratios)


def _forward(batch: int, threads: int) -> None:
    """In a process of its own, which keeps its generator."""
    torch.set_num_threads(threads)
    generator = _kept_generator()
    generator.sample(torch.randn(batch, generator.config.z_dim))


@cache
def _kept_generator() -> Generator:
    return build_generator(GENERATORS["t64"])
