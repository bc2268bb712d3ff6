"""A part of a dataset, more of it, and it once more, by the command line through every process."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.local.stack import Stack
from matteforge.cli.derived import extend, regenerate, subset
from matteforge.client import MatteForge
from workers.shards.read import read_shard


@pytest.fixture
def parent(client: MatteForge) -> str:
    ordered = client.order(12, seed=3, shard_size=5, splits={"train": 0.75, "test": 0.25})
    return client.wait(ordered.id, poll_s=0.2, timeout_s=120).id


def test_datasets_are_made_from_datasets(
    stack: Stack, client: MatteForge, parent: str, tmp_path: Path
) -> None:
    asked = ["--url", stack.url, "--api-key", stack.api_key]

    def run(command, *arguments: str) -> str:
        done = CliRunner().invoke(command, [*arguments, *asked])
        assert done.exit_code == 0, done.output
        return done.stdout

    names = tmp_path / "keys"
    chosen = [sample.key for sample in client.samples(parent)][1::3]
    names.write_text("\n".join(chosen))
    part = run(subset, parent, "--keys", str(names), "--watch", "--quiet").split()[0]
    more = run(extend, parent, "6", "--watch", "--quiet").split()[0]
    assert "all 3 shards came out the same" in run(regenerate, parent, "--quiet")

    def read(dataset_id: str):
        paths = client.download(dataset_id, tmp_path)
        return [sample for path in paths for sample in read_shard(path)]

    every, copied, added = read(parent), read(part), read(more)
    by_seed = {sample.record.seed: sample for sample in every}
    assert len(copied) == len(chosen) == 4
    for sample in copied:
        assert (sample.rgb_u8 == by_seed[sample.record.seed].rgb_u8).all()
        assert sample.record.split == by_seed[sample.record.seed].record.split
    assert len(added) == 6
    assert not {sample.record.key for sample in added} & {sample.record.key for sample in every}
    assert not {sample.record.seed for sample in added} & set(by_seed)
    found = json.loads(client.manifest(part))
    assert found["plan"]["parent"] == parent
    assert len(list(client.samples(more, where="iou > -1"))) == 6
    assert client.member(more, added[0].record.key, "json")
