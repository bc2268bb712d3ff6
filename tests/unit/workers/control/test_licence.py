from pathlib import Path
from typing import Any

import pytest

from core.bundle import Bundle
from core.registry import Registry
from workers.control.companions.licence import stated_licence


@pytest.mark.parametrize(
    ("card", "code", "text"),
    [
        ({}, "apache-2.0", "apache-2.0"),
        ({"licence": "CC-BY-NC-4.0"}, "cc-by-nc-4.0", "CC-BY-NC-4.0"),
        ({"licence": "ask us"}, "other", "ask us"),
        ({"corpora": {"a": {"licence": "CC0-1.0"}}}, "cc0-1.0", "CC0-1.0"),
        (
            {"corpora": {"a": {"licence": "CC0-1.0; mine"}, "b": {"licence": "CC0-1.0"}}},
            "other",
            "CC0-1.0; mine",
        ),
        ({"corpora": "odd", "licence": 3}, "apache-2.0", "apache-2.0"),
    ],
)
def test_the_model_says_it(
    bench: Any, tmp_path: Path, card: dict[str, object], code: str, text: str
) -> None:
    bundle = Bundle(name="humans", files={}, thresholds={}, resolution=32, card=card)
    (tmp_path / "bundle.json").write_bytes(bundle.to_bytes())
    Registry(bench.store).publish(tmp_path)
    record = bench.order()
    pinned = record.model_copy(
        update={"plan": record.plan.model_copy(update={"bundle": bundle.digest})}
    )
    found = stated_licence(bench.store, pinned)
    assert (found.code, found.text) == (code, text)
    people = bench.order("ds_b", source="rendered")
    assert stated_licence(bench.store, people).code == "apache-2.0"
