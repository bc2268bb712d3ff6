"""Hugging Face datasets on disk: Arrow files of `save_to_disk`, Parquet files of a download.

A row is a sample; a column of pictures is what its name says, in the words that folders have too.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from core.errors import CorpusRejected
from models.corpora.members import Member, Read, unusable
from models.corpora.naming import ROLES
from models.corpora.pairing import Entry, paired
from models.imaging.decode import MAX_FILE_BYTES

MARKERS = ("dataset_info.json", "dataset_dict.json", "state.json")
SUFFIXES = {b"\x89PNG": "png", b"\xff\xd8": "jpg", b"RIFF": "webp", b"BM": "bmp", b"GIF8": "gif"}
LABELS = frozenset({"label", "labels", "annotation", "conditioning_image"})
BATCH_ROWS = 16


def is_dataset(folder: Path) -> bool:
    """Saved by Hugging Face `datasets`, or downloaded as Parquet."""
    return any((folder / name).is_file() for name in MARKERS) or bool(_files(folder, "parquet"))


def table_entries(folder: Path, pairs: bool) -> Iterator[Entry]:
    """Each row's pictures as entries; `part` is the split's folder. Raises CorpusRejected where
    pyarrow is missing or no column holds pictures."""
    files = _files(folder, "arrow") or _files(folder, "parquet")
    for file in files:
        part = file.parent.relative_to(folder).as_posix()
        for row, cells in enumerate(_rows(file)):
            prefix = "" if part == "." else f"{part}/"
            stem = f"{prefix}{file.stem}-{row:08d}"
            members = [_member(stem, column, cell) for column, cell in cells.items()]
            yield from paired(members, pairs)


def _files(folder: Path, suffix: str) -> list[Path]:
    return sorted(
        path for path in folder.rglob(f"*.{suffix}") if not path.name.startswith(("cache-", "."))
    )


def _rows(file: Path) -> Iterator[dict[str, Mapping[str, Any]]]:
    """The cells of pictures of each row: {"bytes": ..., "path": ...} by column."""
    for batch in _batches(file):
        columns = [field.name for field in batch.schema if _holds_pictures(field.type)]
        if not columns:
            raise CorpusRejected(f"{file.name} has no column of pictures: {batch.schema.names}")
        for index in range(batch.num_rows):
            cells = {name: batch.column(name)[index].as_py() for name in columns}
            yield {name: cell for name, cell in cells.items() if cell}


def _batches(file: Path) -> Iterator[Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise CorpusRejected(
            "a Hugging Face dataset is read with pyarrow: pip install pyarrow"
        ) from error
    try:
        if file.suffix == ".parquet":
            yield from pq.ParquetFile(file).iter_batches(batch_size=BATCH_ROWS)
        else:
            with pa.memory_map(str(file)) as mapped, pa.ipc.open_stream(mapped) as stream:
                yield from stream
    except pa.ArrowException as error:
        raise CorpusRejected(f"{file.name} is no whole Arrow or Parquet file: {error}") from error


def _holds_pictures(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0)


def _member(stem: str, column: str, cell: Mapping[str, Any]) -> Member:
    content, role = cell.get("bytes"), column.lower()
    head = (content or b"")[:4]
    suffix = next((name for magic, name in SUFFIXES.items() if head.startswith(magic)), "png")
    word = role if role in ROLES else "mask" if role in LABELS else "image"
    return Member(name=f"{stem}.{word}.{suffix}", read=_read(content))


def _read(content: bytes | None) -> Read:
    if content is None:
        return unusable("not_in_the_table")
    if len(content) > MAX_FILE_BYTES:
        return unusable("too_large")
    return partial(bytes, content)
