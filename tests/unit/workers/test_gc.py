"""workers.gc: what nobody needs goes, and nothing else."""

import hashlib
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import keys
from core.audit import AuditBook
from core.bundle import Bundle
from core.corpora import CorpusBook, CorpusManifest, CorpusShard
from core.datasets.dataset import utcnow
from core.errors import MatteForgeError
from core.registry import Registry
from matteforge.schemas.audit import AuditLine
from matteforge.schemas.corpora import CorpusKind, Split
from matteforge.schemas.datasets import DatasetState
from workers.gc import collect, find

NOW = utcnow()
NO_GRACE = timedelta(0)
DAY = timedelta(days=1)


def put_bundle(store, name: str, *, alias: bool = False, state: bool = False) -> str:
    """A bundle's files; returns its digest."""
    weights = name.encode()
    sha256 = hashlib.sha256(weights).hexdigest()
    bundle = Bundle(
        name="people", files={"generator.safetensors": sha256}, thresholds={}, resolution=64,
        card={"name": name},
    )  # fmt: skip
    folder = f"registry/{bundle.digest.removeprefix('sha256:')}/"
    store.put(folder + "generator.safetensors", weights)
    store.put(folder + "bundle.json", bundle.to_bytes())
    if alias:
        Registry(store).move_alias("people", "champion", bundle.digest, reason="r")
    if state:
        store.put(keys.training_state(sha256), b"state")
    return bundle.digest


def removed(bench, *, now=NOW, grace=NO_GRACE) -> set[str]:
    return {garbage.key for garbage, gone in collect(bench.context, now, grace=grace) if gone}


def test_bundles_that_nothing_names_go_with_their_training_state(bench):
    first = put_bundle(bench.store, "first", alias=True, state=True)
    second = put_bundle(bench.store, "second", alias=True)  # first is in the history: a way back
    unused = put_bundle(bench.store, "unused", state=True)
    gone = removed(bench)
    assert {key.split("/")[1] for key in gone if key.startswith("registry/")} == {unused[7:]}
    assert [key for key in gone if key.startswith("training-states/")] == [
        keys.training_state(hashlib.sha256(b"unused").hexdigest())
    ]
    assert {Registry(bench.store).bundle(digest).digest for digest in (first, second)}


def test_a_bundle_that_a_dataset_pinned_stays(bench):
    digest = put_bundle(bench.store, "pinned")
    record = bench.order("ds_a")
    pinned = record.model_copy(
        update={"plan": record.plan.model_copy(update={"bundle": digest}), "id": "ds_b"}
    )
    assert bench.catalog.claim(pinned)
    assert removed(bench) == set()
    bench.catalog.delete("ds_b", NOW)
    assert f"registry/{digest[7:]}/bundle.json" in removed(bench)


def test_what_looks_unused_waits_for_the_grace_and_a_second_look(bench):
    digest = put_bundle(bench.store, "new")
    before = bench.objects()
    assert [garbage.key for garbage in find(bench.context, NOW)]
    assert bench.objects() == before  # a look changes nothing
    assert removed(bench, grace=DAY) == set()
    assert removed(bench, now=NOW + DAY / 2, grace=DAY) == set()
    Registry(bench.store).move_alias("people", "candidate", digest, reason="r")
    assert removed(bench, now=NOW + 2 * DAY, grace=DAY) == set()
    bench.store.delete(keys.aliases("people"))
    assert removed(bench, now=NOW + 3 * DAY, grace=DAY) == set()  # seen unused anew
    assert len(removed(bench, now=NOW + 4 * DAY, grace=DAY)) == 2


@pytest.mark.thorough
def test_expired_datasets_go_once_they_have_ended(bench):
    record = bench.order("ds_a")
    over = record.model_copy(update={"id": "ds_b", "expires_at": NOW - DAY})
    assert bench.catalog.claim(over)
    bench.live.put(bench.catalog.view("ds_b")[0])
    assert removed(bench) == set()  # under way
    bench.work()
    assert bench.live.get("ds_b").state is DatasetState.COMPLETED
    assert removed(bench) == {"datasets/ds_b/"}
    assert list(bench.store.list_keys("datasets/ds_b/")) == ["datasets/ds_b/deleted.json"]
    assert bench.live.get("ds_b") is None
    assert bench.live.get("ds_a") is not None


def test_what_a_deletion_left_goes_at_once_and_an_unclaimed_folder_later(bench):
    bench.order("ds_a")
    bench.catalog.delete("ds_a", NOW)
    bench.store.put("datasets/ds_x/shards/000000.tar", b"?")
    assert removed(bench, grace=DAY) == {keys.request("ds_a")}
    assert removed(bench) == {"datasets/ds_x/shards/000000.tar"}


def test_corpus_shards_that_no_manifest_names(bench):
    shards = [
        CorpusShard(name="train-a.tar", split=Split.TRAIN, samples=1, size_bytes=1, sha256="a")
    ]
    CorpusBook(bench.store).grow(
        CorpusManifest(
            name="people", kind=CorpusKind.PAIRS, licence="CC0-1.0", sources=["f"],
            updated_at=NOW, shards=shards,
        )
    )  # fmt: skip
    for stem in ("train-a", "train-b"):
        for suffix in ("tar", "json", "looks"):
            bench.store.put(keys.corpus_shard("people", f"{stem}.{suffix}"), b"x")
    assert removed(bench) == {
        keys.corpus_shard("people", f"train-b.{suffix}") for suffix in ("tar", "json", "looks")
    }


def test_old_audit_lines_go(bench):
    for age in (500, 1):
        line = AuditLine(
            at=NOW - age * DAY, request_id="r", key=None, tenant=None, method="POST", path="/",
            status=401,
        )  # fmt: skip
        AuditBook(bench.store).put([line])
    (gone,) = removed(bench, grace=DAY)
    assert f"{NOW - 500 * DAY:%Y-%m-%d}" in gone


def test_a_record_that_can_not_be_read_stops_it(bench):
    put_bundle(bench.store, "unused")
    bench.order("ds_a")
    bench.store.put(keys.request("ds_a"), b"{}")
    bench.context.catalog._records.clear()
    before = bench.objects()
    with pytest.raises(MatteForgeError):
        list(collect(bench.context, NOW, grace=NO_GRACE))
    assert bench.objects() == before


@pytest.mark.thorough
@given(data=st.data())
def test_nothing_that_is_needed_is_ever_touched(bench_class, data):
    """Random stores: what live datasets hold and what aliases name is whole afterwards."""
    bench = bench_class()
    aliased = data.draw(st.lists(st.sampled_from("abcdef"), unique=True))
    for name in "abcdef":
        put_bundle(bench.store, name, alias=name in aliased, state=data.draw(st.booleans()))
    needed = set()
    for number in range(data.draw(st.integers(0, 4))):
        dataset_id = f"ds_{number}"
        record = bench.order(dataset_id)
        over, gone = data.draw(st.booleans()), data.draw(st.booleans())
        if over:
            body = json.dumps({"expires_at": (NOW - DAY).isoformat()}).encode()
            bench.store.put(keys.expiry(dataset_id), body)
        if gone:
            bench.catalog.delete(dataset_id, NOW)
        else:
            needed |= {keys.request(record.id)}
    for name in aliased:
        digest = hashlib.sha256(name.encode()).hexdigest()
        needed |= {key for key in bench.store.list_keys("registry/")
                   if digest in bench.store.get(key)[0].decode()}  # fmt: skip
    before = {key: bench.store.get(key)[0] for key in needed}
    removed(bench)
    assert {key: bench.store.get(key)[0] for key in needed} == before
