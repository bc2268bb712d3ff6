"""A training run of tiny sizes on memory adapters."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.nn.utils.parametrize import ParametrizationList

from core.adapters.memory import MemoryLiveView, MemoryStore
from core.adapters.memory_doorbell import MemoryDoorbell
from core.adapters.memory_leases import MemoryLeaseBook
from core.corpora import CorpusBook
from core.datasets.catalog import Catalog
from core.registry import Registry
from core.settings import Settings
from core.training.run import TrainingView, new_run_id
from core.training.runs import TrainingRuns, pin_run
from matteforge.schemas.training import TrainingSpec
from workers.context import Context
from workers.cycle import run_cycle as cycle
from workers.cycle.corpora import add_corpus
from workers.cycle.run_cycle import run_cycle

PORTRAITS = Path(__file__).parents[1] / "data" / "portraits-000000.tar"


@dataclass
class Forge:
    """A store with one corpus, `people`, and a trainer."""

    context: Context
    strays: set[str] = field(default_factory=set)
    """Modules that ran in the first run and had never been moved to the worker's device."""

    @property
    def store(self) -> MemoryStore:
        return self.context.catalog.store

    @property
    def runs(self) -> TrainingRuns:
        return TrainingRuns(self.store)

    @property
    def registry(self) -> Registry:
        return Registry(self.store)

    def order(self, domain: str = "people", **changes: object) -> str:
        """Claim a run as the API does; returns its id."""
        spec = TrainingSpec(
            **{
                "domain": domain,
                "preset": "tiny",
                "labelled": ["people"],
                "unlabelled": ["people"],
                **changes,
            }
        )
        record = pin_run(self.store, spec, run_id=new_run_id("o", None), owner="o")
        assert self.runs.claim(record)
        return record.id

    def run(self, run_id: str) -> TrainingView:
        run_cycle(self.context, run_id)
        return self.runs.view(run_id)


def make_forge(store: MemoryStore, cache: Path) -> Forge:
    context = Context(
        settings=Settings(cache_dir=cache, device="cpu"),
        catalog=Catalog(store),
        live=MemoryLiveView(),
        leases=MemoryLeaseBook(),
        doorbell=MemoryDoorbell(),
        sampler=lambda digest: pytest.fail("not asked for"),
    )
    return Forge(context)


@contextmanager
def device_spy() -> Iterator[set[str]]:
    """Tells which modules with weights run without having been moved to the worker's device.

    That device is `cpu:0`, which works as `cpu` does, and is told apart where modules are moved.
    """
    strays, move = set[str](), nn.Module.to

    def moved(self: nn.Module, *args: Any, **options: Any) -> nn.Module:
        device = torch._C._nn._parse_to(*args, **options)[0]
        for module in self.modules() if device == torch.device("cpu", 0) else ():
            module.__dict__["_moved_by_name"] = True  # deep copies keep it
        return move(self, *args, **options)

    def look(module: nn.Module, _: object) -> None:
        own = module._parameters and not isinstance(module, ParametrizationList)
        if own and "_moved_by_name" not in module.__dict__:
            strays.add(type(module).__qualname__)

    hook = register_module_forward_pre_hook(look)
    with (
        mock.patch.object(nn.Module, "to", moved),
        mock.patch.object(cycle, "pick_device", return_value=torch.device("cpu", 0)),
        # A bundle that is published is sampled once by the processor, wherever the worker works.
        mock.patch("workers.bundles._check_sample"),
    ):
        try:
            yield strays
        finally:
            hook.remove()


@pytest.fixture(scope="session")
def forge_after_one_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Forge, str]:
    """Left as it is by those who look at it."""
    forge = make_forge(MemoryStore(), tmp_path_factory.mktemp("forge"))
    add_corpus(CorpusBook(forge.store), "people", PORTRAITS, licence="CC0-1.0")
    run_id = forge.order()
    with device_spy() as strays:
        forge.run(run_id)
    forge.strays = strays
    return forge, run_id


@pytest.fixture
def empty_forge(tmp_path: Path) -> Forge:
    """A store without corpora and models, and a trainer."""
    return make_forge(MemoryStore(), tmp_path / "cache")


@pytest.fixture
def fork(forge_after_one_run: tuple[Forge, str], tmp_path: Path) -> Callable[[], Forge]:
    """A copy of that forge, to be changed; its caches are empty."""

    def copy() -> Forge:
        store = MemoryStore()
        store._objects = dict(forge_after_one_run[0].store._objects)
        return make_forge(store, tmp_path / "cache")

    return copy
