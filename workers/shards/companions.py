"""What a worker says of a shard beside its tar: what lies where, and a first look."""

from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from core import keys
from core.datasets.sample_tables import SampleTables
from core.ports import ObjectStore
from workers.shards.contact_sheet import draw_contact_sheet
from workers.shards.read import read_shard

PREVIEW = "preview.webp"
PREVIEWED = 16  # samples


def explain_shard(store: ObjectStore, dataset_id: str, shard: int, tar: Path) -> None:
    """Write the table of a committed shard; of the first one a preview as well, which the end of
    the dataset replaces."""
    SampleTables(store).put(dataset_id, shard, tar)
    if shard == 0:
        samples = list(islice(read_shard(tar), PREVIEWED))
        if samples:
            with TemporaryDirectory(prefix="matteforge-preview-") as folder:
                picture = Path(folder) / PREVIEW
                draw_contact_sheet(samples, picture)
                store.upload(
                    keys.companion(dataset_id, PREVIEW), picture, content_type="image/webp"
                )
