"""Shards of subsets and of extensions, made by a whole worker in memory."""

import io
import json
import tarfile
from typing import Any

import pytest

from core import keys
from core.datasets.dataset import utcnow
from core.datasets.extensions import extended_plan
from core.datasets.manifest import DatasetRecord
from core.datasets.plan import subset_plan
from core.datasets.sample_tables import SampleTables
from core.datasets.selection import Selection, put_selection, select_by_split
from matteforge.schemas.derived import DerivedFrom
from matteforge.schemas.orders import SPLITS

SHARES = {"train": 0.5, "validation": 0.25, "test": 0.25}


def samples(bench: Any, dataset_id: str) -> dict[str, dict[str, bytes]]:
    """Members of every sample, by key."""
    found: dict[str, dict[str, bytes]] = {}
    for record in bench.catalog.shard_records(dataset_id):
        body, _ = bench.store.get(keys.shard_tar(dataset_id, record.shard))
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            for info in tar:
                key, _, suffix = info.name.partition(".")
                found.setdefault(key, {})[suffix] = tar.extractfile(info).read()  # type: ignore[union-attr]
    return found


def claim(bench: Any, dataset_id: str, parent: str, how: str, plan: Any) -> None:
    """What the API does for a dataset that is made from another."""
    record = bench.catalog.request(parent)
    origin = DerivedFrom(dataset_id=parent, how=how, copies=how == "subset")
    update = {"count": plan.count, "splits": plan.splits, "derived_from": origin}
    made = DatasetRecord(
        id=dataset_id, owner="o", spec=record.spec.model_copy(update=update), plan=plan,
        created_at=utcnow(), body_sha256="1" * 64,
    )  # fmt: skip
    assert bench.catalog.claim(made)
    bench.live.put(bench.catalog.view(dataset_id)[0])


def subset(bench: Any, wanted: list[int], shard_size: int = 3) -> list[str]:
    """Order these samples of ds_a, by their places, as ds_s; their keys in the subset's order."""
    record = bench.catalog.request("ds_a")
    tables = SampleTables(bench.store)
    rows = [
        row
        for shard in bench.catalog.shard_records("ds_a")
        for row in tables.get("ds_a", shard.shard).to_pylist()
    ]
    selection, counts = select_by_split("ds_a", [rows[place] for place in wanted])
    put_selection(bench.store, "ds_s", selection)
    by_split = counts if record.plan.splits else {}
    claim(bench, "ds_s", "ds_a", "subset",
          subset_plan(record.plan, "ds_a", len(wanted), by_split, shard_size))  # fmt: skip
    return selection.keys


@pytest.mark.thorough
@pytest.mark.parametrize("splits", [{}, SHARES], ids=["whole", "in splits"])
def test_a_subset_holds_its_samples_byte_for_byte(bench: Any, splits: dict[str, float]) -> None:
    bench.order(count=16, splits=splits)
    bench.work(60)
    chosen = subset(bench, [15, 1, 4, 5, 9, 12, 13])
    bench.work(60)
    assert bench.live.get("ds_s").state == "completed"
    parent, part = samples(bench, "ds_a"), samples(bench, "ds_s")
    assert len(part) == 7
    assert list(part) == sorted(part)
    for old_key, (key, members) in zip(chosen, part.items(), strict=True):
        old = parent[old_key]
        assert {s: b for s, b in members.items() if s != "json"} == {
            s: b for s, b in old.items() if s != "json"
        }
        before, after = json.loads(old["json"]), json.loads(members["json"])
        assert after == before | {"key": key, "shard": int(key[:6]), "index": int(key[6:])}
    if splits:
        names = [record.name for record in bench.catalog.shard_records("ds_s")]
        found = [name.rpartition("-")[0] for name in names]
        assert found == sorted(found, key=SPLITS.index)
    manifest = json.loads(bench.store.get(keys.manifest("ds_s"))[0])
    assert (manifest["plan"]["parent"], manifest["spec"]["derived_from"]["how"]) == (
        "ds_a", "subset",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("harm", "code"), [("deleted", "source_unavailable"), ("changed", "shard_corrupt")]
)
def test_a_parent_that_is_not_what_it_was_fails_the_subset(
    bench: Any, harm: str, code: str
) -> None:
    bench.order(count=8)
    bench.work(60)
    subset(bench, [0, 5])
    if harm == "deleted":
        bench.catalog.delete("ds_a", utcnow())
    else:
        body, info = bench.store.get(keys.shard_tar("ds_a", 0))
        bench.store.put(keys.shard_tar("ds_a", 0), body[:-1] + b"x", metadata=info.metadata)
    bench.work(60)
    view = bench.live.get("ds_s")
    assert (view.state, view.error.code) == ("failed", code)


def test_a_key_that_is_not_there_fails_it(bench: Any) -> None:
    bench.order(count=8)
    bench.work(60)
    subset(bench, [0, 5])
    other = Selection(parent="ds_a", keys=["00000000009", "00000100001"])
    bench.store.put(keys.selection("ds_s"), other.model_dump_json().encode())
    bench.work(60)
    assert "no sample 00000000009" in bench.live.get("ds_s").error.detail


@pytest.mark.thorough
@pytest.mark.parametrize("splits", [{}, SHARES], ids=["whole", "in splits"])
def test_extensions_go_on_with_keys_names_and_seeds(bench: Any, splits: dict[str, float]) -> None:
    bench.order(count=12, splits=splits)
    bench.work(60)
    for name, parent, count in (("ds_b", "ds_a", 8), ("ds_c", "ds_a", 8), ("ds_d", "ds_b", 4)):
        plan = bench.catalog.request(parent).plan
        claim(bench, name, parent, "extend", extended_plan(bench.store, parent, plan, count))
        bench.work(60)
        assert bench.live.get(name).counts.accepted == count
    every: list[str] = []
    seeds: list[int] = []
    names: list[str] = []
    for dataset_id in ("ds_a", "ds_b", "ds_c", "ds_d"):
        found = samples(bench, dataset_id)
        every += found
        facts = [json.loads(members["json"]) for members in found.values()]
        assert [one["key"] for one in facts] == list(found)
        seeds += [one["seed"] for one in facts]
        names += [record.name for record in bench.catalog.shard_records(dataset_id)]
    assert len(set(every)) == len(set(seeds)) == len(every) == 32
    assert [int(name[-10:-4]) for name in names] == list(range(len(names)))
    assert every == sorted(every)


@pytest.mark.thorough
def test_an_extension_is_what_a_larger_order_would_have_gone_on_with(bench: Any) -> None:
    bench.order(count=8, shard_size=4)
    bench.order("ds_l", count=16, shard_size=4)
    bench.work(60)
    plan = bench.catalog.request("ds_a").plan
    claim(bench, "ds_b", "ds_a", "extend", extended_plan(bench.store, "ds_a", plan, 8))
    bench.work(60)
    larger = [record.sha256 for record in bench.catalog.shard_records("ds_l")]
    parts = [
        record.sha256 for name in ("ds_a", "ds_b") for record in bench.catalog.shard_records(name)
    ]
    assert parts == larger
