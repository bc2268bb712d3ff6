"""What the clients send for datasets that are made from others."""

import json

from matteforge.derived import derived_call, subset_body


def sent(**wanted: object) -> dict[str, object]:
    fields = {"where": None, "order": None, "limit": None, "shard_size": None, "labels": None}
    body = subset_body(**{**fields, "keys": None, **wanted})
    return json.loads(json.dumps(derived_call("ds_a", "subsets", body, None).json))


def test_what_is_not_asked_for_is_not_sent() -> None:
    assert sent(where="iou > 0.9") == {"where": "iou > 0.9"}


def test_no_keys_at_all_are_sent_so_that_the_service_refuses_them() -> None:
    """Left out they would order the whole dataset."""
    assert sent(keys=[]) == {"keys": []}
