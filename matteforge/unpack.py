"""Shards as folders of files, for readers that know no tars."""

import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from matteforge.errors import DownloadCorrupt
from matteforge.folder import write_whole

NAME = re.compile(r"(?P<key>[0-9]{11})\.(?P<suffix>(?P<name>[a-z]+)(\.[a-z]+)?)", re.ASCII)
DEFAULT_SPLIT = "train"


def unpack(shards: Iterable[Path], folder: Path, members: Sequence[str] = ()) -> int:
    """Write the members of downloaded shards to FOLDER/SPLIT/KEY.MEMBER; returns how many samples.

    members: names such as image, alpha, json; all when none is given. What is there already, whole,
    is left alone. Raises DownloadCorrupt for a tar that holds anything but samples, OSError.
    """
    keys = set[str]()
    for shard in shards:
        target = folder / (shard.name.rpartition("-")[0] or DEFAULT_SPLIT)
        target.mkdir(parents=True, exist_ok=True)
        for key, suffix, content in members_of(shard, members):
            path = target / f"{key}.{suffix}"
            if not path.exists() or path.stat().st_size != len(content):
                write_whole(path, content)
            keys.add(key)
    return len(keys)


def members_of(shard: Path, members: Sequence[str] = ()) -> Iterator[tuple[str, str, bytes]]:
    """(key, suffix, content) of the members with these names, of all if none is given. Names are
    checked, so that nothing is written elsewhere. Raises DownloadCorrupt as `unpack`."""
    try:
        with tarfile.open(shard, "r:") as tar:
            for info in tar:
                found = NAME.fullmatch(info.name)
                file = tar.extractfile(info) if info.isfile() else None
                if found is None or file is None:
                    raise DownloadCorrupt(f"{info.name[:100]!r} is no member of a sample")
                if not members or found["name"] in members:
                    yield found["key"], found["suffix"], file.read()
    except tarfile.TarError as error:
        raise DownloadCorrupt(f"{shard.name} can't be read as a tar: {error}") from error
