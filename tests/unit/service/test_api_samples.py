"""/v1/datasets/{id}/samples over shards as a worker commits them."""

import hashlib
import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core import keys
from core.datasets.sample_tables import SampleTables
from service.sample_rows import InFile
from workers.control.companions.table import join_tables
from workers.shards.companions import explain_shard
from workers.shards.encode import encode_alpha, encode_image
from workers.shards.tar import ShardTar

SIZE = 8


def sample(shard: int, index: int) -> dict[str, bytes]:
    """A sample whose scores tell where it stands: iou falls, grad ties in pairs."""
    number = shard * 10 + index
    facts = {
        "key": f"{shard:06d}{index:05d}",
        "shard": shard,
        "index": index,
        "attempt": index,
        "seed": 2**62 + number,
        "dataset_seed": 1,
        "batch_size": 4,
        "bundle": "sha256:" + "0" * 64,
        "stylematte": "2" * 64,
        "format_version": 4,
        "width": SIZE,
        "height": SIZE,
        "scores": {"iou": 1 - number / 100, "grad": float(number // 2), "coverage": 0.5},
        "thresholds": {"iou": 0.5},
        "truncation_psi": 0.7,
        "transform": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        "generator": "1" * 64,
    }
    return {
        "image.png": encode_image(np.full((SIZE, SIZE, 3), number, np.uint8), "png"),
        "alpha.png": encode_alpha(np.full((SIZE, SIZE), number, np.uint8)),
        "json": json.dumps(facts).encode(),
    }


@pytest.fixture(scope="module")
def tars(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two shards of ten samples."""
    paths = [tmp_path_factory.mktemp("shards") / f"{shard}.tar" for shard in (0, 1)]
    for shard, path in enumerate(paths):
        with ShardTar(path) as tar:
            for index in range(10):
                tar.add(f"{shard:06d}{index:05d}", sample(shard, index))
    return paths


@pytest.fixture
def delivered(world: Any, tars: list[Path]) -> str:
    """A dataset of three shards of ten, of which two are committed."""
    dataset_id: str = world.order()["id"]
    for shard, path in enumerate(tars):
        world.store.upload(keys.shard_tar(dataset_id, shard), path)
        world.commit(dataset_id, shard)
        SampleTables(world.store).put(dataset_id, shard, path)
    return f"/v1/datasets/{dataset_id}"


@pytest.fixture
def previewed(world: Any, tars: list[Path], delivered: str) -> str:
    """The same with the preview that a worker draws."""
    explain_shard(world.store, delivered.rpartition("/")[2], 1, tars[1])
    return delivered


def test_samples_come_with_what_a_gallery_needs(world: Any, delivered: str) -> None:
    page = world.http.get(f"{delivered}/samples").json()
    assert (page["matched"], page["complete"], page["next_cursor"]) == (20, False, None)
    assert page["items"][13] == {
        "key": "00000100003",
        "shard": 1,
        "split": "train",
        "seed": 2**62 + 13,
        "psi": 0.7,
        "width": SIZE,
        "height": SIZE,
        "scores": {"iou": 0.87, "grad": 6.0, "coverage": 0.5},
        "thresholds": {"iou": 0.5},
        "attributes": {},
        "members": {
            "alpha": f"{delivered}/samples/00000100003/alpha.png",
            "image": f"{delivered}/samples/00000100003/image.png",
            "json": f"{delivered}/samples/00000100003/json",
        },
    }
    assert "iou" in page["columns"]


def test_members_are_read_from_the_shard(world: Any, delivered: str) -> None:
    item = world.http.get(f"{delivered}/samples", params={"where": f"seed == {2**62 + 7}"})
    members = item.json()["items"][0]["members"]
    for name, path in members.items():
        answer = world.http.get(path)
        assert answer.status_code == 200
        assert answer.headers["etag"].strip('"') == hashlib.sha256(answer.content).hexdigest()
        if name != "json":
            assert answer.headers["content-type"] == "image/png"
            assert np.unique(np.asarray(Image.open(io.BytesIO(answer.content)))).tolist() == [7]
    assert world.http.get(members["json"]).json()["seed"] == 2**62 + 7
    assert world.http.get(members["image"].removesuffix(".png")).content == (
        world.http.get(members["image"]).content
    )


@pytest.mark.parametrize("order", ["key", "-key", "iou", "-grad", "grad"])
def test_pages_join_without_gap_or_repetition(world: Any, delivered: str, order: str) -> None:
    whole = world.http.get(f"{delivered}/samples", params={"order": order}).json()["items"]
    name = order.removeprefix("-")
    values = [item["key"] if name == "key" else item["scores"][name] for item in whole]
    assert values == sorted(values, reverse=order.startswith("-"))
    found: list[dict[str, Any]] = []
    params: dict[str, Any] = {"order": order, "limit": 3}
    while True:
        page = world.http.get(f"{delivered}/samples", params=params).json()
        found += page["items"]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert found == whole


def test_a_filter_and_an_order_hold_together(world: Any, delivered: str) -> None:
    params = {"where": "iou > 0.84 and coverage < 0.6", "order": "-grad", "limit": 4}
    page = world.http.get(f"{delivered}/samples", params=params).json()
    assert [item["key"][-2:] for item in page["items"]] == ["04", "05", "02", "03"]
    assert page["matched"] == 16


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"where": "nothing > 1"}, "invalid_query"),
        ({"where": "1; DROP TABLE samples"}, "invalid_query"),
        ({"order": "nothing"}, "invalid_query"),
        ({"cursor": "bm90IG9uZQ"}, "invalid_cursor"),
        ({"cursor": "WyJncmFkIiwgMSwgImEiXQ"}, "invalid_cursor"),  # of another order
    ],
)
def test_what_can_t_be_asked(world: Any, delivered: str, params: dict, code: str) -> None:
    answer = world.http.get(f"{delivered}/samples", params=params)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize(
    "path",
    ["00000000010/image", "00000200000/image", "00000000000/fg", "00000000000/image.webp",
     "1/image", "00000000000/..%2f..%2fx"],
)  # fmt: skip
def test_what_is_not_there_is_not_found(world: Any, delivered: str, path: str) -> None:
    answer = world.http.get(f"{delivered}/samples/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_dataset_without_shards_has_no_samples_and_no_preview(world: Any) -> None:
    path = f"/v1/datasets/{world.order()['id']}"
    page = world.http.get(f"{path}/samples").json()
    assert (page["items"], page["matched"], page["complete"]) == ([], 0, False)
    assert world.http.get(f"{path}/preview.webp").status_code == 404


def test_the_first_shard_gives_a_preview(world: Any, previewed: str) -> None:
    answer = world.http.get(f"{previewed}/preview.webp")
    assert answer.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(answer.content)).size[0] > 1000


def test_a_table_that_is_missing_is_made_from_the_tar(world: Any, delivered: str) -> None:
    before = world.http.get(f"{delivered}/samples").json()
    dataset_id = delivered.rpartition("/")[2]
    key = keys.sample_index(dataset_id, 1)
    table = world.store.get(key)[0]
    world.store.delete(key)
    world.http.app.state.services.samples._tables._kept.clear()
    assert world.http.get(f"{delivered}/samples").json() == before
    assert world.store.get(key)[0] == table


def test_a_deleted_dataset_shows_nothing(world: Any, previewed: str) -> None:
    world.http.delete(previewed)
    for path in ("samples", "samples/00000000000/image", "preview.webp"):
        assert world.http.get(f"{previewed}/{path}").status_code == 404


def test_files_beside_the_shards_are_listed(world: Any, previewed: str) -> None:
    listed = world.http.get(f"{previewed}/files").json()["items"]
    assert [item["name"] for item in listed] == ["preview.webp"]
    assert listed[0]["size_bytes"] == len(world.http.get(f"{previewed}/preview.webp").content)
    assert listed[0]["url"].startswith("memory://")


def test_the_joined_table_answers_as_the_single_ones_did(
    world: Any, delivered: str, tmp_path: Path
) -> None:
    dataset_id = delivered.rpartition("/")[2]
    before = world.http.get(f"{delivered}/samples", params={"order": "-grad"}).json()
    joined = tmp_path / "samples.parquet"
    join_tables(SampleTables(world.store).each(dataset_id, iter((0, 1))), joined)
    world.store.upload(keys.companion(dataset_id, joined.name), joined)
    after = world.http.get(f"{delivered}/samples", params={"order": "-grad"}).json()
    assert after == {**before, "complete": True}


@pytest.mark.thorough
def test_two_readers_of_one_file_do_not_meet(tmp_path):
    table = pa.table({f"c{column}": list(range(12)) for column in range(40)})
    pq.write_table(table, tmp_path / "samples.parquet")
    wrong: list[object] = []

    def read(rows: InFile) -> None:
        for _ in range(20):
            if rows.columns(["c1", "c2"]).num_rows != 12 or rows.rows([3])[0]["c5"] != 3:
                wrong.append(rows)

    for _ in range(20):
        rows = InFile(tmp_path / "samples.parquet")
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(read, rows) for _ in range(4)]:
                done.result()
    assert not wrong
