"""Which samples a subset takes: datasets/ID/selection.json, written before its claim."""

from collections.abc import Mapping, Sequence
from typing import Any

from core import keys
from core.errors import NotFound, RecordCorrupt
from core.ports import ObjectStore
from matteforge.schemas.base import Frozen
from matteforge.schemas.orders import SPLITS


class Selection(Frozen):
    """Keys of the parent's samples, split by split, ascending within each."""

    parent: str
    keys: list[str]


def select_by_split(
    parent: str, rows: Sequence[Mapping[str, Any]]
) -> tuple[Selection, dict[str, int]]:
    """The selection of rows with `key` and `split`, and how many are of each split."""
    place = {split: number for number, split in enumerate(SPLITS)}
    ordered = sorted(rows, key=lambda row: (place.get(row["split"], 0), row["key"]))
    counts: dict[str, int] = {}
    for row in ordered:
        counts[row["split"]] = counts.get(row["split"], 0) + 1
    return Selection(parent=parent, keys=[row["key"] for row in ordered]), counts


def put_selection(store: ObjectStore, dataset_id: str, selection: Selection) -> None:
    """Write what a subset takes."""
    body = selection.model_dump_json().encode()
    store.put(keys.selection(dataset_id), body, content_type="application/json")


def get_selection(store: ObjectStore, dataset_id: str) -> Selection:
    """What a subset takes. RecordCorrupt when it is gone."""
    try:
        return Selection.model_validate_json(store.get(keys.selection(dataset_id))[0])
    except (NotFound, ValueError) as error:
        raise RecordCorrupt(f"{keys.selection(dataset_id)} can't be read: {error}") from error
