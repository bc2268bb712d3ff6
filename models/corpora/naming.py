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
    " groundtruth mask masks",
    Role.IMAGE: "image images img imgs original originals original_image blurred_image rgb photo"
    " photos picture pictures input inputs merged clip_img frames",
    Role.FOREGROUND: "fg fgr foreground foregrounds",
    Role.BESIDE: "bg bgr background backgrounds trimap trimaps usr composite composites depth"
    " normal normals parts segmentation",
    Role.RGBA: "rgba cutout cutouts",
}
ROLES = {word: role for role, words in WORDS.items() for word in words.split()}
PREFERENCE = [*WORDS[Role.ALPHA].split(), *WORDS[Role.RGBA].split()]  # soft alphas before masks
CERTAIN = frozenset({"alpha", "pha"})  # in a file's name these say alpha, if nothing fits too
WEAK = frozenset({"normal", "normals", "depth", "parts", "segmentation", "usr", "frames"})
_ALTERNATIVES = "|".join(sorted(ROLES, key=len, reverse=True))
_ENDING = re.compile(rf"^(?P<rest>.+)(?P<dot>[._-])(?P<word>{_ALTERNATIVES})$", re.IGNORECASE)
_OPENING = re.compile(rf"^(?P<word>{_ALTERNATIVES})(?P<dot>[_-])(?P<rest>.+)$", re.IGNORECASE)


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
    folders, stem = list(pure.parts[:-1]), pure.stem
    ending, opening = _ENDING.match(stem), _OPENING.match(stem)
    word = _folder_word(folders)
    if word and not (ROLES[word] is Role.IMAGE and ending and _is_alpha_member(ending)):
        part = "/".join(name for name in folders if name.lower() != word)
        stems = (stem, *(own["rest"] for own in (ending, opening) if own))
        return Naming(
            role=ROLES[word], word=word, part=part, stems=stems, certain=True, by_folder=True
        )
    if word:
        folders = [name for name in folders if name.lower() != word]
    part = "/".join(folders)
    if ending:
        own, stems = ending["word"].lower(), (ending["rest"], stem)
    elif opening:
        own, stems = opening["word"].lower(), (stem, opening["rest"])
    else:
        return Naming(
            role=Role.UNKNOWN, word="", part=part, stems=(stem,), certain=False, by_folder=False
        )
    certain = own in CERTAIN or bool(ending and ending["dot"] == ".")
    return Naming(
        role=ROLES[own], word=own, part=part, stems=stems, certain=certain, by_folder=False
    )


def _folder_word(folders: list[str]) -> str:
    """The innermost folder that is one of the words; a weak one, which may be a category of
    pictures, only where there is no other."""
    words = [name.lower() for name in reversed(folders) if name.lower() in ROLES]
    return next((word for word in words if word not in WEAK), words[0] if words else "")


def _is_alpha_member(ending: re.Match[str]) -> bool:
    word = ending["word"].lower()
    return ROLES[word] is Role.ALPHA and (word in CERTAIN or ending["dot"] == ".")
