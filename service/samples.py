"""Samples of a dataset: filtered, sorted, a page at a time, and single members by Range."""

import base64
import binascii
import json
import threading
from collections import OrderedDict
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from core import keys
from core.datasets.catalog import Catalog
from core.datasets.sample_filter import SampleFilter, check_column, queryable
from core.datasets.sample_table import (
    BASE,
    attribute_names,
    like,
    member_names,
    score_names,
)
from core.datasets.sample_tables import SampleTables
from core.errors import InvalidCursor, NotFound
from core.ports import ObjectStore
from matteforge.schemas.samples import SampleOut, SamplePage
from service.sample_rows import InFile, InMemory, Rows

SAMPLES_FILE = "samples.parquet"
SHARDS_SEARCHED = 256  # of a dataset that has not ended
FILES_KEPT = 8
ROW = "__row"


class Samples:
    """Reads what is known of samples; the last files of ended datasets stay mapped, nameless."""

    def __init__(self, store: ObjectStore, catalog: Catalog) -> None:
        self._store = store
        self._catalog = catalog
        self._tables = SampleTables(store)
        self._files: OrderedDict[str, InFile] = OrderedDict()
        self._lock = threading.Lock()

    def page(
        self, dataset_id: str, *, where: str | None, order: str, cursor: str | None, limit: int
    ) -> SamplePage:
        """At most `limit` samples after `cursor`. Raises NotFound, InvalidQuery, InvalidCursor."""
        total = self._catalog.request(dataset_id).plan.shards_total
        source, complete = self._rows(dataset_id, total)
        numbers, matched, last = select(
            source, where=where, order=order, cursor=cursor, limit=limit
        )
        return SamplePage(
            items=[_out(dataset_id, row, source.schema) for row in source.rows(numbers)],
            next_cursor=last,
            matched=matched,
            complete=complete,
            columns=queryable(source.schema),
        )

    def choose(
        self, dataset_id: str, *, where: str | None, order: str, limit: int | None
    ) -> list[dict[str, Any]]:
        """`key` and `split` of all samples that pass, `limit` at most. Raises as `page`."""
        total = self._catalog.request(dataset_id).plan.shards_total
        source, _ = self._rows(dataset_id, total)
        most = limit or max(source.columns(["key"]).num_rows, 1)
        numbers, _, _ = select(source, where=where, order=order, cursor=None, limit=most)
        table = source.columns(["key", "split"]).take(pa.array(numbers, pa.int64()))
        found: list[dict[str, Any]] = table.to_pylist()
        return found

    def member(self, dataset_id: str, key: str, member: str) -> tuple[str, bytes, str]:
        """(suffix, content, sha256) of a member, named with or without its format. NotFound."""
        missing = NotFound(f"{dataset_id} has no {member} of a sample {key}")
        shard, index = self._catalog.request(dataset_id).plan.shard_of(int(key[:6])), int(key[6:])
        if shard is None:
            raise missing
        try:
            table = self._tables.get(dataset_id, shard)
        except NotFound:
            raise missing from None
        name = member.partition(".")[0]
        if index >= table.num_rows or name not in member_names(table.schema):
            raise missing
        row = table.slice(index, 1).to_pylist()[0]
        suffix = row[f"{name}_file"]
        if row["key"] != key or suffix is None or ("." in member and member != suffix):
            raise missing
        content = self._store.get_range(
            keys.shard_tar(dataset_id, shard), row[f"{name}_offset"], row[f"{name}_size"]
        )
        return suffix, content, row[f"{name}_sha256"]

    def _rows(self, dataset_id: str, total: int) -> tuple[Rows, bool]:
        """The table of all samples where it was written; else of the first committed shards."""
        key = keys.companion(dataset_id, SAMPLES_FILE)
        if info := self._store.head(key):
            return self._fetched(key, info.etag), True
        records = self._catalog.shard_records(dataset_id, limit=SHARDS_SEARCHED, total=total)
        shards = [record.shard for record in islice(records, SHARDS_SEARCHED)]
        tables = [self._tables.get(dataset_id, shard) for shard in shards]
        tables = [table for table in tables if table.num_rows]
        if not tables:
            return InMemory(BASE.empty_table()), total == 0
        schema = tables[0].schema
        joined = pa.concat_tables([like(table, schema) for table in tables])
        return InMemory(joined), len(shards) == total

    def _fetched(self, key: str, etag: str) -> InFile:
        name = f"{key} {etag}"
        with self._lock:
            if (known := self._files.get(name)) is None:
                with TemporaryDirectory(prefix="matteforge-samples-") as folder:
                    path = Path(folder) / SAMPLES_FILE
                    with path.open("wb") as file:
                        file.writelines(self._store.stream(key))
                    known = self._files[name] = InFile(path)  # readable after the file is gone
                while len(self._files) > FILES_KEPT:
                    self._files.popitem(last=False)
            return known


def select(
    source: Rows, *, where: str | None, order: str, cursor: str | None, limit: int
) -> tuple[list[int], int, str | None]:
    """(row numbers of a page, how many there are from it on, cursor of the next one).

    order: a column, `-` before it for the largest first; equal values follow their keys.
    """
    column, descending = order.removeprefix("-"), order.startswith("-")
    check_column(column, source.schema)
    wanted = SampleFilter(where, source.schema) if where else None
    table = source.columns(sorted({"key", column, *(wanted.columns if wanted else ())}))
    rows = pa.array(range(table.num_rows), pa.int64())
    mask = pc.is_valid(table[column])
    if wanted:
        mask = pc.and_kleene(mask, wanted.mask(table))
    if cursor is not None:
        mask = pc.and_kleene(mask, _after(table, column, descending, cursor, order))
    found = table.select(sorted({"key", column})).append_column(ROW, rows).filter(mask)
    direction = "descending" if descending else "ascending"
    ordered = found.sort_by(list({column: direction, "key": "ascending"}.items()))
    if column == "key":
        ordered = found.sort_by([("key", direction)])
    page = ordered.slice(0, limit)
    last = page.slice(page.num_rows - 1).to_pylist()[0] if page.num_rows else None
    more = ordered.num_rows > limit and last is not None
    next_cursor = _encode([order, last[column], last["key"]]) if more and last else None
    return page[ROW].to_pylist(), ordered.num_rows, next_cursor


def _after(table: pa.Table, column: str, descending: bool, cursor: str, order: str) -> Any:
    """Rows that come after the last one of the page before."""
    known, value, key = _decode(cursor)
    if known != order or not isinstance(key, str):
        raise InvalidCursor
    beyond = pc.less if descending else pc.greater
    try:
        bound = pa.scalar(value, table.schema.field(column).type)
        last_key = pa.scalar(key, pa.string())
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        raise InvalidCursor from None
    if column == "key":
        return beyond(table["key"], bound)
    ties = pc.and_(pc.equal(table[column], bound), pc.greater(table["key"], last_key))
    return pc.or_(beyond(table[column], bound), ties)


def _out(dataset_id: str, row: dict[str, Any], schema: pa.Schema) -> SampleOut:
    path = f"/v1/datasets/{dataset_id}/samples/{row['key']}"
    present = [name for name in member_names(schema) if row[f"{name}_file"]]
    limits = {
        name.removeprefix("threshold_"): value
        for name, value in row.items()
        if name.startswith("threshold_") and value is not None
    }
    return SampleOut(
        **{name: row[name] for name in ("key", "shard", "split", "seed", "psi", "width", "height")},
        scores={name: row[name] for name in score_names(schema) if row[name] is not None},
        thresholds=limits,
        attributes={name: row[name] for name in attribute_names(schema) if row[name] is not None},
        members={name: f"{path}/{row[f'{name}_file']}" for name in present},
    )


def _encode(place: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _decode(cursor: str) -> list[Any]:
    try:
        place = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_"))
    except (ValueError, binascii.Error, RecursionError):
        raise InvalidCursor from None
    if not isinstance(place, list) or len(place) != 3:
        raise InvalidCursor
    return place
