"""Batches: what is in an archive, parts and their order, cancel, crashes, the end."""

import csv
import io
import stat
import zipfile
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from core import keys
from core.datasets.dataset import utcnow
from core.errors import StoreUnavailable
from core.leases import hold
from core.matte_batch import BatchRecord, batch_lease, new_batch_id
from core.matte_batches import KEPT, MatteBatches
from core.mattes import MatteOrder
from core.messages import RunMatteBatch
from matteforge.schemas.datasets import DatasetState
from workers.control.reconcile_mattes import reconcile_mattes
from workers.mattes import unpack
from workers.mattes.run_batch import run_matte_batch

ID = new_batch_id("o", "key")


def zipped(*entries: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return file.getvalue()


@pytest.fixture
def batch(bench: Any, bright: Any, pictures: SimpleNamespace) -> Any:
    """A batch's book, its context, and what starts and works on one."""

    class Batch:
        book = MatteBatches(bench.store)
        context = replace(bench.context, stylematte=lambda digest: bright)
        png = pictures.saved(pictures.ramp(8, 8), "PNG")

        def order(self, archive: bytes | None, *, prefix: str | None = None, **order: object):
            matte = MatteOrder(owner="o", bundle="b", output="alpha", **order)
            record = BatchRecord(
                id=ID, matte=matte, prefix=prefix, created_at=utcnow(), body_sha256=""
            )
            assert self.book.claim(record)
            if archive is not None:
                bench.store.put(keys.matte_batch(ID, "archive.zip"), archive)

        def step(self) -> None:
            run_matte_batch(self.context, ID, max_pixels=1_000_000)

        def work(self) -> list[DatasetState]:
            """Until it has ended; the states on the way."""
            states = []
            bench.doorbell.ring(RunMatteBatch(batch_id=ID))
            while bench.doorbell.rung:
                bench.doorbell.rung.pop(0)
                states.append(self.book.view(ID).state)
                self.step()
            return states

        def end(self):
            return self.book.end(ID)

        def results(self) -> zipfile.ZipFile:
            body = bench.store.get(keys.matte_batch(ID, "results.zip"))[0]
            return zipfile.ZipFile(io.BytesIO(body))

    return Batch()


def test_a_batch_goes_through_the_states_and_leaves_results_alone(batch, bench):
    batch.order(zipped(*((f"people/{i:02}.png", batch.png) for i in range(20))))
    assert batch.book.active() == [ID]
    states = batch.work()
    assert [states[0], states[1], batch.end().state] == ["queued", "running", "completed"]
    assert batch.book.active() == []
    view = batch.book.view(ID)
    assert (view.total, view.made, view.failed) == (20, 20, 0)
    left = {key.split("/")[2] for key in bench.store.list_keys(keys.matte_batch(ID, ""))}
    assert left == {"end.json", "order.json", "parts", "pictures.json", "results", "results.zip"}
    names = batch.results().namelist()
    assert names == [f"people/{i:02}.png" for i in range(20)] + ["outcomes.csv"]
    assert Image.open(batch.results().open(names[0])).size == (8, 8)
    assert (
        batch.end().size_bytes == bench.store.head(keys.matte_batch(ID, "results.zip")).size_bytes
    )
    batch.step()
    assert batch.book.view(ID).made == 20, "a message too many does nothing"


def test_what_is_wrong_with_one_picture_is_told_and_the_rest_is_made(batch):
    archive = zipped(
        ("a.png", batch.png), ("notes.txt", b"none"), ("../../etc/passwd", batch.png),
        ("/root.png", batch.png), ("a/./b.png", batch.png), ("__MACOSX/._a.png", b"x"),
        ("Thumbs.db", b"x"), (".DS_Store", b"x"), ("folder/", b""), ("a.jpg", batch.png),
        ("x" * 300, batch.png),
    )  # fmt: skip
    batch.order(archive)
    batch.work()
    assert batch.end().state == "completed"
    rows = list(csv.DictReader(io.TextIOWrapper(batch.results().open("outcomes.csv"))))
    told = {row["picture"]: row["error"] for row in rows}
    assert {name: text for name, text in told.items() if not text} == {"a.png": "", "a.jpg": ""}
    assert "damaged, or not PNG" in told["notes.txt"]
    assert all("leads out" in told[name] for name in ("../../etc/passwd", "/root.png"))
    assert "empty part" in told["a/./b.png"]
    assert "200 characters" in told["x" * 300]
    assert len(told) == 7
    assert {row["result"] for row in rows} == {"a.png.png", "a.jpg.png", ""}
    assert batch.results().namelist() == ["a.png.png", "a.jpg.png", "outcomes.csv"]


def test_folders_of_a_zip_made_on_windows_are_folders_and_no_way_out(batch):
    names = ("in\\deep\\a.png", "in\\b.png", "./c.png", "in/b.png", "C:\\d.png", "..\\e.png",
             "\\f.png", "in\\Thumbs.db", "in\\")  # fmt: skip
    batch.order(zipped(*((name, batch.png) for name in names)))
    batch.work()
    rows = list(csv.DictReader(io.TextIOWrapper(batch.results().open("outcomes.csv"))))
    made = [row["result"] for row in rows if row["result"]]
    assert made == ["in/deep/a.png", "in/b.png.png", "c.png"]
    refused = {row["picture"]: row["error"] for row in rows if row["error"]}
    assert "twice" in refused.pop("in/b.png")
    assert set(refused) == {"C:/d.png", "../e.png", "/f.png"}
    assert all("leads out" in text for text in refused.values())


def test_no_name_of_a_picture_is_a_formula_in_a_spreadsheet(batch):
    names = ("=HYPERLINK(1).png", "-1+2.png", "@SUM(A1).png", "+1.png")
    batch.order(zipped(*((name, batch.png) for name in names), ("plain.png", batch.png)))
    batch.work()
    rows = list(csv.DictReader(io.TextIOWrapper(batch.results().open("outcomes.csv"))))
    assert [row["picture"] for row in rows] == [f"./{name}" for name in names] + ["plain.png"]
    assert not any(cell[:1] in "=+-@" for row in rows for cell in row.values() if cell)


def test_names_twice_damaged_entries_and_encrypted_ones_are_refused_alone(batch, monkeypatch):
    monkeypatch.setattr(unpack, "MAX_PICTURE_BYTES", 1000)
    with pytest.warns(UserWarning, match="Duplicate"):
        body = zipped(
            *[("a.png", batch.png)] * 2, ("b.png", b"B" * 600), ("c.png", b"C" * 600),
            ("large.png", b"l" * 1001), ("d.png", b"D" * 600),
        )  # fmt: skip
    raw = bytearray(body)
    infos = zipfile.ZipFile(io.BytesIO(body)).infolist()
    raw[infos[2].header_offset + 30 + len("b.png")] ^= 0xFF  # the compressed bytes themselves
    directory = raw.index(b"PK\x01\x02")
    entry = raw.index(b"c.png", directory) - 46
    raw[entry + 8] |= 1  # says that it is encrypted
    entry = raw.index(b"d.png", directory) - 46
    raw[entry + 10] = 9  # says that it is packed by Deflate64
    batch.order(bytes(raw))
    batch.work()
    pictures = batch.book.pictures(ID)
    found = [outcome.detail for outcome in batch.book.outcomes(ID, pictures, range(6))]
    assert found[0] is None
    assert "twice" in found[1]
    assert "the archive is damaged" in found[2]
    assert found[3] == "it is encrypted"
    assert "more than" in found[4]
    assert "with Deflate" in found[5]


@pytest.mark.parametrize(
    ("archive", "told"),
    [
        (b"no zip at all", "damaged, or no zip"),
        (zipped(), "no pictures in the archive"),
        (zipped(("a.txt", b"x"), ("b.txt", b"y")), "none of the 2 pictures could be cut out"),
    ],
)
def test_an_archive_without_pictures_fails_the_batch(batch, archive, told):
    batch.order(archive)
    batch.work()
    assert batch.end().state == "failed"
    assert told in batch.end().error.detail
    assert batch.book.active() == []


def test_bombs_are_refused_before_they_are_unpacked(batch, monkeypatch):
    monkeypatch.setattr(unpack, "MAX_UNPACKED_BYTES", 1 << 20)
    batch.order(zipped(*((f"{i}.png", bytes(1 << 19)) for i in range(3))))
    batch.work()
    assert "unpacks to more than" in batch.end().error.detail
    monkeypatch.setattr(unpack, "MAX_BATCH_PICTURES", 2)
    batch.book.remove(ID)
    batch.order(zipped(*((f"{i}.png", b"x") for i in range(3))))
    batch.work()
    assert "at most 2 pictures" in batch.end().error.detail


def test_links_in_an_archive_are_no_way_out(batch):
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("a.png", batch.png)
    batch.order(file.getvalue())
    batch.work()
    assert (batch.book.view(ID).made, batch.book.view(ID).failed) == (1, 1)


def test_a_folder_of_the_store_is_read_where_it_lies_and_no_other_tenant_s(batch, bench):
    for tenant, name in (("o", "june/a.png"), ("o", "june/deep/b.png"), ("o", "july/c.png"),
                         ("other", "june/d.png")):  # fmt: skip
        bench.store.put(keys.incoming(tenant, name), batch.png)
    batch.order(None, prefix="june/")
    batch.work()
    assert [picture.name for picture in batch.book.pictures(ID).items] == ["a.png", "deep/b.png"]
    assert batch.end().state == "completed"
    assert bench.store.head(keys.incoming("o", "june/a.png")), "the source stays"
    batch.book.remove(ID)
    bench.store.put(keys.incoming("o", "may/x/../../../y.png"), batch.png)
    batch.order(None, prefix="may/")
    batch.work()
    assert "leads out" in batch.end().error.detail
    batch.book.remove(ID)
    batch.order(None, prefix="august/")
    batch.work()
    assert "no pictures below august/" in batch.end().error.detail


def test_cancelling_keeps_what_is_made(batch, bench):
    batch.order(zipped(*((f"{i:02}.png", batch.png) for i in range(20))))
    batch.step()
    batch.step()
    batch.book.cancel(ID, utcnow())
    with hold(bench.leases, batch_lease(ID, 2), ttl_s=30, renew_s=5):
        batch.step()
        assert batch.end() is None, "somebody still works on a part"
    batch.step()
    assert batch.end().state == "cancelled"
    view = batch.book.view(ID)
    assert (view.total, view.made) == (20, 8)
    rows = list(csv.DictReader(io.TextIOWrapper(batch.results().open("outcomes.csv"))))
    assert [row["error"] for row in rows].count("cancelled") == 12


def test_cancelled_before_it_began_and_in_mid_part(batch, bright):
    batch.order(zipped(("a.png", batch.png), ("b.png", batch.png)))
    batch.book.cancel(ID, utcnow())
    batch.step()
    assert (batch.end().state, batch.end().size_bytes) == ("cancelled", None)
    batch.book.remove(ID)
    batch.order(zipped(("a.png", batch.png), ("b.png", batch.png)))
    batch.step()
    forward = bright.forward

    def cancels(image):
        batch.book.cancel(ID, utcnow())
        return forward(image)

    bright.forward = cancels
    batch.work()
    assert (batch.end().state, batch.book.view(ID).made) == ("cancelled", 0)


def test_two_workers_make_different_parts(batch, bench):
    batch.order(zipped(*((f"{i:02}.png", batch.png) for i in range(10))))
    batch.step()
    with hold(bench.leases, batch_lease(ID, 0), ttl_s=30, renew_s=5):
        batch.step()
        assert set(batch.book.parts(ID)) == {1}
        batch.step()
        assert set(batch.book.parts(ID)) == {1}, "what another one works on is left to it"
    batch.work()
    assert batch.end().state == "completed"


def test_a_picture_that_kills_its_workers_is_given_up(batch, bench):
    batch.order(zipped(("a.png", batch.png), ("killer.png", batch.png)))
    batch.step()
    for _ in range(3):
        bench.leases.begin_try(f"matte-batch/{ID}/1", 3600)
    batch.work()
    assert (batch.book.view(ID).made, batch.book.view(ID).failed) == (1, 1)
    outcome = list(batch.book.outcomes(ID, batch.book.pictures(ID), range(2)))[1]
    assert "3 workers ended" in outcome.detail


def test_an_outage_is_no_end_and_the_reconciler_rings_again(batch, bench):
    batch.order(zipped(("a.png", batch.png)))
    batch.step()
    bench.doorbell.rung.clear()

    def away(digest: str):
        raise StoreUnavailable

    working, batch.context = batch.context, replace(batch.context, stylematte=away)
    with pytest.raises(StoreUnavailable):
        batch.step()
    assert batch.end() is None
    for _ in range(3):
        reconcile_mattes(bench.context)
    assert [message for message, _ in bench.doorbell.rung] == [RunMatteBatch(batch_id=ID)]
    batch.context = working
    batch.work()
    assert batch.end().state == "completed"


def test_a_network_or_a_background_that_can_t_be_used_ends_the_batch_at_once(batch, bench):
    batch.context = bench.context
    batch.order(zipped(("a.png", batch.png)))
    batch.work()
    assert (batch.end().state, batch.end().error.code) == ("failed", "source_unavailable")
    batch.book.remove(ID)
    batch.order(zipped(("a.png", batch.png)), background="picture")
    batch.book.put_background(ID, b"no picture")
    batch.work()
    assert batch.end().error.detail.startswith("the background is damaged")


def test_an_archive_that_never_arrives_fails_the_batch_in_the_end(batch, monkeypatch):
    batch.order(None)
    batch.step()
    assert batch.end() is None
    monkeypatch.setattr("workers.mattes.run_batch.ARRIVAL", timedelta(0))
    batch.step()
    assert "never arrived" in batch.end().error.detail


def test_what_is_old_or_was_left_by_the_dead_is_removed(batch, bench):
    batch.order(zipped(("a.png", batch.png)))
    batch.work()
    reconcile_mattes(bench.context)
    assert batch.book.records()
    record = batch.book.record(ID)
    old = record.model_copy(update={"created_at": utcnow() - KEPT - timedelta(hours=1)})
    bench.store.put(keys.matte_batch(ID, "order.json"), old.model_dump_json().encode())
    bench.store.put(f"{keys.MATTE_BATCHES_ACTIVE}{0:015d}-mb_gone", b"mb_gone")
    bench.clock_s += 4000
    reconcile_mattes(bench.context)
    assert not list(bench.store.list_keys(keys.MATTE_BATCHES))
    assert batch.book.active() == []
    assert not list(bench.store.list_keys(keys.MATTE_BATCHES_ACTIVE))
