"""Reading tars, front to back and once; in WebDataset's layout the members of a sample follow each
other."""

import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path


def read_members(tar: Path) -> Iterator[tuple[str, bytes]]:
    """(name, content) of each file in the order of the tar; links, folders and devices are left
    out. Raises tarfile.TarError, EOFError or OSError where it is broken."""
    with tarfile.open(tar) as archive:
        for member in archive:
            if member.isfile() and (file := archive.extractfile(member)):
                yield member.name.removeprefix("./"), file.read()


def read_samples(tar: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """(key, {suffix: content}) of each sample; see `grouped`, and `read_members` for what it
    raises."""
    return grouped(read_members(tar))


def grouped(members: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, dict[str, bytes]]]:
    """(key, {suffix: content}) of each run of members with one key: the name up to its first
    dot."""
    key, sample = "", dict[str, bytes]()
    for name, content in members:
        stem, _, suffix = name.partition(".")
        if stem != key and sample:
            yield key, sample
            sample = {}
        key = stem
        sample[suffix] = content
    if sample:
        yield key, sample
