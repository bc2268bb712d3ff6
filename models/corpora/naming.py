"""What a picture is for, told by its folder or its name, in the words that data sets use.

The innermost folder whose name is one of the words decides: image/clip1/0001.png is an image, its
alpha lies in alpha/clip1/0001.png. Else the file's own name may carry the word, behind or before
what names the sample: KEY.alpha.png, KEY_matte.png, alpha_KEY.png.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath


class Role(StrEnum):
    IMAGE = "image"
    ALPHA = "alpha"
    FOREGROUND = "foreground"  # the subject's own colour, to be cut out by an alpha
    RGBA = "rgba"
    BESIDE = "beside"  # made from a pair or for it: trimap, background, depth
    UNKNOWN = "unknown"


WORDS = {
    Role.ALPHA: "alpha alphas pha alpha_copy alpha_matte matte mattes matting gt ground_truth"
    " groundtruth mask masks msk msks label labels annotation annotations",
    Role.IMAGE: "image images img imgs im ims original originals original_image blurred_image rgb"
    " photo photos picture pictures input inputs merged clip_img frames",
    Role.FOREGROUND: "fg fgr foreground foregrounds",
    Role.BESIDE: "bg bgr background backgrounds trimap trimaps usr composite composites depth"
    " normal normals parts segmentation",
    Role.RGBA: "rgba cutout cutouts",
}
ROLES = {word: role for role, words in WORDS.items() for word in words.split()}
PREFERENCE = [*WORDS[Role.ALPHA].split(), *WORDS[Role.RGBA].split()]  # soft alphas before masks
CERTAIN = frozenset({"alpha", "pha"})  # in a file's name these say alpha, if nothing fits too
_WEAK = "normal normals depth parts segmentation usr frames im label labels annotation annotations"
WEAK = frozenset(_WEAK.split())
_ALTERNATIVES = "|".join(sorted(ROLES, key=len, reverse=True))
_ENDING = re.compile(rf"^(?P<rest>.+)(?P<dot>[._-])(?P<word>{_ALTERNATIVES})$", re.IGNORECASE)
_OPENING = re.compile(rf"^(?P<word>{_ALTERNATIVES})(?P<dot>[_-])(?P<rest>.+)$", re.IGNORECASE)
_SIDES = "images|image|imgs|img|masks|mask|alphas|alpha|mattes|matte"
_SIDE = re.compile(
    rf"^(?:(?P<before>.+)[_-](?P<ending>{_SIDES})|(?P<opening>{_SIDES})[_-](?P<behind>.+))$",
    re.IGNORECASE,
)
_SUFFIX = re.compile(r"\.(png|jpe?g|webp|tiff?|bmp)$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Naming:
    """What a path says.

    part: the folder without the word; stems: what the sample may be called, the likeliest first;
    certain: told by a folder, or by a word that stands behind a dot, or that is clear by itself.
    """

    role: Role
    word: str
    part: str
    stems: tuple[str, ...]
    certain: bool
    by_folder: bool

    @property
    def label(self) -> str:
        """A short name of the sample, unique within a tidy source."""
        return f"{self.part}/{self.stems[0]}" if self.part else self.stems[0]


def name_of(path: str) -> Naming:
    """Read the role of a picture off its path."""
    pure = PurePosixPath(path)
    stem = pure.stem
    ending, opening = _ENDING.match(stem), _OPENING.match(stem)
    word, folders = _folder_word(list(pure.parts[:-1]))
    part = "/".join(folders)
    if word and not (ROLES[word] is Role.IMAGE and ending and _is_alpha_member(ending)):
        stems = _stems(stem, *(own["rest"] for own in (ending, opening) if own))
        return Naming(
            role=ROLES[word], word=word, part=part, stems=stems, certain=True, by_folder=True
        )
    if ending:
        own, stems = ending["word"].lower(), _stems(ending["rest"], stem)
    elif opening:
        own, stems = opening["word"].lower(), _stems(stem, opening["rest"])
    else:
        return Naming(
            role=Role.UNKNOWN, word="", part=part, stems=_stems(stem), certain=False,
            by_folder=False,
        )  # fmt: skip
    certain = own in CERTAIN or bool(ending and ending["dot"] == ".")
    return Naming(
        role=ROLES[own], word=own, part=part, stems=stems, certain=certain, by_folder=False
    )


def role_of_folder(name: str) -> Role:
    """What a folder, or an archive that stands for one, is for: images, masks, train_masks."""
    if name.lower() in ROLES:
        return ROLES[name.lower()]
    side = _SIDE.match(name)
    return ROLES[_word_of(side)] if side else Role.UNKNOWN


def _folder_word(folders: list[str]) -> tuple[str, list[str]]:
    """The innermost folder that is one of the words, and the folders without it; a weak one, which
    may be a category of pictures, only where there is no other.

    Else train_masks/ is alphas of train/ or train_images/; what is there says its own name.
    """
    words = [name.lower() for name in reversed(folders) if name.lower() in ROLES]
    if words:
        word = next((word for word in words if word not in WEAK), words[0])
        return word, [name for name in folders if name.lower() != word]
    sides = [_SIDE.match(name) for name in folders]
    alphas = [_word_of(side) for side in sides if side and ROLES[_word_of(side)] is Role.ALPHA]
    bare = [side["before"] or side["behind"] if side else name
            for side, name in zip(sides, folders, strict=True)]  # fmt: skip
    return alphas[-1] if alphas else "", bare


def _word_of(side: re.Match[str]) -> str:
    return (side["ending"] or side["opening"]).lower()


def _stems(*names: str) -> tuple[str, ...]:
    """Names of a sample, and what they are where a tool has put its suffix behind another's:
    a.jpg.png."""
    return (*names, *(_SUFFIX.sub("", name) for name in names if _SUFFIX.search(name)))


def _is_alpha_member(ending: re.Match[str]) -> bool:
    word = ending["word"].lower()
    return ROLES[word] is Role.ALPHA and (word in CERTAIN or ending["dot"] == ".")
