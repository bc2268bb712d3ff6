"""Orders two samples at 512 and at 1024 px from the real one-machine stack, by an untrained bundle
of the paper's size.

Both networks have the paper's sizes and random weights, and the thresholds pass everything: this
times the way, not the pictures. Prints wall seconds and the peak resident memory of the generate
worker's child; JSON with --out.
"""

import argparse
import json
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import torch

from deploy.local.stack import Stack
from matteforge.client import MatteForge
from models.networks.checkpoints.checkpoint import save_checkpoint
from models.networks.stylegan3 import build_generator
from models.networks.stylematte import StyleMatte, preset
from workers.bundles import assemble


def untrained_bundle(folder: Path, resolution: int) -> Path:
    """A bundle `humans` of StyleMatteGAN (StyleGAN3-T, base 32768, max 512) and StyleMatte
    (Swin-T)."""
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    generator, matte = build_generator({"img_resolution": resolution}), StyleMatte(preset("swin-t"))
    files = folder / "generator.st", folder / "stylematte.st"
    save_checkpoint(
        files[0],
        kind="stylemattegan-generator",
        config=generator.config.to_dict(),
        state=generator.state_dict(),
    )
    save_checkpoint(
        files[1], kind="stylematte", config=matte.config.to_dict(), state=matte.state_dict()
    )
    assemble(
        folder / "humans",
        name="humans",
        generator=files[0],
        stylematte=files[1],
        thresholds={"coverage_min": 0.0},
    )
    return folder / "humans"


class PeakMemory:
    """Samples the largest resident memory of a program and its children, ten times a second."""

    def __init__(self, pid: int) -> None:
        self.peak_mib, self._root, self._over = 0.0, psutil.Process(pid), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            resident = [p.memory_info().rss for p in self._root.children(recursive=True)]
            self.peak_mib = max([self.peak_mib, *(bytes_ / 2**20 for bytes_ in resident)])

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def order(resolution: int, folder: Path) -> dict[str, Any]:
    bundle = untrained_bundle(folder / f"bundle-{resolution}", resolution)
    stack = Stack(folder / f"data-{resolution}", bundles=(bundle,))
    with stack, MatteForge(stack.url, stack.api_key) as client:
        start_s = time.monotonic()
        with PeakMemory(stack.supervisor.pids()["generate-1"]) as memory:
            dataset = client.wait(
                client.order(2, seed=1, shard_size=2).id, poll_s=0.2, timeout_s=1500
            )
        wall_s = time.monotonic() - start_s
        client.download(dataset.id, folder / f"got-{resolution}")
        size = sum(file.stat().st_size for file in (folder / f"got-{resolution}").rglob("*.tar"))
    return {
        "resolution": resolution, "state": dataset.state, "accepted": dataset.counts.accepted,
        "attempted": dataset.counts.attempted, "wall_s": round(wall_s, 1),
        "generate_peak_mib": round(memory.peak_mib), "tar_bytes": size,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resolutions", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--out", type=Path, help="write the JSON here")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="matteforge-paper-") as name:
        results = [order(resolution, Path(name)) for resolution in options.resolutions]
    text = json.dumps(results, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
