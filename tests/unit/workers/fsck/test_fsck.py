"""Ten damages are planted in a bucket; each is found, and mended where that can be done."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core import keys
from core.registry import Bundle
from workers.fsck.check import check
from workers.fsck.findings import Finding, Pace, Problem

DONE, OPEN = "ds_done", "ds_open"


def swept(bench: Any, **options: Any) -> list[Finding]:
    return list(check(bench.context, Pace(1e12), **{"repair": False, **options}))


def publish(store: Any, name: str, content: bytes = b"weights") -> str:
    files = {"generator.safetensors": hashlib.sha256(content).hexdigest()}
    bundle = Bundle(name=name, files=files, thresholds={}, resolution=64)
    prefix = f"registry/{bundle.digest.removeprefix('sha256:')}/"
    store.put(prefix + "generator.safetensors", content)
    store.put(prefix + "bundle.json", bundle.to_bytes())
    return prefix


@pytest.fixture
def full(bench: Any) -> Any:
    """A dataset that is complete, one under way, a bundle."""
    bench.order(DONE, count=20)
    bench.work()
    bench.order(OPEN, count=20)
    for shard in range(3):
        bench.run(shard, OPEN)
    publish(bench.store, "humans")
    return bench


@pytest.mark.thorough
def test_a_whole_bucket_has_no_findings(full: Any) -> None:
    before = full.objects()
    assert swept(full) == []
    assert full.objects() == before


@pytest.fixture
def plant(full: Any, plant_damages: Callable[..., dict[str, str]]) -> Callable[[], dict[str, str]]:
    """Does ten damages; tells what is to be found, by key."""

    def damage() -> dict[str, str]:
        weights = publish(full.store, "cats", b"whole") + "generator.safetensors"
        full.store.put(weights, b"other")
        return plant_damages(full.store, DONE, keys.shard_tar(OPEN, 1)) | {weights: "wrong bytes"}

    return damage


@pytest.mark.thorough
def test_ten_planted_damages_are_found_and_nothing_is_changed(full: Any, plant: Any) -> None:
    planted = plant()
    before = full.objects()
    found = {finding.key: finding.problem for finding in swept(full)}
    assert found == planted
    marked = keys.tombstone(DONE, "damaged")
    assert {key: body for key, body in full.objects().items() if key != marked} == before
    assert full.live.get(DONE).damaged
    assert len(json.loads(full.store.get(marked)[0])["findings"]) == 5
    assert not full.live.get(OPEN).damaged, "it is still under way"


@pytest.mark.thorough
def test_repair_makes_the_same_bytes_anew(full: Any, plant: Any) -> None:
    whole = {key: body for key, body in full.objects().items() if DONE in key}
    (beyond,) = {key for key, problem in plant().items() if key.startswith("registry/")}
    swept(full)
    left = [finding.key for finding in swept(full, repair=True) if not finding.repaired]
    assert left == [beyond], "a network's weights can't be made again"
    assert {key: body for key, body in full.objects().items() if DONE in key} == whole
    assert not full.live.get(DONE).damaged
    full.work()
    assert full.live.get(OPEN).state == "completed"
    assert [finding.key for finding in swept(full)] == [beyond]


@pytest.mark.thorough
def test_another_machines_bytes_stay_damaged(full: Any) -> None:
    """What is made here must be what the manifest names."""
    full.store.delete(keys.shard_tar(DONE, 0))
    full.sampler.generator = "9" * 64
    (finding,) = swept(full, repair=True)
    assert (finding.problem, finding.repaired) == (Problem.MISSING, "")
    assert full.live.get(DONE).damaged
    assert full.store.head(keys.shard_tar(DONE, 0)) is None


@pytest.mark.thorough
def test_a_check_goes_on_where_it_was_interrupted(full: Any, plant: Any, tmp_path: Path) -> None:
    plant()
    resume = tmp_path / "fsck"
    running: Iterator[Finding] = check(full.context, Pace(1e12), repair=False, resume=resume)
    while "ds_nobody" not in next(running).key:
        pass
    running.close()
    assert resume.read_text() == f"{DONE}\n"
    assert all(DONE not in finding.key for finding in swept(full, resume=resume))
    assert not resume.exists()


def test_reading_is_held_down_to_the_rate() -> None:
    now = [0.0]
    pace = Pace(1000, clock=lambda: now[0], sleep=lambda s: now.__setitem__(0, now[0] + s))
    for _ in range(10):
        pace.read(500)
    assert now[0] == pytest.approx(5.0)


@pytest.mark.thorough
def test_leftovers_of_a_deletion_are_removed(full: Any) -> None:
    full.catalog.delete(DONE, full.catalog.request(DONE).created_at)
    assert all(finding.repaired for finding in swept(full, repair=True))
    kept = [key for key in full.objects() if DONE in key]
    assert kept == [keys.tombstone(DONE, "deleted")]
