"""A render worker whose renderer draws discs, and dies when a file says so: started by chaos.py.

The file's first letter says how: `p`, the process of the pool dies; `f`, the renderer failed twice.
"""

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.serve import command
from workers.app import app
from workers.lifecycle import SamplerCache

DEATH = Path(sys.argv[1])


@dataclass(frozen=True)
class Sketch:
    """Stands for a person and for what surveying them gives."""

    seed: int
    labels: dict[str, str]
    framing: str
    defects: tuple[str, ...] = ()

    def to_json(self) -> str:
        import json

        return json.dumps({"seed": self.seed, "labels": self.labels})

    @property
    def spec(self) -> "Sketch":
        return self


class Discs:
    """A renderer."""

    def survey(self, spec: Sketch) -> Sketch:
        return spec

    def draw(self, surveyed: Sketch, size: int, members: tuple[str, ...]) -> object:
        import numpy as np

        from core.errors import RendererFailed
        from models.renderer.blender.picture import RenderedPicture

        if DEATH.exists():
            how = DEATH.read_text()
            DEATH.unlink(missing_ok=True)
            if how.startswith("p"):
                os.kill(os.getpid(), signal.SIGKILL)
            raise RendererFailed("the renderer died twice on one portrait: chaos")
        rng = np.random.default_rng(surveyed.seed)
        y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
        alpha = np.clip((rng.uniform(0.4, 0.8) - np.hypot(x, y)) * 5, 0, 1).astype(np.float32)
        rgb_u8 = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
        return RenderedPicture(rgb_u8=rgb_u8, alpha=alpha, camera={"focal_px": 100.0})


def load_studio(self: SamplerCache, digest: str) -> object:
    from core.bundle import load_bundle_folder
    from models.networks.checkpoints.load import load_stylematte
    from workers.bundles import STYLEMATTE_FILE
    from workers.generate import rendered_sampler

    rendered_sampler.draw_spec = lambda seed, labels, framing: Sketch(seed, dict(labels), framing)
    folder = self._bundles.fetch(digest)
    return rendered_sampler.RenderedSampler(
        Discs(),
        load_stylematte(folder / STYLEMATTE_FILE),
        version="discs/1",
        stylematte=load_bundle_folder(folder).files[STYLEMATTE_FILE],
        device=self._device,
    )


SamplerCache._load_studio = load_studio
arguments = command("render")
app.worker_main(arguments[arguments.index("worker") :])
