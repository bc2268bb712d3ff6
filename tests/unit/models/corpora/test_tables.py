"""Hugging Face datasets on disk, as saved and as downloaded."""

import io

import numpy as np
import pytest
from datasets import Dataset, DatasetDict, Features
from datasets import Image as ImageFeature
from PIL import Image

from core.errors import CorpusRejected
from matteforge.schemas.corpora import CorpusKind
from models.corpora.reader import read_checked


def cell(pixels: np.ndarray) -> dict[str, object]:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


def rows(count: int) -> dict[str, list[object]]:
    rng = np.random.default_rng(0)
    alpha = np.zeros((32, 24), np.uint8)
    alpha[8:24, 8:16] = 255
    images = [cell(rng.integers(0, 256, (32, 24, 3), dtype=np.uint8)) for _ in range(count)]
    return {"image": images, "matte": [cell(alpha)] * count, "caption": ["someone"] * count}


def dataset(count: int) -> Dataset:
    table = rows(count)
    features = Features({"image": ImageFeature(), "matte": ImageFeature(), "caption": _string()})
    return Dataset.from_dict(table, features=features)


def _string() -> object:
    from datasets import Value

    return Value("string")


@pytest.mark.parametrize("layout", ["one split", "splits", "parquet"])
def test_rows_are_pairs(tmp_path, layout):
    folder = tmp_path / "d"
    if layout == "one split":
        dataset(3).save_to_disk(folder)
    elif layout == "splits":
        DatasetDict({"train": dataset(2), "test": dataset(1)}).save_to_disk(folder)
    else:
        (folder / "data").mkdir(parents=True)
        dataset(3).to_parquet(folder / "data/train-00000-of-00001.parquet")
    found = list(read_checked([folder], CorpusKind.PAIRS, 1080))
    assert len(found) == 3
    assert all(sample.alpha is not None and sample.alpha.sum() == 255 * 128 for _, sample in found)
    if layout == "splits":
        assert {entry.part for entry, _ in found} == {"train", "test"}


def test_a_table_without_pictures_is_refused(tmp_path):
    Dataset.from_dict({"caption": ["x"]}).save_to_disk(tmp_path / "d")
    with pytest.raises(CorpusRejected, match="no column of pictures"):
        list(read_checked([tmp_path / "d"], CorpusKind.PAIRS, 1080))
