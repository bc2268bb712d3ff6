"""Downloaded shards as Parquet, read by the library that its users read it with."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from core import keys
from matteforge.errors import DownloadCorrupt
from matteforge.parquet import to_parquet_files
from matteforge.webdataset import decode
from workers.shards.read import read_shard

pytestmark = pytest.mark.filterwarnings("ignore")  # of datasets
SPLITS = {"train": 0.5, "validation": 0.25, "test": 0.25}


@pytest.fixture
def shards(bench: Any, tmp_path: Path) -> list[Path]:
    """Shards of a dataset with 16-bit alpha and foregrounds, as a download leaves them."""
    bench.order(count=16, shard_size=3, alpha_bits=16, members=["fg"], splits=SPLITS)
    bench.work(60)
    paths = []
    for record in bench.catalog.shard_records("ds_a"):
        paths.append(tmp_path / record.name)
        paths[-1].write_bytes(bench.store.get(keys.shard_tar("ds_a", record.shard))[0])
    return paths


@pytest.mark.thorough
def test_datasets_loads_the_folder_with_pictures_and_scores(
    shards: list[Path], tmp_path: Path
) -> None:
    from datasets import Image, load_dataset

    folder = tmp_path / "parquet"
    assert to_parquet_files(shards, folder) == 16
    rows = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert {name: len(part) for name, part in rows.items()} == {
        "train": 8, "validation": 4, "test": 4,
    }  # fmt: skip
    expected = {s.record.key: s for path in shards for s in read_shard(path)}
    for part in rows.values():
        assert isinstance(part.features["alpha"], Image)
        for row in part:
            sample = expected.pop(row["key"])
            assert (np.asarray(row["image"]) == sample.rgb_u8).all()
            alpha = np.asarray(row["alpha"]).astype(np.float32) / 65535
            assert np.abs(alpha - sample.alpha).max() < 1e-6
            assert (row["seed"], row["mad"]) == (sample.record.seed, sample.record.scores["mad"])
            assert row["fg"].mode == "RGB"
    assert not expected


@pytest.mark.thorough
def test_members_are_chosen_and_a_second_run_writes_nothing(
    shards: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "parquet"
    to_parquet_files(shards, folder, ["alpha"])
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert to_parquet_files(shards, folder, ["alpha"]) == 16
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    table = pq.read_table(next(iter(sorted(folder.glob("train-*")))))
    assert {"image", "fg", "json"}.isdisjoint(table.column_names)
    assert decode({"alpha.png": table["alpha"][0].as_py()["bytes"]})["alpha"].max() <= 1


def test_a_tar_of_something_else_leaves_no_file(tmp_path: Path) -> None:
    odd = tmp_path / "000000.tar"
    odd.write_bytes(b"no tar" * 200)
    with pytest.raises(DownloadCorrupt, match="can't be read"):
        to_parquet_files([odd], tmp_path / "parquet")
    assert not list((tmp_path / "parquet").glob("*.parquet"))
