"""core.rendered_subjects: shares are met exactly, whatever the count, and slots know nothing of
shards."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.plan import make_plan
from core.rendered_subjects import Assignment, apportion, permute
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
def distributions(draw):
    """Some attributes, each with shares of some of its values, in hundredths."""
    ordered = {}
    for name in draw(st.lists(st.sampled_from(list(PEOPLE.values)), unique=True, max_size=5)):
        left, shares = 100, {}
        for value in draw(st.lists(st.sampled_from(PEOPLE.values[name][1:]), unique=True)):
            shares[value] = draw(st.integers(0, left))
            left -= shares[value]
        ordered[name] = {value: share / 100 for value, share in shares.items()}
    return ordered


@given(seed=SEEDS, count=st.integers(1, 90), ordered=distributions())
def test_counts_are_the_ordered_ones(seed, count, ordered):
    shares = PEOPLE.complete(ordered)
    assignment = Assignment(seed=seed, count=count, shares=shares, vocabulary=PEOPLE)
    people = [assignment[slot] for slot in range(count)]
    men = sum(person["sex"] == "male" and person["age"] != "child" for person in people)
    for name, values in PEOPLE.values.items():
        found = Counter(person[name] for person in people)
        assert {value: found[value] for value in values} == assignment.counts[name]
        for value in values[1:] if name == "beard" else values:
            assert (
                abs(found[value] - shares[name][value] * (men if name == "beard" else count))
                < 1.001
            )
    assert all(p["beard"] == "none" for p in people if p["sex"] == "female" or p["age"] == "child")


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
