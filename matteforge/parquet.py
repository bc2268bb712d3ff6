"""Shards as Parquet files with image columns, as Hugging Face's `datasets` has them."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from matteforge.unpack import DEFAULT_SPLIT, members_of

ROWS_A_GROUP = 100  # pictures are large: what the hub's viewer asks for
NUMBERS = {"seed": "int64", "width": "int32", "height": "int32", "truncation_psi": "float64"}
PICTURES = ("png", "webp", "jpg")


def to_parquet_files(shards: Iterable[Path], folder: Path, members: Sequence[str] = ()) -> int:
    """Write FOLDER/SPLIT-NNNNNN.parquet for each downloaded shard; returns how many samples.

    A row a sample: key, seed, size, scores and attributes by name, each picture as an image, `json`
    as text. `load_dataset(FOLDER)` reads it. members: as `unpack` takes them. What is there already
    is left alone. Raises DownloadCorrupt, OSError, ModuleNotFoundError.
    """
    pq = _parquet()
    folder.mkdir(parents=True, exist_ok=True)
    samples, writer = 0, _Writer(members)
    for shard in shards:
        split, _, number = shard.stem.rpartition("-")
        path = folder / f"{split or DEFAULT_SPLIT}-{number}.parquet"
        if path.exists():
            samples += pq.ParquetFile(path).metadata.num_rows
            continue
        part = path.with_name(f"{path.name}.part")
        samples += writer.write(shard, part)
        os.replace(part, path)
    return samples


class _Writer:
    """Writes every file with the columns of the first sample of all."""

    def __init__(self, members: Sequence[str]) -> None:
        self._members = members
        self._schema: Any = None

    def write(self, shard: Path, path: Path) -> int:
        pq, samples = _parquet(), 0
        rows = (_row(*sample, self._members) for sample in _samples(shard))
        first = list(islice(rows, ROWS_A_GROUP))
        if not first:
            return 0
        self._schema = self._schema or _schema(first[0])
        with pq.ParquetWriter(path, self._schema, compression="zstd") as file:
            while first:
                file.write_table(_table(first, self._schema))
                samples += len(first)
                first = list(islice(rows, ROWS_A_GROUP))
        return samples


def _samples(shard: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    key, members = "", dict[str, bytes]()
    for found, suffix, content in members_of(shard):
        if found != key and members:
            yield key, members
            members = {}
        key, members[suffix] = found, content
    if members:
        yield key, members


def _row(key: str, members: Mapping[str, bytes], wanted: Sequence[str]) -> dict[str, Any]:
    facts = json.loads(members["json"])
    row: dict[str, Any] = {"key": key} | {name: facts.get(name) for name in NUMBERS}
    row |= {name: float(score) for name, score in sorted(facts["scores"].items())}
    row |= {name: str(value) for name, value in facts.get("attributes", {}).items()}
    for suffix, content in members.items():
        name, _, kind = suffix.partition(".")
        if wanted and name not in wanted:
            continue
        is_picture = kind in PICTURES
        row[name] = (
            {"bytes": content, "path": f"{key}.{suffix}"} if is_picture else content.decode()
        )
    return row


def _schema(row: Mapping[str, Any]) -> Any:
    """Arrow's types, and the same once more as `datasets` keeps them in a file's metadata."""
    import pyarrow as pa

    fields, features = [], {}
    for name, value in row.items():
        if isinstance(value, dict):
            kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
            features[name] = {"_type": "Image"}
        else:
            text = NUMBERS.get(name) or ("float64" if isinstance(value, float) else "string")
            kind = pa.type_for_alias(text)
            features[name] = {"dtype": text, "_type": "Value"}
        fields.append(pa.field(name, kind))
    told = json.dumps({"info": {"features": features}})
    return pa.schema(fields, metadata={"huggingface": told})


def _table(rows: Sequence[Mapping[str, Any]], schema: Any) -> Any:
    import pyarrow as pa

    named = [{field.name: row.get(field.name) for field in schema} for row in rows]
    return pa.Table.from_pylist(named, schema=schema)


def _parquet() -> Any:
    try:
        import pyarrow.parquet as pq
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"Parquet is written with {error.name}: pip install 'matteforge[parquet]'"
        ) from error
    return pq
