"""A training run of tiny sizes on memory adapters."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.adapters.memory import MemoryDoorbell, MemoryLeaseBook, MemoryLiveView, MemoryStore
from core.corpora import CorpusBook
from core.datasets.catalog import Catalog
from core.registry import Registry
from core.settings import Settings
from core.training.run import TrainingView, new_run_id
from core.training.runs import TrainingRuns, pin_run
from matteforge.schemas.training import TrainingSpec
from workers.context import Context
from workers.cycle.corpora import add_corpus
from workers.cycle.run_cycle import run_cycle

PORTRAITS = Path(__file__).parents[1] / "data" / "portraits-000000.tar"


@dataclass
class Forge:
    """A store with one corpus, `people`, and a trainer."""

    context: Context

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


@pytest.fixture(scope="session")
def forge_after_one_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Forge, str]:
    """Left as it is by those who look at it."""
    forge = make_forge(MemoryStore(), tmp_path_factory.mktemp("forge"))
    add_corpus(CorpusBook(forge.store), "people", PORTRAITS, licence="CC0-1.0")
    run_id = forge.order()
    forge.run(run_id)
    return forge, run_id


@pytest.fixture
def fork(forge_after_one_run: tuple[Forge, str], tmp_path: Path) -> Callable[[], Forge]:
    """A copy of that forge, to be changed; its caches are empty."""

    def copy() -> Forge:
        store = MemoryStore()
        store._objects = dict(forge_after_one_run[0].store._objects)
        return make_forge(store, tmp_path / "cache")

    return copy
