"""workers.cycle.gate: what passes, what does not, and that the figures are those of the pairs."""

import numpy as np
import pytest

from matteforge.schemas.gate import DistanceFigures, Interval
from workers.cycle.gate import decide, decide_generator

RNG = np.random.default_rng(0)
OLD = {f"{i:03d}": float(v) for i, v in enumerate(RNG.uniform(0.02, 0.1, 60))}
SLICES = {key: ["all", "even" if int(key) % 2 == 0 else "odd"] for key in OLD}


def judged(new, **changes):
    return decide(
        OLD, new, SLICES, **{"metric": "mad", "margin": 0.002, "fewest": 30, "seed": 1, **changes}
    )


def changed(by, noise=0.001):
    rng = np.random.default_rng(1)
    return {key: value + by + float(rng.normal(0, noise)) for key, value in OLD.items()}


def test_better_on_every_pair_passes_and_says_by_how_much():
    decision = judged({key: value - 0.004 for key, value in OLD.items()})
    assert decision.passed
    assert decision.difference.value == pytest.approx(-0.004)
    assert decision.difference.low == pytest.approx(-0.004)
    assert decision.pairs == 60
    assert decision.slices["even"].pairs == 30
    assert decision.champion.value == pytest.approx(np.mean(list(OLD.values())))
    assert "better beyond the interval" in decision.reason


def test_worse_equal_and_undecided_do_not_pass():
    for new in (changed(0.004), dict(OLD), changed(-0.0001, noise=0.01)):
        decision = judged(new)
        assert not decision.passed
        assert decision.difference.high >= 0
        assert "not better" in decision.reason or "worse" in decision.reason


def test_better_on_the_whole_but_worse_in_a_slice_does_not_pass():
    new = {key: value + (0.003 if "odd" in SLICES[key] else -0.02) for key, value in OLD.items()}
    decision = judged(new)
    assert decision.difference.high < 0
    assert not decision.passed
    assert [name for name, slice_ in decision.slices.items() if slice_.worse] == ["odd"]
    assert "odd" in decision.reason
    assert judged(new, margin=0.004).passed


def test_pairing_decides_what_means_alone_could_not():
    """A small gain on each pair shows although the pairs differ much more among themselves."""
    new = changed(-0.0005, noise=0.0005)
    decision = judged(new)
    assert decision.passed
    assert decision.champion.low < decision.candidate.high


def test_few_pairs_never_pass():
    decision = judged({key: value - 0.004 for key, value in OLD.items()}, fewest=61)
    assert not decision.passed
    assert "60 pairs are too few" in decision.reason


def test_a_decision_follows_from_scores_and_seed():
    new = changed(-0.001)
    assert judged(new) == judged(dict(reversed(new.items())))
    assert judged(new).difference != judged(new, seed=2).difference


def test_scores_of_other_pairs_are_refused():
    with pytest.raises(ValueError, match="same pairs"):
        judged({"000": 0.1})
    with pytest.raises(ValueError, match="same pairs"):
        decide({}, {}, {}, metric="mad", margin=0, fewest=1, seed=0)


def view(low, high):
    middle = Interval(value=(low + high) / 2, low=low, high=high)
    return DistanceFigures(
        champion=Interval(value=2, low=1, high=3), candidate=middle, difference=middle
    )


@pytest.mark.parametrize(
    ("rgb", "alpha", "passed", "said"),
    [
        ((-2, -1), (-1, 1), True, "nearer to the corpus beyond the interval in rgb_over_grey:"),
        ((-2, -1), (-2, -1), True, "in rgb_over_grey, alpha"),
        ((-2, 0), (-1, 1), False, "not nearer"),
        ((-2, -1), (0.5, 1), False, "further from the corpus beyond the interval in alpha"),
        ((1, 2), (-2, -1), False, "further from the corpus beyond the interval in rgb_over_grey"),
    ],
)
def test_a_generator_passes_when_it_is_nearer_in_one_view_and_further_in_none(
    rgb, alpha, passed, said
):
    decision = decide_generator({"rgb_over_grey": view(*rgb), "alpha": view(*alpha)}, images=1000)
    assert (decision.passed, decision.images) == (passed, 1000)
    assert said in decision.reason
    assert "alpha +" in decision.reason or "alpha -" in decision.reason
