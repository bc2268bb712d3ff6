"""Pictures as data sets deliver them: folders, zips and WebDataset tars, one entry a sample.

Pairs are found by three rules: `KEY.image.*` beside `KEY.alpha.*`, `KEY.rgba.png`, and sister
folders of which one is named for images, one for alphas (P3M-10k: blurred_image + mask; AM-2k:
original + mask). What is derived from pairs is left out; everything else is a picture.
"""

import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
IMAGE_FOLDERS = ("image", "images", "img", "original", "original_image", "blurred_image")
ALPHA_FOLDERS = ("alpha", "alphas", "mask", "masks", "matte", "mattes")
BESIDE_PAIRS = frozenset(
    {"fg", "bg", "trimap", "composite"}
)  # folders (P3M-10k, AM-2k) or members (shards of ours)

Read = Callable[[], bytes]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One sample as it lies in its source; `part` is the folder in it, e.g.
    validation/P3M-500-P."""

    name: str
    part: str
    image: Read | None = None  # RGB, or RGBA when alpha is None
    alpha: Read | None = None


def read_entries(source: Path) -> Iterator[Entry]:
    """Every sample of a folder, zip or tar, in order of names. FileNotFoundError when there is no
    such path."""
    if not source.exists():
        raise FileNotFoundError(source)
    if source.is_dir():
        tars = sorted(source.rglob("*.tar"))
        yield from _entries(_folder_members(source))
        for tar in tars:
            yield from _tar_entries(tar)
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            names = [name for name in sorted(archive.namelist()) if not name.endswith("/")]
            yield from _entries((name, _reader(archive.read, name)) for name in names)
    else:
        yield from _tar_entries(source)


def _reader(read: Callable[[str], bytes], name: str) -> Read:
    return lambda: read(name)


def _folder_members(folder: Path) -> Iterator[tuple[str, Read]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes


def _tar_entries(path: Path) -> Iterator[Entry]:
    """Samples of a tar, one run of equal keys at a time: a tar is read once, from front to back.

    One that is broken ends with an entry of its own name that can't be read.
    """
    key, members = "", dict[str, Read]()
    try:
        with tarfile.open(path) as archive:
            for info in archive:
                file = archive.extractfile(info)
                if file is None:
                    continue
                name = info.name.removeprefix("./")
                stem = name.partition(".")[0]
                if stem != key and members:
                    yield from _entries(members.items())
                    members = {}
                key, content = stem, file.read()
                members[name] = lambda content=content: content  # type: ignore[misc]
    except (tarfile.TarError, EOFError, OSError):
        yield Entry(name=path.name, part="", image=bytes)
    yield from _entries(members.items())


def _entries(members: Iterable[tuple[str, Read]]) -> Iterator[Entry]:
    pictures = {
        PurePosixPath(name): read
        for name, read in members
        if PurePosixPath(name).suffix.lower() in PICTURES
    }
    alphas = {path: read for path, read in pictures.items() if _is_alpha(path)}
    by_stem = {(path.parent, _stem(path)): path for path in alphas}
    paired = set[PurePosixPath]()
    for path, read in pictures.items():
        if path in alphas or (alphas and _is_derived(path)):
            continue
        found = _alpha_of(path, by_stem)
        if found:
            paired.add(found)
        yield Entry(
            name=str(path), part=_part(path), image=read, alpha=alphas[found] if found else None
        )
    for path in alphas.keys() - paired:
        yield Entry(name=str(path), part=_part(path), alpha=alphas[path])


def _is_alpha(path: PurePosixPath) -> bool:
    return path.stem.endswith((".alpha", "_alpha")) or path.parent.name.lower() in ALPHA_FOLDERS


def _is_derived(path: PurePosixPath) -> bool:
    """Made from a pair that is there too: as a sample of its own it could land in another split."""
    return bool(BESIDE_PAIRS & {*path.parts[:-1], path.stem.rpartition(".")[2]})


def _stem(path: PurePosixPath) -> str:
    """The name of a sample: without suffix and without what tells its members apart."""
    for ending in (".alpha", "_alpha", ".image", "_image", ".rgba"):
        if path.stem.endswith(ending):
            return path.stem.removesuffix(ending)
    return path.stem


def _alpha_of(
    path: PurePosixPath, by_stem: dict[tuple[PurePosixPath, str], PurePosixPath]
) -> PurePosixPath | None:
    """The alpha beside a picture, or in the sister of its folder."""
    if path.stem.endswith(".rgba"):
        return None
    folders = [path.parent]
    if path.parent.name.lower() in IMAGE_FOLDERS:
        folders += [path.parent.parent / name for name in ALPHA_FOLDERS]
    return next(
        (by_stem[folder, _stem(path)] for folder in folders if (folder, _stem(path)) in by_stem),
        None,
    )


def _part(path: PurePosixPath) -> str:
    parent = path.parent
    if parent.name.lower() in (*IMAGE_FOLDERS, *ALPHA_FOLDERS):
        parent = parent.parent
    return "" if str(parent) == "." else str(parent)
