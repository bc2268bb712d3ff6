"""Reading tars, front to back and once; in WebDataset's layout the members of a sample follow each
other."""

import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
Content = tuple[tarfile.TarInfo, bytes]


def headers(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Each header in the order of the tar; the archive by itself would remember a million of
    them. Raises tarfile.TarError or OSError where it is broken."""
    while (info := archive.next()) is not None:
        archive.members = []  # type: ignore[attr-defined]
        yield info


def read_files(tar: Path, mode: str = "r") -> Iterator[Content]:
    """(header, content) of each file; links, folders and devices are left out.

    mode: tarfile's; `r:` takes no packed tar. Raises tarfile.TarError, EOFError or OSError where it
    is broken.
    """
    with tarfile.open(tar, mode) as archive:  # type: ignore[call-overload]
        for info in headers(archive):
            if info.isfile() and (file := archive.extractfile(info)):
                yield info, file.read()


def read_members(tar: Path) -> Iterator[tuple[str, bytes]]:
    """(name, content) of each file; see `read_files` for what it raises."""
    for info, content in read_files(tar):
        yield info.name.removeprefix("./"), content


def read_samples(tar: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """(key, {suffix: content}) of each sample; see `grouped`, and `read_files` for what it
    raises."""
    return grouped(read_members(tar))


def grouped(members: Iterable[tuple[str, T]]) -> Iterator[tuple[str, dict[str, T]]]:
    """(key, {suffix: content}) of each run of members with one key: the name up to its first
    dot."""
    key, sample = "", dict[str, T]()
    for name, content in members:
        stem, _, suffix = name.partition(".")
        if stem != key and sample:
            yield key, sample
            sample = {}
        key = stem
        sample[suffix] = content
    if sample:
        yield key, sample
