"""Files as they lie in a folder, a zip or a tar, one record a file, read only when asked for.

Names are put in one spelling: `/` between folders, no leading `./`, Unicode composed (NFC): a file
may be written by macOS (NFD) and its partner elsewhere, or a zip on Windows (backslashes).
"""

import gzip
import os
import stat
import tarfile
import unicodedata
import weakref
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from core.tars import headers
from models.corpora.archives import (
    MAX_MEMBERS,
    ArchiveTooLarge,
    check_zip,
    plain_tar,
)
from models.imaging.decode import MAX_FILE_BYTES

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
CLUTTER = ("__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini")  # beside what a person put there
BYTE_ORDER_MARK = "\ufeff"  # some tools write it before names
PACKED_BY = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
ENCRYPTED = 1  # of the flags of a zip's member
BROKEN_ARCHIVE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)

Read = Callable[[], bytes]
OnDisk = Callable[[], AbstractContextManager[Path]]
"""Raises Unusable."""


class Unusable(ValueError):
    """A member that can't be read; its first argument is the reason that is counted."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One file of a source. `read` raises Unusable, or what disks and archives raise."""

    name: str  # path inside the source, in one spelling
    read: Read
    broken: bool = False  # of no use: an archive that ends too early, a name that came again
    on_disk: OnDisk | None = None  # the file as a path, for an archive to be opened


@dataclass(frozen=True, kw_only=True)
class Source:
    """Files that lie in no folder or archive: below a bucket's prefix, behind a list of URLs."""

    name: str
    members: Callable[[], Iterable[Member]]


def spelled(name: str) -> str:
    """A member's name in the one spelling that names are compared in."""
    plain = unicodedata.normalize("NFC", name.replace("\\", "/").replace(BYTE_ORDER_MARK, ""))
    parts = [part for part in plain.split("/") if part not in ("", ".", "..")]
    return "/".join(parts)


def unusable(reason: str) -> Read:
    """A `read` that says why there is nothing to read."""

    def read() -> bytes:
        raise Unusable(reason)

    return read


def once_each(members: Iterable[Member]) -> Iterator[Member]:
    """The last of several members of one name, as unpacking would leave it; the others come as
    members that can't be read."""
    last = dict[str, Member]()
    for member in members:
        if (earlier := last.pop(member.name, None)) is not None:
            yield replace(earlier, read=unusable("named_twice"), broken=True)
        last[member.name] = member
    yield from last.values()


def is_archive(name: str) -> bool:
    return name.lower().endswith(ARCHIVES)


def is_clutter(name: str) -> bool:
    """Left by an operating system or a tool, hidden, or no file of the person's at all."""
    return any(part in CLUTTER or part.startswith(".") for part in name.split("/"))


def folder_members(folder: Path) -> Iterator[Member]:
    """Files below a folder by name, links followed once; archives are members too, to be opened."""
    found = sorted(_walk(folder), key=lambda path: path.relative_to(folder).as_posix())
    for path in found:
        name = spelled(path.relative_to(folder).as_posix())
        if not is_clutter(name):
            yield Member(name=name, read=_file_reader(path), on_disk=_on_disk(path))


def archive_members(path: Path) -> Iterator[Member]:
    """The files of a zip or tar in its own order; it stays open while one of them may be read.

    An archive that is broken, or unpacks to far more than it weighs, ends with one member of its
    own name that can't be read; what came before stays good.
    """
    try:
        yield from _zip_members(path) if zipfile.is_zipfile(path) else _tar_members(path)
    except ArchiveTooLarge:
        yield Member(name=path.name, read=unusable("archive_too_large"), broken=True)
    except BROKEN_ARCHIVE:
        yield Member(name=path.name, read=unusable("unreadable"), broken=True)


def opened_members(archive: Member) -> Iterator[Member]:
    """The files of an archive that is itself a file of a source; see `archive_members`. One that
    can't be had is a member that says why."""
    if archive.on_disk is None:
        yield Member(name=archive.name, read=unusable("archive_in_archive"), broken=True)
        return
    try:
        with archive.on_disk() as path:
            yield from archive_members(path)
    except Unusable as error:
        yield Member(name=archive.name, read=unusable(str(error)), broken=True)


def _walk(folder: Path) -> Iterable[Path]:
    seen = set[tuple[int, int]]()
    for parent, folders, files in os.walk(folder, followlinks=True):
        place = os.stat(parent)
        if (place.st_dev, place.st_ino) in seen:
            folders.clear()
            continue
        seen.add((place.st_dev, place.st_ino))
        folders[:] = [name for name in folders if not is_clutter(name)]
        yield from (Path(parent, name) for name in files)


def _on_disk(path: Path) -> OnDisk:
    return lambda: nullcontext(path)


def _file_reader(path: Path) -> Read:
    def read() -> bytes:
        try:
            status = path.stat()
        except FileNotFoundError as error:
            raise Unusable("dangling_link") from error
        if not stat.S_ISREG(status.st_mode):
            raise Unusable("not_a_file")
        if status.st_size > MAX_FILE_BYTES:
            raise Unusable("too_large")
        return path.read_bytes()

    return read


class _OpenTar:
    """A tar that is closed when none of its members can be asked for any more."""

    def __init__(self, path: Path) -> None:
        self.file = plain_tar(path)
        weakref.finalize(self, self.file.close)

    def read(self, start: int, size: int) -> bytes:
        self.file.seek(start)
        return self.file.read(size)


class _OpenZip:
    """A zip, read as `_OpenTar` reads a tar."""

    def __init__(self, path: Path) -> None:
        self.archive = zipfile.ZipFile(path)
        weakref.finalize(self, self.archive.close)

    def read(self, info: zipfile.ZipInfo) -> bytes:
        return self.archive.read(info)


def _zip_members(path: Path) -> Iterator[Member]:
    opened = _OpenZip(path)
    check_zip(opened.archive, path)
    for info in opened.archive.infolist():
        name = spelled(info.filename)
        if not info.is_dir() and not is_clutter(name):
            yield Member(name=name, read=_zip_reader(opened, info))


def _zip_reader(opened: _OpenZip, info: zipfile.ZipInfo) -> Read:
    if info.flag_bits & ENCRYPTED:
        return unusable("encrypted")
    if info.compress_type not in PACKED_BY:
        return unusable("compression_unsupported")
    if info.file_size > MAX_FILE_BYTES:
        return unusable("too_large")
    return partial(opened.read, info)


def _tar_members(path: Path) -> Iterator[Member]:
    """Headers are read front to back once; contents by their place, in any order."""
    opened = _OpenTar(path)
    length = opened.file.seek(0, os.SEEK_END)
    opened.file.seek(0)
    with tarfile.open(fileobj=opened.file, mode="r:") as archive:
        for count, info in enumerate(headers(archive)):
            if count == MAX_MEMBERS:
                raise ArchiveTooLarge(f"{path.name} holds more than {MAX_MEMBERS} members")
            name = spelled(info.name)
            if info.isdir() or is_clutter(name):
                continue
            if info.isreg() and info.offset_data + info.size > length:
                raise tarfile.ReadError("the archive ends within this member")
            yield Member(name=name, read=_tar_reader(opened, info))


def _tar_reader(opened: _OpenTar, info: tarfile.TarInfo) -> Read:
    if info.issym() or info.islnk():
        return unusable("link")
    if not info.isreg() or info.issparse():
        return unusable("not_a_file")
    if info.size > MAX_FILE_BYTES:
        return unusable("too_large")
    return partial(opened.read, info.offset_data, info.size)
