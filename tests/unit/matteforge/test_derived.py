"""What the clients send for datasets that are made from others."""

import json
from typing import Any

from matteforge.calls import Call
from matteforge.derived import DerivedMethods
from matteforge.methods import Caller


class Told(DerivedMethods, Caller):
    """A client that sends nothing."""

    def __init__(self) -> None:
        self.transport = self  # type: ignore[assignment]

    def send(self, call: Call[Any]) -> Call[Any]:
        return call


def sent(**wanted: Any) -> Any:
    return json.loads(json.dumps(Told().subset("ds_a", **wanted).json))  # type: ignore[attr-defined]


def test_what_is_not_asked_for_is_not_sent() -> None:
    assert sent(where="iou > 0.9") == {"where": "iou > 0.9"}


def test_no_keys_at_all_are_sent_so_that_the_service_refuses_them() -> None:
    """Left out they would order the whole dataset."""
    assert sent(keys=[]) == {"keys": []}
