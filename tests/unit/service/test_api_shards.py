"""Shards and models over HTTP, on memory adapters."""

import pytest


def test_a_shard_is_listed_as_soon_as_it_is_committed(world):
    out = world.order()
    assert world.http.get(out["links"]["shards"]).json() == {"items": [], "next_cursor": None}
    record = world.commit(out["id"], 1)
    (item,) = world.http.get(out["links"]["shards"]).json()["items"]
    assert item.pop("url").startswith(f"memory://datasets/{out['id']}/shards/000001.tar")
    assert item == {
        "name": "000001.tar",
        "samples": 10,
        "size_bytes": 1234,
        "sha256": record.sha256,
    }


def test_shards_page_in_order(world):
    out = world.order(count=70)
    for shard in (4, 0, 2, 6, 1):
        world.commit(out["id"], shard)
    names, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = world.http.get(out["links"]["shards"], params=params).json()
        names += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert names == ["000000.tar", "000001.tar", "000002.tar", "000004.tar", "000006.tar"]


@pytest.mark.parametrize(
    "cursor", ["nonsense", "!!", "czk5OTk5OTk5OTk", "c-MW", "%00", "", "x" * 90]
)
def test_a_cursor_of_somebody_elses_making_is_refused(world, cursor):
    out = world.order()
    answer = world.http.get(f"{out['links']['shards']}?cursor={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


def test_a_shard_redirects_to_its_presigned_url(world):
    out = world.order()
    world.commit(out["id"], 0)
    answer = world.http.get(out["links"]["shards"] + "/000000.tar")
    assert answer.status_code == 307
    assert (
        answer.headers["Location"]
        == f"memory://datasets/{out['id']}/shards/000000.tar?expires_s=86400"
    )
    for name in ("000001.tar", "000000.json", "..%2Frequest.json", "0.tar", "000000.tar%00"):
        missing = world.http.get(f"{out['links']['shards']}/{name}")
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found"), name


def test_models_show_aliases_thresholds_and_card(world):
    (model,) = world.http.get("/v1/models").json()["items"]
    assert model == {
        "name": "humans",
        "aliases": {"champion": world.bundle.digest},
        "truncation_psi": None,
        "tenant": "default",
        "resolution": 128,
        "thresholds": {"mad": 0.03, "iou": 0.9},
        "card": {"kimg": 100},
    }
    assert world.http.get("/v1/models/humans").json() == model
    for name in ("nobody", "Humans", "humans%0A", "%00", "a%2F..%2Fhumans"):
        assert world.http.get(f"/v1/models/{name}").status_code == 404, name
