"""What a worker says of a shard beside its tar: what lies where, and a first look at it all."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from core import keys
from core.datasets.sample_tables import SampleTables
from core.datasets.shard_records import ShardRecords
from core.ports import ObjectStore
from workers.shards.contact_sheet import draw_contact_sheet
from workers.shards.read import DeliveredSample, decode_sample

PREVIEW = "preview.webp"
PREVIEWED = 16  # samples, of as many shards at most


def explain_shard(store: ObjectStore, dataset_id: str, shard: int, tar: Path) -> None:
    """Write the table of a committed shard; after each of the first ones the preview as well, of
    all those that are there."""
    tables = SampleTables(store)
    tables.put(dataset_id, shard, tar)
    if shard >= PREVIEWED:
        return
    if samples := _some_samples(store, dataset_id, tables):
        with TemporaryDirectory(prefix="matteforge-preview-") as folder:
            picture = Path(folder) / PREVIEW
            draw_contact_sheet(samples, picture)
            store.upload(keys.companion(dataset_id, PREVIEW), picture, content_type="image/webp")


def _some_samples(
    store: ObjectStore, dataset_id: str, tables: SampleTables
) -> list[DeliveredSample]:
    """The first samples of each of the first shards that are committed, PREVIEWED at most."""
    records = ShardRecords(store, dataset_id).read(limit=PREVIEWED)
    shards = [record.shard for record in records if record.shard < PREVIEWED and record.samples]
    each = -(-PREVIEWED // max(len(shards), 1))
    places = [
        (shard, row)
        for shard in shards
        for row in tables.get(dataset_id, shard).slice(0, each).to_pylist()
    ]
    return [_read(store, dataset_id, shard, row) for shard, row in places[:PREVIEWED]]


def _read(store: ObjectStore, dataset_id: str, shard: int, row: dict[str, Any]) -> DeliveredSample:
    tar = keys.shard_tar(dataset_id, shard)
    members = {
        row[f"{name}_file"]: store.get_range(tar, row[f"{name}_offset"], row[f"{name}_size"])
        for name in ("image", "alpha", "json")
    }
    return decode_sample(row["key"], members)
