"""Tables of samples, of which columns and rows are read apart: in memory, or from a file."""

import threading
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq


class Rows(Protocol):
    """A table of samples of which columns and rows can be read apart."""

    schema: pa.Schema

    def columns(self, names: list[str]) -> pa.Table:
        """All rows of some columns."""

    def rows(self, numbers: list[int]) -> list[dict[str, Any]]:
        """All columns of some rows."""


class InMemory:
    """Rows of the shards that are there."""

    def __init__(self, table: pa.Table) -> None:
        self.schema = table.schema
        self._table = table

    def columns(self, names: list[str]) -> pa.Table:
        return self._table.select(names)

    def rows(self, numbers: list[int]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._table.take(pa.array(numbers, pa.int64())).to_pylist()
        return found


class InFile:
    """Rows of samples.parquet; of a page only its row groups are read in full.

    Thread-safe, which pyarrow's ParquetFile is not: two reads at once fail, or never end.
    """

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(path, memory_map=True)
        self._reading = threading.Lock()
        self.schema = self._file.schema_arrow

    def columns(self, names: list[str]) -> pa.Table:
        with self._reading:
            return self._file.read(columns=names)

    def rows(self, numbers: list[int]) -> list[dict[str, Any]]:
        metadata = self._file.metadata
        found, start = dict[int, dict[str, Any]](), 0
        for group in range(metadata.num_row_groups):
            size = metadata.row_group(group).num_rows
            inside = [number for number in numbers if start <= number < start + size]
            if inside:
                with self._reading:
                    table = self._file.read_row_group(group)
                taken = table.take(pa.array([number - start for number in inside])).to_pylist()
                found |= dict(zip(inside, taken, strict=True))
            start += size
        return [found[number] for number in numbers]
