"""Members by order: straight foregrounds, trimaps and composites of generated pairs."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from core import keys
from core.datasets.sample_tables import SampleTables
from models.corpora.pairs import read_pairs, read_portraits
from models.training.gan.corpus import read_rgba


def pictures(bench: Any, **spec: object) -> dict[str, Any]:
    """Members of the first sample, decoded."""
    bench.order(**spec)
    bench.run(0)
    row = SampleTables(bench.store).get("ds_a", 0).slice(0, 1).to_pylist()[0]
    found = {}
    for name in [column.removesuffix("_file") for column in row if column.endswith("_file")]:
        place = row[f"{name}_offset"], row[f"{name}_size"]
        body = bench.store.get_range(keys.shard_tar("ds_a", 0), *place)
        found[row[f"{name}_file"]] = (
            json.loads(body) if name == "json" else np.asarray(Image.open(io.BytesIO(body)))
        )
    return found


@pytest.mark.parametrize("alpha_bits", [8, 16])
def test_what_is_ordered_is_delivered(bench: Any, alpha_bits: int) -> None:
    found = pictures(
        bench,
        alpha_bits=alpha_bits,
        members=["fg", "trimap", "composite"],
        background="#0000ff",
    )
    assert set(found) == {
        "alpha.png", "image.png", "json", "fg.png", "trimap.png", "composite.png"
    }  # fmt: skip
    alpha = found["alpha.png"] / (255 if alpha_bits == 8 else 65535)
    blue = np.array([0, 0, 255])
    expected = found["fg.png"] * alpha[..., None] + blue * (1 - alpha[..., None])
    assert np.abs(found["composite.png"] - expected).max() <= 1
    assert set(np.unique(found["trimap.png"])) <= {0, 128, 255}
    assert (found["trimap.png"][(alpha > 0.1) & (alpha < 0.9)] == 128).all()


def test_a_composite_alone_brings_no_foreground(bench: Any) -> None:
    found = pictures(bench, members=["composite"], image_format="webp")
    assert set(found) == {"alpha.png", "image.webp", "json", "composite.webp"}


@pytest.mark.thorough
def test_built_in_backgrounds_differ_and_repeat(bench: Any, bench_class: type) -> None:
    found = pictures(bench, members=["composite"])
    again = pictures(bench_class(), members=["composite"])
    plain = pictures(bench_class(), members=["composite"], background="#000000")
    assert np.array_equal(found["composite.png"], again["composite.png"])
    assert not np.array_equal(found["composite.png"], plain["composite.png"])


def test_what_only_rendered_portraits_have_is_refused_by_name(bench: Any) -> None:
    with pytest.raises(ValidationError, match="only rendered portraits have depth"):
        bench.order(members=["fg", "depth"])


def test_the_json_has_every_criterion_and_the_split(bench: Any) -> None:
    facts = pictures(bench, count=8, splits={"train": 0.5, "test": 0.5})["json"]
    assert facts["split"] == "train"
    assert set(facts["thresholds"]) == {
        "coverage_min", "coverage_max", "connectedness", "mad", "iou", "grad"
    }  # fmt: skip
    assert facts["thresholds"]["iou"] is None


@pytest.mark.parametrize("image_format", ["png", "webp", "jpeg"])
@pytest.mark.parametrize("members", [[], ["fg"]])
def test_the_trainer_takes_every_format_that_is_delivered(
    bench: Any, tmp_path: Path, image_format: str, members: list[str]
) -> None:
    bench.order(image_format=image_format, alpha_bits=16, members=members)
    bench.run(0)
    tar = tmp_path / "000000.tar"
    tar.write_bytes(bench.store.get(keys.shard_tar("ds_a", 0))[0])
    portraits = read_portraits([tar])
    assert portraits.shape == (4, 16, 16, 4)
    assert read_rgba(tar)[1].shape == (4, 4, 16, 16)
    pairs = list(read_pairs(tar))
    assert len(pairs) == 4
    for portrait, (_, image, alpha) in zip(portraits, pairs, strict=True):
        assert np.abs(portrait[..., 3] / 255 - alpha).max() <= 1 / 255
        opaque = portrait[..., 3] == 255
        scene = (image + 1) * 127.5
        if image_format != "jpeg":  # an ordered fg is exact, the image beside it is not
            assert np.abs(portrait[..., :3] - scene)[opaque].max(initial=0) <= 1
