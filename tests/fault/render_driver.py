"""A render worker that draws discs instead of people, and dies when a file says so: started by
chaos.py.

The file's first letter says how: `p`, the process of the pool dies; `f`, the renderer failed twice.
"""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.datasets.plan import Plan
from core.errors import RendererFailed
from deploy.serve import command
from workers.app import app
from workers.lifecycle import SamplerCache

DEATH = Path(sys.argv[1])


class Discs:
    """A sampler of rendered portraits."""

    def candidates(self, plan: Plan, shard: int) -> Iterator[list[Any]]:
        first = plan.part(shard).first_slot
        for attempt in range(plan.samples_in(shard)):
            if DEATH.exists():
                die()
            yield [self._one(plan, attempt, first + attempt, plan.seed_of(shard, first, attempt))]

    def _one(self, plan: Plan, attempt: int, slot: int, seed: int) -> Any:
        import numpy as np

        from workers.generate.candidate import Candidate

        rng, size = np.random.default_rng(seed), plan.render.size
        y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
        alpha = np.clip((rng.uniform(0.4, 0.8) - np.hypot(x, y)) * 5, 0, 1)
        levels, kind = (255, np.uint8) if plan.alpha_bits == 8 else (65535, np.uint16)
        facts = {
            "slot": slot, "redraw": 0, "attributes": {}, "spec": {}, "camera": {},
            "renderer": "discs/1", "stylematte": "2" * 64,
        }  # fmt: skip
        return Candidate(
            attempt=attempt,
            seed=seed,
            rgb_u8=rng.integers(0, 256, (size, size, 3), dtype=np.uint8),
            alpha=(alpha * levels).astype(kind),
            scores={"mad": 0.0, "coverage": float(alpha.mean())},
            facts=facts,
        )


def die() -> None:
    how = DEATH.read_text()
    DEATH.unlink(missing_ok=True)
    if how.startswith("p"):
        os.kill(os.getpid(), signal.SIGKILL)
    raise RendererFailed("the renderer died twice on one portrait: chaos")


SamplerCache.__call__ = lambda self, plan: Discs()  # type: ignore[method-assign]
arguments = command("render")
app.worker_main(arguments[arguments.index("worker") :])
