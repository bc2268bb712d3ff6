"""Which picture belongs to which alpha: by their names, words for what they are for left out.

Pictures and alphas of one name in one folder are a pair. A foreground with an alpha is the
subject's own colour; a scene that has both keeps the scene. Trimaps, backgrounds and the like are
left out.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from models.corpora.members import Member, Read, is_archive, once_each, unusable
from models.corpora.naming import PREFERENCE, Naming, Role, name_of

PICTURES = frozenset(
    [
        ".png",
        ".apng",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".mpo",
        ".webp",
        ".bmp",
        ".tif",
        ".tiff",
        ".gif",
        ".avif",
    ]
)  # what models.imaging.decode reads
PHOTOGRAPHS = PICTURES - {
    ".png",
    ".apng",
    ".gif",
    ".bmp",
}  # KEY.jpg beside KEY.png: the png is its alpha
SIDECARS = frozenset(  # notes beside pictures, of which nobody expects to be read as one
    [
        ".json",
        ".jsonl",
        ".txt",
        ".md",
        ".csv",
        ".tsv",
        ".xml",
        ".yaml",
        ".yml",
        ".cls",
        ".html",
        ".py",
        ".ipynb",
        ".sh",
        ".log",
        ".sha256",
        ".md5",
        ".lock",
        ".arrow",
        ".parquet",
    ]
)
NOTES = re.compile(  # the same, without a suffix
    "readme|licen[cs]e|notice|copying|authors|changelog|citation|version|manifest", re.IGNORECASE
)
SCENES = (Role.IMAGE, Role.UNKNOWN)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One sample as it lies in its source; `part` is the folder in it, e.g.
    validation/P3M-500-P."""

    name: str  # of the picture; of the alpha where there is no picture
    part: str
    label: str  # a short name: part and key
    image: Read | None = None  # RGB, or RGBA when alpha is None
    alpha: Read | None = None
    alpha_name: str = ""
    straight: bool = False  # the image shows the subject's own colour, not a scene
    foreground: Read | None = None  # the subject's own colour, beside a scene and its alpha
    beside: tuple[str, ...] = ()  # files of this sample that are not needed
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NamedPicture:
    member: Member
    naming: Naming

    @property
    def name(self) -> str:
        return self.member.name

    @property
    def is_alpha(self) -> bool:
        """Without doubt; what is only called a mask may be a picture of one."""
        return self.naming.role is Role.ALPHA and self.naming.certain

    def entry(self, **more: object) -> Entry:
        """By itself."""
        entry = {"name": self.name, "part": self.naming.part, "label": self.naming.label}
        return Entry(**({"image": self.member.read} | entry | more))  # type: ignore[arg-type]


@dataclass
class Group:
    """An alpha and all that goes with it."""

    alpha: NamedPicture
    partners: list[NamedPicture] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    def entries(self) -> dict[str, Entry]:
        """By the name of the picture: one for each scene, else one for the foreground or RGBA."""
        scenes = self._of(*SCENES)
        if not scenes and (colours := self._of(Role.FOREGROUND, Role.RGBA)):
            cut_out = colours[0].naming.role is Role.RGBA
            alpha = {} if cut_out else self._alpha()
            beside = self._beside([colours[0]]) + ((self.alpha.name,) if cut_out else ())
            entry = colours[0].entry(straight=not cut_out, beside=beside, notes=self.notes, **alpha)
            return {entry.name: entry}
        members = [
            each for each in self._of(Role.FOREGROUND, Role.RGBA) if not each.naming.by_folder
        ]
        more = {"foreground": members[0].member.read if members else None, "notes": self.notes}
        more["beside"] = self._beside(scenes)
        return {each.name: each.entry(**more, **self._alpha()) for each in scenes}

    def _of(self, *roles: Role) -> list[NamedPicture]:
        return sorted(
            (each for each in self.partners if each.naming.role in roles),
            key=lambda each: roles.index(each.naming.role) if each.naming.role not in SCENES else 0,
        )

    def _alpha(self) -> dict[str, object]:
        return {"alpha": self.alpha.member.read, "alpha_name": self.alpha.name}

    def _beside(self, shown: list[NamedPicture]) -> tuple[str, ...]:
        return tuple(each.name for each in self.partners if each not in shown)


class Alphas:
    """Pictures that may be the alpha of another, by folder and name, the likeliest first."""

    def __init__(self, pictures: Iterable[NamedPicture], pairs: bool) -> None:
        self._by_stem: dict[tuple[str, str], list[NamedPicture]] = defaultdict(list)
        for picture in pictures:
            if picture.naming.role in (Role.ALPHA, Role.RGBA) or (pairs and _may_be_alpha(picture)):
                for stem in picture.naming.stems:
                    self._by_stem[picture.naming.part, stem].append(picture)
        for found in self._by_stem.values():
            found.sort(key=_preference)

    def of(self, picture: NamedPicture) -> NamedPicture | None:
        """The alpha that goes with a picture."""
        for stem in picture.naming.stems:
            for alpha in self._by_stem.get((picture.naming.part, stem), ()):
                if alpha is not picture and _goes_with(alpha, picture):
                    return alpha
        return None


def paired(members: Iterable[Member], pairs: bool = True) -> Iterator[Entry]:
    """Entries of one namespace: pairs and single pictures in order, then alphas without a picture,
    then what can't be used."""
    pictures, refused = _pictures(members)
    alphas = Alphas(pictures, pairs)
    groups, alone = dict[str, Group](), dict[str, NamedPicture]()
    for picture in pictures:
        if not picture.is_alpha and (alpha := alphas.of(picture)):
            groups.setdefault(alpha.name, Group(alpha)).partners.append(picture)
        else:
            alone[picture.name] = picture
    for name in groups:
        alone.pop(name, None)
    _join_by_stem(alone, groups)
    grouped = {name: entry for group in groups.values() for name, entry in group.entries().items()}
    lonely = []
    for picture in pictures:
        if picture.name in grouped:
            yield grouped[picture.name]
        elif picture.name in alone:
            if picture.is_alpha:
                lonely.append(picture)
            elif groups and picture.naming.role is Role.BESIDE:
                yield picture.entry(image=unusable("beside_pairs"))
            else:
                yield picture.entry()
    for alpha in lonely:
        yield alpha.entry(image=None, alpha=alpha.member.read, alpha_name=alpha.name)
    yield from refused


def _pictures(members: Iterable[Member]) -> tuple[list[NamedPicture], list[Entry]]:
    pictures, refused = [], []
    for member in once_each(members):
        suffix = PurePosixPath(member.name).suffix.lower()
        if member.broken:
            refused.append(Entry(name=member.name, part="", label=member.name, image=member.read))
        elif suffix in PICTURES:
            pictures.append(NamedPicture(member=member, naming=name_of(member.name)))
        elif suffix not in SIDECARS and not NOTES.fullmatch(PurePosixPath(member.name).name):
            reason = "archive_in_archive" if is_archive(member.name) else f"unsupported {suffix}"
            reason = reason if suffix else "without_suffix"
            refused.append(
                Entry(name=member.name, part="", label=member.name, image=unusable(reason))
            )
    return pictures, refused


def _may_be_alpha(picture: NamedPicture) -> bool:
    return picture.naming.role is Role.UNKNOWN and _suffix(picture) == ".png"


def _goes_with(alpha: NamedPicture, picture: NamedPicture) -> bool:
    if alpha.naming.role is Role.UNKNOWN:  # KEY.jpg beside KEY.png
        return picture.naming.role is Role.UNKNOWN and _suffix(picture) in PHOTOGRAPHS
    if alpha.naming.role is Role.RGBA:
        return picture.naming.role in SCENES
    return picture.naming.role is not Role.ALPHA or alpha.is_alpha


def _preference(alpha: NamedPicture) -> int:
    return PREFERENCE.index(alpha.naming.word) if alpha.naming.word else len(PREFERENCE)


def _suffix(picture: NamedPicture) -> str:
    return PurePosixPath(picture.name).suffix.lower()


def _join_by_stem(alone: dict[str, NamedPicture], groups: dict[str, Group]) -> None:
    """Pair what has one name but other folders, where the name is clear: once on either side."""
    alphas = _once([each for each in alone.values() if each.is_alpha and each.naming.by_folder])
    scenes = _once([each for each in alone.values() if each.naming.role in SCENES])
    for stem in alphas.keys() & scenes.keys():
        alpha, scene = alphas[stem], scenes[stem]
        groups[alpha.name] = Group(alpha, [scene], ("paired_by_name_alone",))
        del alone[alpha.name], alone[scene.name]


def _once(pictures: list[NamedPicture]) -> dict[str, NamedPicture]:
    count = Counter(each.naming.stems[0] for each in pictures)
    return {each.naming.stems[0]: each for each in pictures if count[each.naming.stems[0]] == 1}
