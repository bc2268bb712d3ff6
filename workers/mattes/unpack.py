"""Which pictures a batch has: unpacked from its archive, or listed below its prefix."""

import lzma
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import IO

from core import keys
from core.errors import PictureRejected
from core.matte_batch import BatchPicture, BatchPictures, BatchRecord
from core.matte_batches import ARCHIVE
from core.ports import ObjectStore
from matteforge.matte_names import result_names
from matteforge.schemas.mattes import MAX_BATCH_PICTURES, MAX_PICTURE_BYTES

MAX_UNPACKED_BYTES = 16 << 30
MAX_NAME = 200  # characters of a folder or a file
MAX_FOLDERS = 16
DRIVE = re.compile("[A-Za-z]:/")
PACKED_BY = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
ENCRYPTED = 1  # of the flags of an archive's entry
UNREADABLE = (
    zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, zlib.error,
    lzma.LZMAError,
)  # fmt: skip


def pictures_of(store: ObjectStore, record: BatchRecord) -> BatchPictures:
    """All pictures of a batch, those that can't be tried with the reason. Raises PictureRejected
    where the batch as a whole is refused, NotFound where its archive has not arrived."""
    found = _listed(store, record) if record.prefix is not None else _unpacked(store, record.id)
    if not found:
        where = f"below {record.prefix}" if record.prefix is not None else "in the archive"
        raise PictureRejected(f"there are no pictures {where}")
    return BatchPictures(items=found)


def _listed(store: ObjectStore, record: BatchRecord) -> list[BatchPicture]:
    folder = keys.incoming(record.matte.owner, record.prefix or "")
    names = [key.removeprefix(folder) for key in _bounded(store.list_keys(folder))]
    wanted = [name for name in names if not _hidden(name)]
    results = zip(wanted, _results([_slashed(name) for name in wanted]), strict=True)
    return [
        _picture(name, result, f"{folder}{name}", _bad_name(_slashed(name)))
        for name, result in results
    ]


def _bounded(found: Iterator[str]) -> list[str]:
    listed: list[str] = []
    for key in found:
        if len(listed) == MAX_BATCH_PICTURES:
            raise _too_many()
        listed.append(key)
    return listed


def _unpacked(store: ObjectStore, batch_id: str) -> list[BatchPicture]:
    with tempfile.TemporaryFile(prefix="matteforge-batch-") as file:
        for chunk in store.stream(keys.matte_batch(batch_id, ARCHIVE)):
            file.write(chunk)
        try:
            archive = zipfile.ZipFile(file)
        except UNREADABLE as error:
            raise PictureRejected("the archive is damaged, or no zip") from error
        with archive:
            return _put_all(store, batch_id, archive)


def _put_all(store: ObjectStore, batch_id: str, archive: zipfile.ZipFile) -> list[BatchPicture]:
    entries = [
        entry for entry in archive.infolist() if not entry.is_dir() and not _hidden(entry.filename)
    ]
    if len(entries) > MAX_BATCH_PICTURES:
        raise _too_many()
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
        raise PictureRejected(f"the archive unpacks to more than {MAX_UNPACKED_BYTES >> 30} GiB")
    found, seen = [], set[str]()
    names = [_slashed(entry.filename) for entry in entries]
    rows = zip(names, entries, _results(names), strict=True)
    for index, (name, entry, result) in enumerate(rows):
        refused = "the archive has it twice; the first one counts" if name in seen else None
        refused = refused or _bad_name(name) or _refusal(entry)
        seen.add(name)
        key = keys.matte_batch(batch_id, f"sources/{index:06d}")
        if refused is None:
            try:
                store.put(key, _content(archive, entry))
            except UNREADABLE:
                refused = "it can't be unpacked: the archive is damaged"
        found.append(_picture(name, result, key, refused))
    return found


def _picture(name: str, result: str, key: str, refused: str | None) -> BatchPicture:
    return BatchPicture(
        name=name[:500], result=result, key=None if refused else key, refused=refused
    )


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    file: IO[bytes]
    with archive.open(entry) as file:
        return file.read()


def _refusal(entry: zipfile.ZipInfo) -> str | None:
    """Why an entry can't be tried, whatever its name."""
    if entry.flag_bits & ENCRYPTED:
        return "it is encrypted"
    if entry.compress_type not in PACKED_BY:
        return "it is packed in a way that is not read: pack it with Deflate, as most programs do"
    if entry.file_size > MAX_PICTURE_BYTES:
        return f"it has more than {MAX_PICTURE_BYTES >> 20} MiB"
    return None


def _slashed(name: str) -> str:
    """`/` between folders: an archive that was made on Windows may have backslashes, one that was
    made of `.` begins with it."""
    return name.replace("\\", "/").removeprefix("./")


def _bad_name(name: str) -> str | None:
    """Why no result can have a name like this."""
    parts = name.split("/")
    if name.startswith("/") or DRIVE.match(name) or ".." in parts:
        return "its name leads out of the folder: names inside it would do"
    if len(parts) > MAX_FOLDERS or any(len(part) > MAX_NAME for part in parts):
        return f"its name is too long: {MAX_FOLDERS} folders, {MAX_NAME} characters each would do"
    if not all(part.isprintable() and part not in ("", ".") for part in parts):
        return "its name has an empty part, or characters that can't be printed"
    return None


def _hidden(name: str) -> bool:
    """What no person put there: folders, files of macOS, Windows and editors."""
    parts = _slashed(name).split("/")
    return parts[-1] in ("", "Thumbs.db", "desktop.ini") or any(
        part == "__MACOSX" or (part.startswith(".") and part not in (".", "..")) for part in parts
    )


def _results(names: Sequence[str]) -> list[str]:
    """Names of results; those of names that are refused are never written."""
    return [str(path) for path in result_names([PurePosixPath(name or "_") for name in names])]


def _too_many() -> PictureRejected:
    return PictureRejected(
        f"a batch has at most {MAX_BATCH_PICTURES} pictures; send several batches"
    )
