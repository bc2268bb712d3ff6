"""/v1/datasets/{id}/rejected over what workers keep."""

import base64
from typing import Any

import pytest

from core.datasets.rejects import RejectedExample, put_examples


def example(shard: int, attempt: int, reason: str) -> RejectedExample:
    return RejectedExample(
        shard=shard,
        attempt=attempt,
        seed=attempt + 7,
        reason=reason,
        scores={"mad": 0.5},
        webp_base64=base64.b64encode(f"picture {shard} {attempt}".encode()).decode(),
    )


@pytest.fixture
def path(world: Any) -> str:
    dataset_id: str = world.order()["id"]
    put_examples(world.store, dataset_id, 1, [example(1, 4, "mad")])
    put_examples(world.store, dataset_id, 0, [example(0, 2, "mad"), example(0, 9, "blurred")])
    world.commit(dataset_id, 0)
    return f"/v1/datasets/{dataset_id}/rejected"


def test_examples_come_with_reason_score_and_picture(world: Any, path: str) -> None:
    found = world.http.get(path).json()
    assert [item["name"] for item in found["items"]] == ["000000-2", "000000-9", "000001-4"]
    assert found["rejected"] == {"mad": 2}
    first = found["items"][0]
    limit = world.bundle.thresholds["mad"]
    assert (first["reason"], first["threshold"], first["seed"]) == ("mad", limit, 9)
    assert found["items"][1]["threshold"] is None
    answer = world.http.get(first["picture"])
    assert (answer.content, answer.headers["content-type"]) == (b"picture 0 2", "image/webp")


def test_one_reason_at_a_time(world: Any, path: str) -> None:
    found = world.http.get(path, params={"reason": "mad", "limit": 1}).json()
    assert [item["name"] for item in found["items"]] == ["000000-2"]


@pytest.mark.parametrize("name", ["000000-3.webp", "000005-1.webp", "odd.webp", "000000-2.png"])
def test_what_was_not_kept_is_not_found(world: Any, path: str, name: str) -> None:
    assert world.http.get(f"{path}/{name}").status_code == 404


def test_a_dataset_without_rejections_has_none(world: Any) -> None:
    path = world.order()["links"]["rejected"]
    assert world.http.get(path).json() == {"items": [], "rejected": {}}
    assert world.http.get("/v1/datasets/ds_" + "0" * 24 + "/rejected").status_code == 404
