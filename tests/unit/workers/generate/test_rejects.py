import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core import keys
from core.datasets.rejects import KEPT_A_REASON, SHARDS_WITH_EXAMPLES, dataset_examples
from workers.generate.candidate import Candidate
from workers.generate.rejects import SIDE, Rejects


def candidate(attempt: int, size: int = 40) -> Candidate:
    rgb_u8 = np.zeros((size, size, 3), np.uint8)
    rgb_u8[..., 0] = 200
    return Candidate(
        attempt=attempt,
        seed=attempt + 1,
        rgb_u8=rgb_u8,
        alpha=np.full((size, size), 65535, np.uint16),
        scores={"mad": 0.123456789},
        facts={},
    )


def test_a_few_of_each_reason_are_kept_small() -> None:
    rejects = Rejects(2)
    for attempt in range(2 * KEPT_A_REASON):
        rejects.look(candidate(attempt), "mad")
        rejects.look(candidate(100 + attempt, size=400), "iou")
    reasons = [example.reason for example in rejects.examples]
    assert reasons.count("mad") == reasons.count("iou") == KEPT_A_REASON
    first = rejects.examples[0]
    assert (first.shard, first.attempt, first.seed, first.scores) == (2, 0, 1, {"mad": 0.123457})
    for example in rejects.examples:
        pixels = np.asarray(Image.open(io.BytesIO(example.webp)).convert("RGB"))
        side = 40 if example.reason == "mad" else SIDE
        assert pixels.shape == (side, 2 * side, 3)
        image, alpha = pixels[side // 2, side // 2], pixels[side // 2, side + side // 2]
        assert image[0] > 150 > 50 > image[1]
        assert alpha.min() > 240


@pytest.mark.parametrize(("shard", "size"), [(0, 0), (SHARDS_WITH_EXAMPLES, 40)])
def test_what_was_never_drawn_and_later_shards_keep_nothing(shard: int, size: int) -> None:
    rejects = Rejects(shard)
    rejects.look(candidate(0, size), "face_covered")
    assert rejects.examples == []


def test_a_shard_leaves_its_examples_beside_the_dataset(bench: Any) -> None:
    bench.order()
    bench.work()
    examples = dataset_examples(bench.store, "ds_a")
    rejected = bench.live.get("ds_a").counts.rejected
    assert rejected["mad"] > 0
    assert {example.reason for example in examples} == set(rejected)
    limit = bench.catalog.request("ds_a").plan.thresholds["mad"]
    assert all(e.scores["mad"] > limit for e in examples if e.reason == "mad")
    delivered = bench.store.get(keys.shard_tar("ds_a", 0))[0]
    assert not any(example.webp in delivered for example in examples)
