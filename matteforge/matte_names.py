"""What the matte of each of several pictures is called."""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

SUFFIXES = frozenset({
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".tif", ".tiff", ".gif", ".bmp",
    ".avif",
})  # fmt: skip
"""Files that end so are taken for pictures."""


def result_names(pictures: Sequence[PurePath]) -> list[PurePath]:
    """`a/b.png` for each `a/b.SUFFIX`; those that would share a name keep their suffix in it."""
    counts = Counter(path.with_suffix("") for path in pictures)
    taken: set[PurePath] = set()
    names = []
    for path in pictures:
        stem = path.with_suffix("") if counts[path.with_suffix("")] == 1 else path
        name = stem.with_name(f"{stem.name}.png")
        while name in taken:
            name = name.with_name(f"{name.stem}_.png")
        taken.add(name)
        names.append(name)
    return names
