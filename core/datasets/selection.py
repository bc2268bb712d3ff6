"""Which samples a subset takes: datasets/ID/selection.json, written before its claim."""

from collections.abc import Mapping, Sequence
from typing import Any

from core import keys
from core.conditional import put_once
from core.errors import IdempotencyMismatch, NotFound, RecordCorrupt
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
    """Write what a subset takes, once. Raises IdempotencyMismatch where another request of the same
    Idempotency-Key has written something else meanwhile."""
    body = selection.model_dump_json().encode()
    written = put_once(store, keys.selection(dataset_id), body)
    if not written and get_selection(store, dataset_id) != selection:
        raise IdempotencyMismatch


def get_selection(store: ObjectStore, dataset_id: str) -> Selection:
    """What a subset takes. RecordCorrupt when it is gone."""
    try:
        return Selection.model_validate_json(store.get(keys.selection(dataset_id))[0])
    except (NotFound, ValueError) as error:
        raise RecordCorrupt(f"{keys.selection(dataset_id)} can't be read: {error}") from error
