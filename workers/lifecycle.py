"""What a pool's child process owns: its death with its parent, and the bundles it has loaded."""

import ctypes
import logging
import os
import signal
import sys
import tempfile
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from celery.signals import worker_process_init

from core.datasets.plan import Plan
from core.errors import CheckpointRejected, NotFound, SourceUnavailable
from core.ports import ObjectStore
from core.registry import Registry
from workers.temporary import move_in

if TYPE_CHECKING:
    from torch import nn

    from models.renderer.blender.process import RenderProcess
    from workers.generate.backdrops import Backdrops
    from workers.generate.candidate import Sampler

PR_SET_PDEATHSIG = 1  # prctl(2)
BUNDLES_KEPT = 2
CHATTER = (
    "celery.beat",
    "celery.worker.strategy",
    "celery.app.trace",
)  # a line and more for every tick


def die_with(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent ends, however it ends. Does nothing but on
    Linux."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it ended before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def install_signals() -> None:
    """To be called in the parent: the children that Celery forks die with it, and have a temporary
    folder of their own. Celery logs no line for each tick."""
    parent_pid = os.getpid()
    for name in CHATTER:
        logging.getLogger(name).setLevel(logging.WARNING)
    worker_process_init.connect(lambda **_: die_with(parent_pid), weak=False)
    worker_process_init.connect(lambda **_: move_in(), weak=False)


class StyleMatteCache:
    """Loaded StyleMatte networks by their bundle's digest; the least recently used one is dropped
    first. Torch is imported by the first call."""

    def __init__(self, registry: Registry, *, cache_dir: Path | None, device: str) -> None:
        self._bundles = BundleFolders(registry, cache_dir)
        self._device = device
        self._network = lru_cache(BUNDLES_KEPT)(self._load)

    def __call__(self, digest: str) -> "nn.Module":
        """The network, in eval mode on this process's device. Raises CheckpointRejected."""
        return self._network(digest)

    def _load(self, digest: str) -> "nn.Module":
        from models.kernels.compile_notice import announce_compilation
        from models.networks.checkpoints.load import load_stylematte
        from workers.bundles import STYLEMATTE_FILE
        from workers.generate.generated_sampler import pick_device

        announce_compilation()
        network = load_stylematte(self._bundles.fetch(digest) / STYLEMATTE_FILE)
        return network.to(pick_device(self._device))


class BackdropCache:
    """Corpora of backgrounds on this machine's disk; the least recently used one is dropped
    first."""

    def __init__(self, store: ObjectStore, *, cache_dir: Path | None) -> None:
        self._store = store
        self._temporary = (
            None if cache_dir else tempfile.TemporaryDirectory(prefix="matteforge-backgrounds-")
        )
        base = cache_dir or Path(self._temporary.name if self._temporary else "")
        self._folder = base / "backgrounds"
        self._loaded: OrderedDict[str, Backdrops] = OrderedDict()

    def __call__(self, plan: Plan) -> "Backdrops | None":
        """Those of a plan; None where it names no corpus. Raises CorpusRejected."""
        pool = plan.backgrounds
        if pool is None:
            return None
        if pool.digest not in self._loaded:
            from workers.generate.backdrops import open_backdrops

            while len(self._loaded) >= BUNDLES_KEPT:
                self._loaded.popitem(last=False)
            self._loaded[pool.digest] = open_backdrops(self._store, pool, self._folder)
        self._loaded.move_to_end(pool.digest)
        return self._loaded[pool.digest]


class BundleFolders:
    """Bundles on this machine's disk, fetched once."""

    def __init__(self, registry: Registry, cache_dir: Path | None) -> None:
        self._registry = registry
        self._temporary = (
            None if cache_dir else tempfile.TemporaryDirectory(prefix="matteforge-bundles-")
        )
        self._folder = cache_dir or Path(self._temporary.name if self._temporary else "")

    def fetch(self, digest: str) -> Path:
        """The folder of a bundle. Raises CheckpointRejected when it was never published."""
        try:
            return self._registry.fetch(digest, self._folder)
        except NotFound as error:
            raise CheckpointRejected(error.detail) from error


class SamplerCache:
    """Loaded bundles by source; the least recently used one is dropped first. Torch is imported by
    the first call."""

    def __init__(self, registry: Registry, *, cache_dir: Path | None, device: str) -> None:
        self._bundles = BundleFolders(registry, cache_dir)
        self._device = device
        self._loaded: OrderedDict[tuple[str, bool], Sampler] = OrderedDict()
        self._renderer: RenderProcess | None = None  # one a process, whatever the bundle

    def __call__(self, plan: Plan) -> "Sampler":
        """The sampler of a plan's source and bundle.

        Raises CheckpointRejected when the bundle was never published or can't be loaded,
        SourceUnavailable when portraits are to be rendered and this process can't.
        """
        if plan.render:
            self._check_renderer(plan.render.domain)
        key = plan.bundle, plan.render is not None
        if key not in self._loaded:
            from models.kernels.compile_notice import announce_compilation

            announce_compilation()
            while len(self._loaded) >= BUNDLES_KEPT:
                self._loaded.popitem(last=False)
            self._loaded[key] = (
                self._load_studio(plan.bundle) if plan.render else self._load_engine(plan.bundle)
            )
        self._loaded.move_to_end(key)
        return self._loaded[key]

    def _check_renderer(self, domain: str) -> None:
        from models.renderer.availability import available

        if reason := available(domain):
            raise SourceUnavailable(f"this worker can't render {domain}: {reason}")

    def _load_engine(self, digest: str) -> "Sampler":
        from workers.generate.generated_sampler import GeneratedSampler

        return GeneratedSampler.from_folder(self._bundles.fetch(digest), device=self._device)

    def _load_studio(self, digest: str) -> "Sampler":
        from models.renderer.blender.process import RenderProcess
        from workers.generate.rendered_sampler import RenderedSampler

        self._renderer = self._renderer or RenderProcess(threads=1)
        return RenderedSampler.from_folder(
            self._bundles.fetch(digest), self._renderer, device=self._device
        )
