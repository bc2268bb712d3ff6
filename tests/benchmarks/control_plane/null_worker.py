"""The real generate worker with a null generator: `celery --app null_worker:app worker`, this
folder on the path.

All of workers.app but the model: no bundle is loaded, each candidate is one constant picture that
passes every filter. Lives beside the benchmarks so that no deployment can start it.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np

import workers.app
from core.datasets.plan import Plan
from core.datasets.splits import candidate_seed
from workers.generate.candidate import Candidate, generated_facts

SIDE = 16
RGB_U8 = np.full((SIDE, SIDE, 3), 128, np.uint8)
ALPHA_U8 = np.full((SIDE, SIDE), 255, np.uint8)
SCORES = {"coverage": 0.5, "connectedness": 1.0, "mad": 0.0, "iou": 1.0, "grad": 0.0}


class NullSampler:
    """Fills a shard at once, or in as many microseconds as the plan's seed says."""

    def candidates(self, plan: Plan, shard: int) -> Iterator[list[Candidate]]:
        time.sleep(plan.seed / 1e6)
        for start in range(0, plan.max_attempts(shard), plan.batch_size):
            attempts = range(start, start + plan.batch_size)
            yield [
                self._one(plan, attempt, candidate_seed(plan.seed, shard, attempt))
                for attempt in attempts
            ]

    def _one(self, plan: Plan, attempt: int, seed: int) -> Candidate:
        facts = generated_facts(plan, generator="0" * 64, stylematte="0" * 64)
        return Candidate(
            attempt=attempt, seed=seed, rgb_u8=RGB_U8, alpha=ALPHA_U8, scores=SCORES, facts=facts
        )


def null_sampler_cache(*_: object, **__: object) -> Callable[[Plan], NullSampler]:
    """Stands where workers.lifecycle.SamplerCache stands."""
    sampler = NullSampler()
    return lambda plan: sampler


workers.app.SamplerCache = null_sampler_cache
app = workers.app.app
