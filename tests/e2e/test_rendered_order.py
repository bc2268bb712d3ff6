"""Rendered people through every process: with the renderer, pictures as ordered; without it, a
refusal that says so."""

import json
from collections import Counter
from pathlib import Path

import pytest

from core.rendered_subjects import Assignment
from matteforge.client import MatteForge
from matteforge.errors import MatteForgeRequestError
from matteforge.schemas.people import PEOPLE
from models.renderer.availability import available
from workers.shards.read import read_shard

WANTED = {"hair": {"long": 0.5}, "glasses": 0.25}


def test_an_order_of_people_is_met_exactly_or_refused_at_once(
    client: MatteForge, tmp_path: Path
) -> None:
    if available() is not None:
        with pytest.raises(MatteForgeRequestError, match="portraits") as refusal:
            client.order(4, source="rendered", size=64)
        assert refusal.value.code == "source_unavailable"
        return
    ordered = client.order(
        4,
        source="rendered",
        size=64,
        seed=3,
        shard_size=2,
        attributes=WANTED,
        members=["fg", "landmarks"],
    )
    done = client.wait(ordered.id, poll_s=0.5, timeout_s=280)
    assert (done.state, done.counts.accepted) == ("completed", 4)
    samples = [
        sample for path in client.download(ordered.id, tmp_path) for sample in read_shard(path)
    ]
    shares = PEOPLE.complete(WANTED)
    expected = Assignment(seed=3, count=4, shares=shares, vocabulary=PEOPLE).counts
    manifest = json.loads(client.manifest(ordered.id))["counts"]["attributes"]
    for name, values in expected.items():
        found = Counter(sample.record.attributes[name] for sample in samples)
        assert {value: found[value] for value in values} == values
        assert {value: manifest[name].get(value, 0) for value in values} == values
