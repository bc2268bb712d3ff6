"""samples.parquet: the tables of all shards, joined as a stream, and what is read off it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.datasets.sample_table import BASE, COMPRESSION, like

ROWS_A_GROUP = 8192
BINS = 24
SHOWN = 6  # pictures a row of the report


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """How often a score lies in each of BINS equal steps from low to high."""

    name: str
    low: float
    high: float
    counts: list[int]
    threshold_min: float | None
    threshold_max: float | None


def join_tables(tables: Iterable[pa.Table], path: Path) -> pa.Schema:
    """Write all rows to one file, in the order given; columns are those of the first table with
    rows. Returns its schema."""
    schema, writer, waiting = BASE, None, list[pa.Table]()
    for table in tables:
        if not table.num_rows:
            continue
        if writer is None:
            schema = table.schema
            writer = pq.ParquetWriter(path, schema, compression=COMPRESSION)
        waiting.append(like(table, schema))
        if sum(part.num_rows for part in waiting) >= ROWS_A_GROUP:
            writer.write_table(pa.concat_tables(waiting).combine_chunks())
            waiting = []
    if writer is None:
        writer = pq.ParquetWriter(path, schema, compression=COMPRESSION)
    if waiting:
        writer.write_table(pa.concat_tables(waiting).combine_chunks())
    writer.close()
    return schema


def histogram(path: Path, name: str, thresholds: dict[str, tuple[str, float]]) -> Histogram:
    """Figures of one score; thresholds: criterion -> (bound, value) of those that look at it."""
    values = pq.read_table(path, columns=[name])[name].drop_null()
    if not len(values):
        return Histogram(
            name=name, low=0, high=0, counts=[], threshold_min=None, threshold_max=None
        )
    extent = pc.min_max(values)
    low, high = extent["min"].as_py(), extent["max"].as_py()
    width = (high - low) / BINS or 1.0
    steps = pc.min_element_wise(
        pc.cast(pc.floor(pc.divide(pc.subtract(values, low), width)), pa.int64()), BINS - 1
    )
    found = Counter({e["values"]: e["counts"] for e in pc.value_counts(steps).to_pylist()})
    limits = dict(thresholds.values())
    return Histogram(
        name=name,
        low=low,
        high=high,
        counts=[found[step] for step in range(BINS)],
        threshold_min=limits.get("min"),
        threshold_max=limits.get("max"),
    )


def extremes(path: Path, score: str, *, best_is_high: bool) -> dict[str, list[dict[str, Any]]]:
    """Rows of the samples that agree best and worst by a score, `SHOWN` of each, best first."""
    table = pq.read_table(path, columns=["key", score])
    direction = "descending" if best_is_high else "ascending"
    keys = table.filter(pc.is_valid(table[score])).sort_by(
        [(score, direction), ("key", "ascending")]
    )
    ordered = keys["key"].to_pylist()
    wanted = {"best": ordered[:SHOWN], "borderline": ordered[SHOWN:][-SHOWN:]}
    rows: dict[str, dict[str, Any]] = {}
    named = pa.array([key for part in wanted.values() for key in part], pa.string())
    file = pq.ParquetFile(path)
    for group in range(file.num_row_groups):
        part = file.read_row_group(group)
        found = part.filter(pc.is_in(part["key"], value_set=named))
        rows |= {row["key"]: row for row in found.to_pylist()}
    return {name: [rows[key] for key in part] for name, part in wanted.items()}


def repeated(path: Path) -> int:
    """Samples whose alpha has the very bytes of an earlier one's."""
    file = pq.ParquetFile(path)
    if "alpha_sha256" not in file.schema_arrow.names:
        return 0
    digests = file.read(columns=["alpha_sha256"])["alpha_sha256"]
    return int(len(digests) - pc.count_distinct(digests).as_py())
