"""Specs: sub-streams, attributes, JSON."""

import json
from dataclasses import fields

import pytest

from core.errors import InvalidSpec
from matteforge.schemas.people import PEOPLE
from models.renderer.person.spec import PortraitSpec
from models.renderer.person.subject import PERSON

pytestmark = pytest.mark.usefixtures("plain_shapes")
SEEDS = range(40)


def differences(one: PortraitSpec, other: PortraitSpec) -> set[str]:
    return {
        field.name
        for field in fields(one)
        if getattr(one, field.name) != getattr(other, field.name)
    }


def test_json_gives_the_same_spec_back() -> None:
    for seed in SEEDS:
        spec = PERSON.draw(seed, {})
        assert PortraitSpec.from_json(spec.to_json()) == spec
        assert PortraitSpec.from_json(spec.to_json()).to_json() == spec.to_json()


def test_a_seed_draws_one_person_and_another_seed_another() -> None:
    assert PERSON.draw(3, {}) == PERSON.draw(3, {})
    assert differences(PERSON.draw(3, {}), PERSON.draw(4, {})) > {
        "seed",
        "shape",
        "camera",
        "sensor",
    }


@pytest.mark.parametrize("concept", PERSON.all_concepts)
def test_varying_a_concept_changes_it_alone(concept: str) -> None:
    seen = set()
    for seed in SEEDS:
        spec = PERSON.draw(
            seed,
            {"hair": "medium", "headwear": "hat", "beard": "full", "sex": "male", "age": "old"},
        )
        changed = PERSON.vary(spec, concept, 1)
        seen |= differences(spec, changed)
        other = {name for name in PEOPLE.values if spec.labels[name] != changed.labels[name]}
        assert other <= {concept}
    assert seen - {"labels"} == {concept}


def test_what_cannot_be_varied_is_said() -> None:
    with pytest.raises(InvalidSpec, match="hair"):
        PERSON.vary(PERSON.draw(0, {}), "shoes", 1)


def test_every_attribute_comes_as_ordered() -> None:
    for name, values in PEOPLE.values.items():
        for value in values:
            spec = PERSON.draw(11, {name: value})
            assert spec.attributes()[name] == value
            assert list(spec.attributes()) == list(PEOPLE.values)
            assert PERSON.draw(11, spec.attributes()) == spec


def test_surroundings_leave_the_person_alone() -> None:
    plain = PERSON.draw(5, {"background": "plain", "light": "studio", "sex": "female"})
    assert differences(plain, PERSON.draw(5, {**plain.attributes(), "background": "street"})) == {
        "background",
        "labels",
    }
    lit = PERSON.draw(5, {**plain.attributes(), "light": "sun"})
    assert differences(plain, lit) <= {"light", "labels", "sensor"}


@pytest.mark.parametrize(
    ("given", "match"), [({"shoes": "red"}, "choose from sex"), ({"hair": "blue"}, "bald")]
)
def test_unknown_attributes_are_refused(given: dict[str, str], match: str) -> None:
    with pytest.raises(InvalidSpec, match=match):
        PERSON.draw(0, given)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"version": 0}, "version 0"),
        ({"seed": "one"}, "seed|one"),
        ({"shoes": 1}, "shoes"),
        ({"hair": None}, "hair"),
        ({"seed": "1"}, "mistyped in seed"),
    ],
)
def test_a_damaged_spec_is_refused(change: dict[str, object], match: str) -> None:
    data = {**json.loads(PERSON.draw(0, {}).to_json()), **change}
    with pytest.raises(InvalidSpec, match=match):
        PortraitSpec.from_json(json.dumps(data))
    with pytest.raises(InvalidSpec, match="not a portrait's spec"):
        PortraitSpec.from_json("[")
