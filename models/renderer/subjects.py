"""The subjects that can be rendered, by the domain that orders name. A new one is added here, and
its vocabulary to `matteforge.schemas.attributes`."""

from typing import Any

from core.errors import InvalidSpec
from models.renderer.animals.subject import ANIMAL
from models.renderer.person.subject import PERSON
from models.renderer.spec import SubjectSpec
from models.renderer.subject import Subject

SUBJECTS: dict[str, Subject[Any]] = {subject.domain: subject for subject in (PERSON, ANIMAL)}


def subject_of(domain: str) -> Subject[Any]:
    """The subject of a domain. Raises InvalidSpec."""
    if domain not in SUBJECTS:
        raise InvalidSpec(
            f"nothing of the domain {domain!r:.50} can be rendered; there are {', '.join(SUBJECTS)}"
        )
    return SUBJECTS[domain]


def subject_of_spec(spec: SubjectSpec) -> Subject[Any]:
    """The subject that a spec is one of."""
    return subject_of(spec.domain)
