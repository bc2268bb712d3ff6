"""The table of kinds: whole, in order, and what is drawn lies in it."""

from dataclasses import fields

import numpy as np
import pytest

from matteforge.schemas.animals import ANIMALS
from models.renderer.animals import coat, ears, eyes, fur, head, horns, kinds, mane, nose_mouth
from models.renderer.animals.patterns import PATTERNS
from models.renderer.animals.subject import ANIMAL

KINDS = ANIMALS.values["kind"]
RECORDS = {
    "head": head.Head, "ears": ears.Ears, "eyes": eyes.AnimalEyes, "fur": fur.Fur,
    "nose_mouth": nose_mouth.NoseMouth, "mane": mane.Mane, "horns": horns.Horns,
}  # fmt: skip


def test_what_can_be_ordered_is_what_the_table_holds() -> None:
    assert tuple(kinds.kinds_table()) == KINDS


def test_orderable_patterns_and_colours_are_drawn() -> None:
    assert set(ANIMALS.values["pattern"]) - {"natural"} <= set(PATTERNS)
    assert set(ANIMALS.values["colour"]) - {"natural"} <= set(coat.COLOURS)
    assert set(ANIMALS.values["colour"]) - {"natural"} <= set(coat.DARKER)
    assert set(ANIMALS.values["ears"]) == set(ears.TURNS)
    assert set(ANIMALS.values["fur"]) == set(fur.FACTORS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_has_a_range_and_every_word_a_meaning(kind: str) -> None:
    for concept, record in RECORDS.items():
        ranges = kinds.ranges(kind, concept)
        assert set(ranges) <= {field.name for field in fields(record)}
        for name, (low, high) in ranges.items():
            assert low <= high, (concept, name)
    assert set(kinds.words(kind, "eyes", "irises")) <= set(eyes.IRISES)
    assert set(kinds.words(kind, "eyes", "pupil")) <= set(eyes.PUPILS)
    assert set(kinds.words(kind, "nose_mouth", "colours")) <= set(nose_mouth.COLOURS)
    for choice in kinds.words(kind, "coat", "natural"):
        pattern, *colours = choice.split()
        assert pattern in PATTERNS
        assert len(colours) == 3
        assert set(colours) <= set(coat.COLOURS)


@pytest.mark.parametrize("kind", KINDS)
def test_drawn_numbers_lie_in_the_ranges_of_their_kind(kind: str) -> None:
    spec = ANIMAL.draw(11, {"kind": kind})
    for concept in RECORDS:
        record = getattr(spec, concept)
        for name, (low, high) in kinds.ranges(kind, concept).items():
            assert low <= getattr(record, name) <= high, (concept, name)


def test_labels_decide_what_they_name() -> None:
    plain = ANIMAL.draw(5, {"kind": "cat", "fur": "short", "collar": "no", "colour": "ginger"})
    other = ANIMAL.draw(
        5, {"kind": "cat", "fur": "long", "collar": "yes", "colour": "ginger", "pattern": "spotted"}
    )
    assert plain.fur.factor < other.fur.factor
    assert plain.collar.width_dm == 0 < other.collar.width_dm
    assert plain.coat.colour == other.coat.colour == "ginger"
    assert other.coat.pattern == "spotted"
    assert plain.head == other.head  # each concept has a stream of its own


@pytest.mark.parametrize("kind", KINDS)
def test_a_spec_comes_back_from_json(kind: str) -> None:
    spec = ANIMAL.draw(3, {"kind": kind})
    assert type(spec).from_json(spec.to_json()) == spec


def test_another_kind_leaves_the_light_and_the_place_as_they_are() -> None:
    cat, owl = (ANIMAL.draw(9, {"kind": kind}) for kind in ("cat", "owl"))
    assert (cat.light, cat.camera, cat.background) == (owl.light, owl.camera, owl.background)
    assert cat.eyes.pupil == "slit"
    assert owl.eyes.pupil == "round"
    assert not np.isclose(cat.head.muzzle_z, owl.head.muzzle_z)
