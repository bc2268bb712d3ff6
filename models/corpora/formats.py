"""Samples as data sets deliver them: folders, zips and tars, one entry a sample.

docs/howto/bring-your-own.md lists the layouts; `models.corpora.pairing` finds the pairs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from models.corpora.members import (
    Member,
    Source,
    archive_members,
    folder_members,
    is_archive,
    opened_members,
)
from models.corpora.naming import Role, role_of_folder
from models.corpora.pairing import Entry, paired
from models.corpora.tables import is_dataset, table_entries


def read_entries(source: Path | Source, *, pairs: bool = True) -> Iterator[Entry]:
    """Every sample of a folder, zip, tar or Source, in order of names; archives among its files are
    opened.

    pairs: KEY.jpg beside KEY.png are a picture and its alpha; else they are two pictures. What
    can't be used comes as an entry whose `image` says why. FileNotFoundError when there is no such
    path.
    """
    if isinstance(source, Source):
        yield from _with_archives(source.members(), pairs)
    elif not source.exists():
        raise FileNotFoundError(source)
    elif not source.is_dir():
        yield from paired(archive_members(source), pairs)
    elif is_dataset(source):
        yield from table_entries(source, pairs)
    else:
        yield from _with_archives(folder_members(source), pairs)


def _with_archives(members: Iterable[Member], pairs: bool) -> Iterator[Entry]:
    """Files, and what is in the archives among them: `images.zip` counts as a folder `images`, any
    other archive by itself."""
    files, archives = list[Member](), list[Member]()
    for member in members:
        (archives if is_archive(member.name) else files).append(member)
    for archive in [each for each in archives if _is_role(each.name)]:
        folder = PurePosixPath(archive.name).parent / _bare(archive.name)  # images.zip, masks.zip
        for each in opened_members(archive):
            files.append(replace(each, name=str(folder / each.name)))
    yield from paired(files, pairs)
    for archive in [each for each in archives if not _is_role(each.name)]:
        yield from paired(opened_members(archive), pairs)


def _bare(name: str) -> str:
    return PurePosixPath(name).name.partition(".")[0]


def _is_role(archive: str) -> bool:
    return role_of_folder(_bare(archive)) is not Role.UNKNOWN
