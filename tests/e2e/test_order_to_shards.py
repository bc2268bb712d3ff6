"""From an order to verified shards on disk, through every process."""

import hashlib
from pathlib import Path

from matteforge.client import MatteForge
from workers.shards.contact_sheet import draw_contact_sheet
from workers.shards.read import read_shard


def test_an_order_becomes_shards(client: MatteForge, tmp_path: Path) -> None:
    ordered = client.order(20, seed=3, shard_size=8)
    done = client.wait(ordered.id, poll_s=0.2, timeout_s=120)
    assert (done.state, done.counts.accepted, done.counts.shards_done) == ("completed", 20, 3)
    listed = list(client.shards(ordered.id))
    paths = client.download(ordered.id, tmp_path)
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths] == [
        shard.sha256 for shard in listed
    ]
    samples = [sample for path in paths for sample in read_shard(path)]
    assert [shard.samples for shard in listed] == [8, 8, 4]
    assert len({sample.record.key for sample in samples}) == 20
    draw_contact_sheet(samples, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 1000
