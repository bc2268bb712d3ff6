"""A whole worker in memory: stores, a sampler made of discs, and a broker that a test can empty by
hand."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from pydantic import TypeAdapter

from core.adapters.memory import MemoryLiveView, MemoryStore
from core.adapters.memory_doorbell import MemoryDoorbell
from core.adapters.memory_leases import MemoryLeaseBook
from core.datasets.catalog import Catalog
from core.datasets.dataset import utcnow
from core.datasets.manifest import DatasetRecord
from core.datasets.plan import BackgroundPool, Plan, make_plan
from core.messages import Reconcile, RunShard
from core.settings import Settings
from matteforge.schemas.orders import AnySpec
from workers.context import Context
from workers.control.reconcile import reconcile
from workers.generate.candidate import Candidate, Sampler, generated_facts
from workers.generate.run_shard import run_shard
from workers.generate.scores import score_subjects
from workers.shards import companions

BUNDLE = "sha256:" + "b" * 64
THRESHOLDS = {"coverage_min": 0.02, "coverage_max": 0.9, "connectedness": 0.5, "mad": 0.5}

SPEC = TypeAdapter(AnySpec)


@dataclass
class DiscSampler:
    """Discs of random size over noise; `mad` is uniform in [0, 1]."""

    generator: str = "1" * 64
    stylematte: str = "2" * 64
    before_batch: Callable[[int, int], None] = lambda shard, start: None

    def candidates(self, plan: Plan, shard: int) -> Iterator[list[Candidate]]:
        for start in range(0, plan.max_attempts(shard), plan.batch_size):
            self.before_batch(shard, start)
            yield [
                self._one(plan, shard, attempt) for attempt in range(start, start + plan.batch_size)
            ]

    def _one(self, plan: Plan, shard: int, attempt: int) -> Candidate:
        seed = plan.seed_of(shard, shard, attempt)
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[-1:1:16j, -1:1:16j]
        alpha = np.clip((rng.uniform(0.2, 0.8) - np.hypot(x, y)) * 5 + 0.5, 0, 1).astype(np.float32)
        scores = score_subjects(alpha[None])[0] | {"mad": rng.uniform(), "iou": 1.0, "grad": 0.0}
        rgb_u8 = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        levels, kind = (255, np.uint8) if plan.alpha_bits == 8 else (65535, np.uint16)
        grey = (alpha * levels).astype(kind)
        facts = generated_facts(plan, generator=self.generator, stylematte=self.stylematte)
        return Candidate(
            attempt=attempt, seed=seed, rgb_u8=rgb_u8, alpha=grey, scores=scores, facts=facts
        )


@dataclass
class Bench:
    """One worker and its surroundings; `clock_s` is the reconciler's and the leases' time."""

    store: MemoryStore = field(default_factory=MemoryStore)
    live: MemoryLiveView = field(default_factory=MemoryLiveView)
    doorbell: MemoryDoorbell = field(default_factory=MemoryDoorbell)
    sampler: Sampler = field(default_factory=DiscSampler)
    clock_s: float = 1000.0

    def __post_init__(self) -> None:
        self.leases = MemoryLeaseBook(clock=lambda: self.clock_s)
        self.catalog = Catalog(self.store)
        self.context = Context(
            settings=Settings(window=4),
            catalog=self.catalog,
            live=self.live,
            leases=self.leases,
            doorbell=self.doorbell,
            sampler=lambda plan: self.sampler,
        )
        self.live.mark_initialised()

    def with_settings(self, **changes: object) -> None:
        self.context = replace(
            self.context, settings=self.context.settings.model_copy(update=changes)
        )

    def order(
        self,
        dataset_id: str = "ds_a",
        *,
        known: bool = True,
        backgrounds: BackgroundPool | None = None,
        **spec: object,
    ) -> DatasetRecord:
        """Claim a dataset as the API does; `known=False`: Redis was away."""
        parsed = SPEC.validate_python({"count": 10, "shard_size": 4, "seed": 7, **spec})
        plan = make_plan(
            parsed, seed=parsed.seed or 0, bundle=BUNDLE, thresholds=THRESHOLDS, batch_size=4,
            threads=1, max_attempts_per_sample=20, backgrounds=backgrounds,
        )  # fmt: skip
        record = DatasetRecord(
            id=dataset_id, owner="o", spec=parsed, plan=plan, created_at=utcnow(),
            body_sha256="0" * 64,
        )  # fmt: skip
        assert self.catalog.claim(record)
        if known:
            self.live.put(self.catalog.view(dataset_id)[0])
        return record

    def reconcile(self, dataset_id: str | None = None) -> None:
        reconcile(self.context, self.clock_s, dataset_id)

    def run(self, shard: int, dataset_id: str = "ds_a") -> None:
        run_shard(self.context, dataset_id, shard)

    def rung(self) -> list[tuple[str, int]]:
        """(dataset, shard) of the waiting shard messages in the order a worker would take them."""
        waiting = sorted(self.doorbell.rung, key=lambda entry: entry[1])
        return [(m.dataset_id, m.shard) for m, _ in waiting if isinstance(m, RunShard)]

    def take(self) -> bool:
        """Handle the message that a worker would take next; False when there is none."""
        if not self.doorbell.rung:
            return False
        entry = min(self.doorbell.rung, key=lambda entry: entry[1])
        self.doorbell.rung.remove(entry)
        if isinstance(entry[0], RunShard):
            self.run(entry[0].shard, entry[0].dataset_id)
        elif isinstance(entry[0], Reconcile):
            self.reconcile(entry[0].dataset_id)
        return True

    def work(self, ticks: int = 20) -> None:
        """Reconcile and handle every message until nothing moves, at most `ticks` times."""
        for _ in range(ticks):
            self.clock_s += 5
            self.reconcile()
            if not self.doorbell.rung and not self.live.active_ids():
                return
            while self.take():
                pass

    def objects(self) -> dict[str, bytes]:
        return {key: self.store.get(key)[0] for key in self.store.list_keys("")}


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def one_preview(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws an order's first samples once, not again after each of its shards."""
    monkeypatch.setattr(companions, "PREVIEWED", 1)


@pytest.fixture(scope="session")
def bench_class() -> type[Bench]:
    return Bench
