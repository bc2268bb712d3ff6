"""Samples as a table, a row each: where its members lie in its shard, and what its `.json` says.

datasets/ID/samples/NNNNNN.parquet   of one shard, put before the shard's record
datasets/ID/files/samples.parquet    of the whole dataset, once it has ended

Columns: key, shard, index, split, seed, psi, width, height; every score by its name; every
threshold as `threshold_NAME`; every attribute by its name; of each member `NAME_file` (its suffix
in the tar), `NAME_offset` and `NAME_size` in bytes, and `NAME_sha256`.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.datasets.splits import DEFAULT_SPLIT
from core.errors import ShardCorrupt
from core.tars import Content, grouped, read_files

COMPRESSION = "zstd"
BASE = pa.schema(
    [
        ("key", pa.string()),
        ("shard", pa.int32()),
        ("index", pa.int32()),
        ("split", pa.string()),
        ("seed", pa.int64()),
        ("psi", pa.float64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
    ]
)
MEMBER_KINDS = {
    "file": pa.string(),
    "offset": pa.int64(),
    "size": pa.int64(),
    "sha256": pa.string(),
}


def member_name(suffix: str) -> str:
    """A member's name without its format: `image` of image.webp, `alpha` of alpha.png, `json`."""
    return suffix.partition(".")[0]


def index_shard(path: Path) -> pa.Table:
    """The table of a shard's tar. Raises ShardCorrupt."""
    rows = []
    try:
        files = ((info.name, (info, body)) for info, body in read_files(path, "r:"))
        for _, members in grouped(files):
            rows.append(_row(members))
    except (tarfile.TarError, KeyError, ValueError, TypeError) as error:
        raise ShardCorrupt(f"{path.name} can't be read as a shard: {error!r}") from error
    return pa.Table.from_pylist(rows, schema=_schema(rows))


def to_parquet(table: pa.Table) -> bytes:
    """A table as a file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression=COMPRESSION)
    return sink.getvalue()


def from_parquet(body: bytes) -> pa.Table:
    """The inverse of `to_parquet`."""
    return pq.read_table(pa.BufferReader(body))


def like(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """`table` with the columns of `schema`: those that it lacks are null."""
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def member_names(schema: pa.Schema) -> list[str]:
    """Members that the samples of a table have, e.g. alpha, image, json."""
    return [name.removesuffix("_offset") for name in schema.names if name.endswith("_offset")]


def score_names(schema: pa.Schema) -> list[str]:
    """Scores that the samples of a table have."""
    floats = _names(schema, pa.types.is_floating)
    return [name for name in floats if not name.startswith("threshold_")]


def attribute_names(schema: pa.Schema) -> list[str]:
    """Attributes of rendered portraits."""
    files = {f"{name}_file" for name in member_names(schema)}
    texts = _names(schema, pa.types.is_string)
    return [name for name in texts if name not in files and not name.endswith("_sha256")]


def _names(schema: pa.Schema, is_wanted: Callable[[pa.DataType], bool]) -> list[str]:
    """Columns of wanted types beyond those that every table has."""
    known = set(BASE.names)
    return [field.name for field in schema if is_wanted(field.type) and field.name not in known]


def _row(members: Mapping[str, Content]) -> dict[str, Any]:
    facts = json.loads(members["json"][1])
    row = {name: facts.get(name) for name in BASE.names}
    row["split"] = facts.get("split") or DEFAULT_SPLIT
    row["psi"] = facts.get("truncation_psi")
    row |= {name: float(score) for name, score in sorted(facts["scores"].items())}
    row |= {
        f"threshold_{name}": float(value)
        for name, value in sorted(facts["thresholds"].items())
        if value is not None
    }
    row |= facts.get("attributes", {})
    for suffix, (info, body) in members.items():
        name = member_name(suffix)
        row |= {
            f"{name}_file": suffix,
            f"{name}_offset": info.offset_data,
            f"{name}_size": info.size,
            f"{name}_sha256": hashlib.sha256(body).hexdigest(),
        }
    return row


def _schema(rows: list[dict[str, Any]]) -> pa.Schema:
    """BASE, then whatever further columns the rows have, in the order in which they are met."""
    fields = {field.name: field for field in BASE}
    for row in rows:
        for name, value in row.items():
            if name not in fields:
                fields[name] = pa.field(name, _type(name, value))
    return pa.schema(list(fields.values()))


def _type(name: str, value: object) -> pa.DataType:
    member, _, kind = name.rpartition("_")
    if member and kind in MEMBER_KINDS and not isinstance(value, float):
        return MEMBER_KINDS[kind]
    return pa.float64() if isinstance(value, float) else pa.string()
