"""core.rendered_subjects: shares are met exactly, whatever the count, and slots know nothing of
shards."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.plan import make_plan
from core.rendered_subjects import Assignment, apportion, permute
from matteforge.schemas.animals import ANIMALS
from matteforge.schemas.attributes import VOCABULARIES
from matteforge.schemas.people import PEOPLE

FIXED = [
    "female",
    "old",
    "tone6",
    "curly",
    "yes",
    "none",
    "none",
    "neutral",
    "down",
    "no",
    "window",
    "jacket",
    "bokeh",
]
SEEDS = st.integers(0, 2**63 - 1)


@st.composite
def orders(draw):
    """A vocabulary, and some of its attributes, each with shares of some values, in hundredths."""
    vocabulary = draw(st.sampled_from(list(VOCABULARIES.values())))
    known, ordered = vocabulary.values, {}
    for name in draw(st.lists(st.sampled_from(list(known)), unique=True, max_size=5)):
        left, shares = 100, {}
        for value in draw(st.lists(st.sampled_from(known[name][1:]), unique=True)):
            shares[value] = draw(st.integers(0, left))
            left -= shares[value]
        ordered[name] = {value: share / 100 for value, share in shares.items()}
    return vocabulary, ordered


@pytest.mark.thorough
@given(seed=SEEDS, count=st.integers(1, 90), order=orders())
def test_counts_are_the_ordered_ones(seed, count, order):
    vocabulary, ordered = order
    shares = vocabulary.complete(ordered)
    assignment = Assignment(seed=seed, count=count, shares=shares, vocabulary=vocabulary)
    subjects = [assignment[slot] for slot in range(count)]
    for name, values in vocabulary.values.items():
        found = Counter(subject[name] for subject in subjects)
        assert {value: found[value] for value in values} == assignment.counts[name]
        limit = vocabulary.limits.get(name)
        among = [subject for subject in subjects if not limit or limit.applies(subject)]
        inside = Counter(subject[name] for subject in among)
        for value in values:
            assert abs(inside[value] - shares[name][value] * len(among)) < 1.001
        assert all(s[name] == limit.otherwise for s in subjects if limit and not limit.applies(s))


def test_what_two_values_share_is_spread_within_each_of_one_attribute():
    """A hundred animals by kind, exactly, and each kind seen from every side."""
    shares = ANIMALS.complete({"kind": {"cat": 0.5, "horse": 0.2}, "pose": {"frontal": 0.4}})
    assignment = Assignment(seed=1, count=100, shares=shares, vocabulary=ANIMALS)
    animals = [assignment[slot] for slot in range(100)]
    kinds = Counter(animal["kind"] for animal in animals)
    assert (kinds["cat"], kinds["horse"], kinds.total()) == (50, 20, 100)
    assert {kinds[kind] for kind in ANIMALS.values["kind"]} == {50, 20, 2, 3}
    frontal = Counter(a["kind"] for a in animals if a["pose"] == "frontal")
    assert abs(frontal["cat"] - 20) <= 1
    assert abs(frontal["horse"] - 8) <= 1


@given(seed=SEEDS, count=st.integers(1, 10**8))
def test_a_slot_of_a_huge_order_is_found_without_a_list(seed, count):
    assignment = Assignment(seed=seed, count=count, shares=PEOPLE.complete({}), vocabulary=PEOPLE)
    assert set(assignment[count - 1]) == set(PEOPLE.values)
    with pytest.raises(IndexError):
        assignment[count]


@given(count=st.integers(1, 300), key=st.text(max_size=5))
def test_permute_is_a_bijection(count, key):
    assert sorted(permute(index, count, key) for index in range(count)) == list(range(count))


@given(
    total=st.integers(0, 10**8),
    weights=st.lists(st.integers(0, 100), min_size=1, max_size=6).filter(sum),
    key=st.text(),
)
def test_apportion_rounds_to_the_total(total, weights, key):
    shares = {str(n): weight / sum(weights) for n, weight in enumerate(weights)}
    counts = apportion(total, shares, key)
    assert sum(counts.values()) == total
    assert all(abs(counts[value] - share * total) < 1.001 for value, share in shares.items())


def test_sex_age_and_skin_are_balanced_jointly():
    assignment = Assignment(seed=5, count=480, shares=PEOPLE.complete({}), vocabulary=PEOPLE)
    people = (assignment[slot] for slot in range(480))
    cells = Counter((person["sex"], person["age"], person["skin"]) for person in people)
    assert len(cells) == 48
    assert min(cells.values()) >= 8
    assert max(cells.values()) <= 12


def test_the_example_of_the_documentation():
    shares = PEOPLE.complete({"hair": {"long": 0.5, "bald": 0.1}, "glasses": 0.3})
    counts = Assignment(seed=1, count=200, shares=shares, vocabulary=PEOPLE).counts
    assert counts["hair"] == {
        "bald": 20,
        "short": 20,
        "medium": 20,
        "long": 100,
        "curly": 20,
        "tied": 20,
    }
    assert counts["glasses"] == {"no": 140, "yes": 60}
    assert set(counts["sex"].values()) == {100}
    assert set(counts["age"].values()) == {50}
    assert set(counts["skin"].values()) <= {33, 34}


def test_who_stands_in_a_slot_is_fixed_for_ever():
    """Part of the format: another person here would change delivered bytes."""
    person = Assignment(seed=1, count=200, shares=PEOPLE.complete({}), vocabulary=PEOPLE)[7]
    assert list(person.values()) == FIXED


@pytest.mark.parametrize(
    ("ordered", "message"),
    [
        ({"eyes": 0.5}, "unknown attribute 'eyes'; known: sex"),
        ({"hair": 0.5}, "attributes.hair needs a share by value"),
        ({"hair": {"mohawk": 0.5}}, "attributes.hair has no value 'mohawk'; known: bald"),
        ({"glasses": 1.5}, "attributes.glasses.yes must be a share from 0 to 1, not 1.5"),
        ({"glasses": float("nan")}, "from 0 to 1, not nan"),
        ({"glasses": True}, "from 0 to 1, not True"),
        ({"glasses": "many"}, "from 0 to 1, not 'many'"),
        ({"hair": {"long": 0.7, "bald": 0.4}}, "add up to 1.1; they must add up to at most 1"),
        (
            {"sex": {"female": 0.4, "male": 0.5}},
            "add up to 0.9; they must add up to 1, since every value is named",
        ),
    ],
)
def test_a_distribution_that_cannot_be_is_refused(ordered, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        PEOPLE.complete(ordered)


def test_the_plan_holds_complete_shares_and_the_orders_filter_alone():
    from matteforge.schemas.orders import RenderedSpec

    spec = RenderedSpec(
        source="rendered",
        count=10,
        attributes={"glasses": 1},
        members=["trimap", "fg", "fg"],
        filter={"iou": 0.9},
    )
    plan = make_plan(
        spec,
        seed=1,
        bundle="b",
        thresholds={"mad": 0.1},
        batch_size=8,
        threads=1,
        max_attempts_per_sample=3,
    )
    assert plan.thresholds == {"iou": 0.9}
    assert (plan.truncation_psi, plan.batch_size, plan.shard_size) == (None, 1, 6)
    assert plan.render is not None
    assert plan.render.members == ["fg", "trimap"]
    assert plan.render.shares["glasses"] == {"no": 0.0, "yes": 1.0}
    assert set(plan.render.shares) == set(PEOPLE.values)
