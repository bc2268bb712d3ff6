"""Each file beside the shards, opened by the tool that its users open it with."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from core import keys
from core.datasets.plan import Plan
from matteforge.part import fit_to_folder
from matteforge.schemas.files import FILES
from matteforge.webdataset import decode
from models.renderer.person.subject import PERSON
from workers.generate.candidate import Candidate, Sampler
from workers.generate.rendered_sampler import one_schema

pytestmark = pytest.mark.filterwarnings("ignore")  # of these tools
SPLITS = {"train": 0.5, "validation": 0.25, "test": 0.25}


def deliver(bench: Any, folder: Path, dataset_id: str = "ds_a") -> Path:
    """The dataset as a download leaves it."""
    folder.mkdir()
    for shard in bench.catalog.shard_records(dataset_id):
        (folder / shard.name).write_bytes(
            bench.store.get(keys.shard_tar(dataset_id, shard.shard))[0]
        )
    for name in FILES:
        (folder / name).write_bytes(bench.store.get(keys.companion(dataset_id, name))[0])
    (folder / "manifest.json").write_bytes(bench.store.get(keys.manifest(dataset_id))[0])
    return folder


@pytest.fixture(params=[False, True], ids=["whole", "in splits"], scope="module")
def delivered(
    bench_class: type, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Path:
    """A delivered dataset, as the module's tests find it."""
    bench = bench_class()
    bench.order(
        count=24,
        shard_size=5,
        alpha_bits=16,
        members=["fg", "trimap"],
        splits=SPLITS if request.param else {},
    )
    bench.work(60)
    return deliver(bench, tmp_path_factory.mktemp("companions") / "delivered")


@pytest.fixture
def folder(delivered: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(delivered, tmp_path / "delivered"))


@pytest.mark.thorough
def test_datasets_loads_the_folder_as_it_is(folder: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    rows = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    split = "validation" if "validation" in rows else "train"
    assert sum(len(rows[name]) for name in rows) == 24
    assert set(rows) == (set(SPLITS) if len(rows) > 1 else {"train"})
    row = rows[split][0]
    alpha = np.asarray(row["alpha.png"])
    assert alpha.max() > 255  # sixteen bits arrive
    assert row["image.png"].mode == "RGB"
    assert row["json"]["thresholds"]["iou"] is None
    assert row["json"]["split"] == split
    rows[split].to_parquet(tmp_path / "again.parquet")  # what push_to_hub does


def test_datasets_and_wids_read_what_is_there_of_a_part(folder: Path, tmp_path: Path) -> None:
    import datasets
    import wids
    from huggingface_hub import DatasetCard

    *others, last = shards = sorted(path.name for path in folder.glob("*.tar"))
    for name in others:
        (folder / name).unlink()
    fit_to_folder(folder, shards)
    rows = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    split = "validation" if "validation" in last else "train"
    assert list(rows) == [split]
    indexed = wids.ShardListDataset(str(folder / "index.json"))
    assert len(indexed) == len(rows[split]) > 0
    assert indexed[0]["__key__"].rpartition("/")[2] == rows[split][0]["__key__"]
    info = DatasetCard.load(folder / "README.md").data.to_dict()["dataset_info"]
    assert list(info) == ["features"], "counts of the whole would be refused"


def test_the_card_is_valid(folder: Path) -> None:
    from datasets import Features
    from huggingface_hub import DatasetCard

    card = DatasetCard.load(folder / "README.md")
    assert card.data.license == "apache-2.0"
    assert card.data.size_categories == ["n<1K"]
    info = card.data.to_dict()["dataset_info"]
    assert Features._from_yaml_list(info["features"])["alpha.png"].dtype == "PIL.Image.Image"
    assert sum(split["num_examples"] for split in info["splits"]) == 24


def test_webdataset_reads_it_by_our_decoder(folder: Path) -> None:
    import webdataset as wds

    urls = sorted(map(str, folder.glob("*.tar")))
    samples = list(wds.WebDataset(urls, shardshuffle=False).map(decode))
    assert len(samples) == 24
    first = samples[0]
    assert (first["alpha"].dtype, first["alpha"].shape) == (np.float32, (16, 16))
    assert first["image"].shape == first["fg"].shape == (16, 16, 3)
    assert 0 <= first["alpha"].min() < first["alpha"].max() <= 1
    assert (np.rint(first["alpha"] * 65535) % 257 > 0).any()  # finer than eight bits
    assert first["json"]["key"] == first["__key__"]


def test_wids_finds_samples_by_number(folder: Path) -> None:
    import wids

    dataset = wids.ShardListDataset(str(folder / "index.json"))
    assert len(dataset) == 24
    keys_found = [dataset[number]["__key__"].rpartition("/")[2] for number in (0, 7, 23)]
    table = pq.read_table(folder / "samples.parquet")["key"].to_pylist()
    assert keys_found == [table[number] for number in (0, 7, 23)]


def test_croissant_validates_and_a_record_loads(folder: Path) -> None:
    import mlcroissant

    dataset = mlcroissant.Dataset(jsonld=folder / "croissant.json")
    assert not dataset.metadata.issues.errors
    record = next(iter(dataset.records("samples")))
    row = pq.read_table(folder / "samples.parquet").to_pylist()[0]
    assert record["samples/key"] in (row["key"], row["key"].encode())
    assert record["samples/seed"] == row["seed"]


def test_the_table_says_where_every_member_lies(folder: Path) -> None:
    names = {int(path.name[-10:-4]): path for path in folder.glob("*.tar")}
    for row in pq.read_table(folder / "samples.parquet").to_pylist():
        body = names[row["shard"]].read_bytes()
        start = row["json_offset"]
        facts = json.loads(body[start : start + row["json_size"]])
        assert (facts["key"], facts["seed"]) == (row["key"], row["seed"])
        assert facts["scores"]["mad"] == row["mad"]
        if len({path.name.partition("-")[0] for path in names.values()}) == 3:
            assert names[row["shard"]].name.startswith(row["split"])


def test_types_are_declared_from_many_samples() -> None:
    from datasets import Features, List, Value

    from workers.control.companions.features import sample_features

    facts = [
        {"size": 1, "name": None, "units": [], "inner": {"a": True}},
        {"size": 1.5, "name": "x", "units": [{"name": "n", "value": 1}], "inner": {"b": [[1]]}},
    ]
    declared = sample_features(["image.png", "json"], {"json": facts})
    features = Features._from_yaml_list(declared)
    assert features["json"] == {
        "size": Value("float64"),
        "name": Value("string"),
        "units": List({"name": Value("string"), "value": Value("int64")}),
        "inner": {"a": Value("bool"), "b": List(List(Value("int64")))},
    }


@dataclass
class PeopleSampler:
    """Discs said to be rendered people: each has weights of other names."""

    discs: Sampler

    def candidates(self, plan: Plan, shard: int) -> Iterator[list[Candidate]]:
        for batch in self.discs.candidates(plan, shard):
            yield [replace(one, facts=self._facts(plan, shard, one.attempt)) for one in batch]

    def _facts(self, plan: Plan, shard: int, number: int) -> dict[str, Any]:
        mine = f"unit{shard}-{number}"
        spec = {
            "shape": {"maleness": 0.5, "targets": {"common": 0.25, mine: 0.5}},
            "expression": {"units": {mine: 1.0} if number % 2 else {}},
            "seed": number,
        }
        return {
            "slot": number,
            "redraw": 0,
            "attributes": {"hair": "long"},
            "spec": one_schema(spec, PERSON.weights),
            "camera": {"focal_px": 100.0},
            "renderer": "portraits/7",
            "stylematte": "2" * 64,
        }


@pytest.mark.parametrize("as_it_is", [True, False], ids=["folder", "tars"])
def test_no_reader_drops_what_other_people_have(bench: Any, tmp_path: Path, as_it_is: bool) -> None:
    from datasets import load_dataset

    bench.sampler = PeopleSampler(bench.sampler)
    bench.order(source="rendered", count=12, shard_size=6)
    bench.work(60)
    folder = deliver(bench, tmp_path / "people")
    tars = sorted(map(str, folder.glob("*.tar")))
    given = (str(folder), {}) if as_it_is else ("webdataset", {"data_files": tars})
    rows = load_dataset(given[0], split="train", cache_dir=str(tmp_path / "cache"), **given[1])
    assert len(rows) == 12
    for row in rows:
        names = {weight["name"] for weight in row["json"]["spec"]["shape"]["targets"]}
        mine = f"unit{row['json']['shard']}-{row['json']['attempt']}"
        assert names == {"common", mine}
        units = row["json"]["spec"]["expression"]["units"]
        assert [unit["name"] for unit in units] == ([mine] if row["json"]["attempt"] % 2 else [])


def test_two_sources_are_joined_and_nothing_is_dropped(bench: Any, tmp_path: Path) -> None:
    from datasets import concatenate_datasets, load_dataset

    bench.order(count=6, shard_size=6)
    bench.work(60)
    discs = deliver(bench, tmp_path / "discs")
    bench.sampler = PeopleSampler(bench.sampler)
    bench.order(source="rendered", count=6, shard_size=6, dataset_id="ds_b")
    bench.work(60)
    people = deliver(bench, tmp_path / "people", "ds_b")
    cache = str(tmp_path / "cache")
    each = [load_dataset(str(of), split="train", cache_dir=cache) for of in (discs, people)]
    rows = concatenate_datasets(each)
    assert [row["json"]["attributes"] for row in rows] == [None] * 6 + [{"hair": "long"}] * 6
    assert [row["json"]["truncation_psi"] for row in rows] == [0.7] * 6 + [None] * 6
    assert rows[7]["json"]["spec"] == each[1][1]["json"]["spec"]


def test_opencv_and_pillow_read_sixteen_bits(folder: Path) -> None:
    import cv2

    row = pq.read_table(folder / "samples.parquet").to_pylist()[0]
    body = next(p for p in folder.glob("*000000.tar")).read_bytes()
    png = body[row["alpha_offset"] : row["alpha_offset"] + row["alpha_size"]]
    grey = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert grey.dtype == np.uint16
    assert np.array_equal(grey / np.float32(65535), decode({"alpha.png": png})["alpha"])


def test_the_report_stands_alone(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 24
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page
    assert "rejected: mad" in page
    assert page.count("data:image/webp;base64,") == page.count("<figcaption>shard ") > 0
    assert "Rejected: mad, " in page


def test_a_dataset_that_failed_explains_itself_too(bench: Any, tmp_path: Path) -> None:
    bench.order(count=8, shard_size=4, filter={"mad": 0.02})
    bench.work(60)
    assert bench.live.get("ds_a").state == "failed"
    if bench.live.get("ds_a").counts.accepted:
        page = deliver(bench, tmp_path / "failed") / "README.md"
        assert "failed: shard" in page.read_text()


def test_a_fault_costs_the_files_not_the_dataset(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.control.companions import write

    monkeypatch.setattr(write, "croissant", lambda *given: 1 // 0)
    bench.order(count=4)
    bench.work()
    assert bench.live.get("ds_a").state == "completed"
