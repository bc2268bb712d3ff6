"""workers.cycle.register: which networks make the bundle."""

import pytest

from matteforge.schemas.gate import GateDecision, GeneratorDecision, Interval
from workers.cycle.register import Chosen, choose

FIGURE = Interval(value=0, low=0, high=0)


def judged(stylematte, generator):
    other = (
        None
        if generator is None
        else GeneratorDecision(passed=generator, reason="so", images=2, views={})
    )
    return GateDecision(
        passed=stylematte,
        reason="thus",
        metric="mad",
        pairs=2,
        champion=FIGURE,
        candidate=FIGURE,
        difference=FIGURE,
        slices={},
        margin=0,
        level=0.95,
        resamples=1,
        seed=0,
        generator=other,
    )


@pytest.mark.parametrize(
    ("stylematte", "generator", "new_stylematte", "new_generator"),
    [
        (True, True, True, True),
        (True, False, True, False),
        (False, True, False, True),
        (False, False, True, True),
    ],
)
def test_what_passed_stands_beside_the_champions_other_network(
    stylematte, generator, new_stylematte, new_generator
):
    decision = judged(stylematte, generator)
    assert choose(decision, first=False) == Chosen(
        stylematte=new_stylematte, generator=new_generator
    )
    assert decision.any_passed is (stylematte or generator)


def test_the_first_bundle_takes_the_better_stylematte_and_the_only_generator():
    assert choose(judged(False, None), first=True) == Chosen(stylematte=False, generator=True)
    assert choose(judged(True, None), first=True) == Chosen(stylematte=True, generator=True)


def test_a_line_is_told_of_each_network():
    assert judged(True, False).told() == [
        "the gate lets StyleMatte pass: thus",
        "the gate does not let StyleMatteGAN pass: so",
    ]
    assert len(judged(True, None).told()) == 1
