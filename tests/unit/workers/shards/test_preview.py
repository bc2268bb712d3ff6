"""preview.webp shows several shards, whichever of them are there."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core import keys
from workers.shards.companions import PREVIEWED
from workers.shards.contact_sheet import COLUMNS, GAP, TILE
from workers.shards.read import read_shard


def shown(bench: Any) -> list[np.ndarray]:
    """Images of the preview's triplets, uint8 [TILE, TILE, 3]."""
    body, _ = bench.store.get(keys.companion("ds_a", "preview.webp"))
    sheet = np.asarray(Image.open(io.BytesIO(body)).convert("RGB"))
    found = []
    for place in range(PREVIEWED):
        row, column = divmod(place, COLUMNS)
        top, left = GAP + row * (TILE + GAP), GAP + column * (3 * TILE + GAP)
        if top + TILE <= sheet.shape[0]:
            found.append(sheet[top : top + TILE, left : left + TILE])
    return [tile for tile in found if tile.min() < 250]


def means(bench: Any, tmp_path: Any, shard: int) -> list[np.ndarray]:
    path = tmp_path / f"{shard}.tar"
    path.write_bytes(bench.store.get(keys.shard_tar("ds_a", shard))[0])
    return [sample.rgb_u8.mean(axis=(0, 1)) for sample in read_shard(path)]


@pytest.mark.parametrize("done", [[0], [2], [2, 0], [0, 1, 2, 3, 4]])
def test_the_preview_is_of_all_shards_that_are_there(
    bench: Any, tmp_path: Any, done: list[int]
) -> None:
    bench.order(count=25, shard_size=5)
    for shard in done:
        bench.run(shard)
    pictures = [picture.mean(axis=(0, 1)) for picture in shown(bench)]
    each = -(-PREVIEWED // len(done))
    expected = [mean for shard in sorted(done) for mean in means(bench, tmp_path, shard)[:each]]
    assert len(pictures) == min(len(expected), PREVIEWED)
    for picture, mean in zip(pictures, expected, strict=False):
        assert np.abs(picture - mean).max() < 12  # WebP, and Lanczos' filter
