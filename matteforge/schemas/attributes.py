"""Rendered subjects: the domains that can be ordered, their members, how they are framed."""

from typing import Literal

from matteforge.schemas.animals import ANIMALS
from matteforge.schemas.people import PEOPLE
from matteforge.schemas.vocabulary import Vocabulary

VOCABULARIES: dict[str, Vocabulary] = {"humans": PEOPLE, "animals": ANIMALS}
"""What can be ordered, by domain; the first is the default."""


MEMBERS_OF_ALL = ("fg", "trimap", "composite")
MEMBERS = (*MEMBERS_OF_ALL, "depth", "normals", "parts", "landmarks")
"""What can be ordered beyond image and alpha: of every source, and of rendered subjects."""
Framing = Literal["free", "aligned"]
"""How the camera frames: as photographers do, or with every head in one place and of one size."""


def vocabulary_of(domain: str) -> Vocabulary:
    """What of a domain can be ordered. Raises ValueError that names the known ones."""
    if domain not in VOCABULARIES:
        raise ValueError(
            f"nothing of the domain {domain!r:.50} is rendered; known: {', '.join(VOCABULARIES)}"
        )
    return VOCABULARIES[domain]
