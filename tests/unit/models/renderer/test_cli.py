"""`matteforge render` draws the people of an order: same slots, seeds and redraws. No Blender."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from core.datasets.splits import candidate_seed
from core.rendered_subjects import Assignment
from matteforge.schemas.people import PEOPLE
from models.renderer import cli
from models.renderer.person.spec import PortraitSpec
from models.renderer.person.subject import PERSON

pytestmark = pytest.mark.usefixtures("plain_shapes")
SLOTS = Assignment(seed=9, count=8, shares=PEOPLE.complete({"glasses": 0.5}), vocabulary=PEOPLE)


@pytest.fixture
def surveyed(monkeypatch: pytest.MonkeyPatch) -> list[PortraitSpec]:
    """What quality control was shown; it refuses every other person."""
    seen: list[PortraitSpec] = []

    def survey(spec: PortraitSpec) -> SimpleNamespace:
        seen.append(spec)
        return SimpleNamespace(spec=spec, defects=("out_of_frame",) * (len(seen) % 2))

    monkeypatch.setattr(cli, "survey", survey)
    return seen


def test_who_is_rendered_is_who_would_be_delivered(surveyed: list[PortraitSpec]) -> None:
    found = [
        cli.fit(cli.candidates(PERSON, 9, slot, SLOTS[slot], "aligned")).spec for slot in range(8)
    ]
    assert found == [
        PERSON.draw(candidate_seed(9, slot, 1), SLOTS[slot], "aligned") for slot in range(8)
    ]
    assert len(surveyed) == 16
    assert sum(spec.labels["glasses"] == "yes" for spec in found) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--attributes", "long"], "not a JSON object such as"),
        (["--attributes", "[1]"], "not a JSON object such as"),
        (["--attributes", '{"hair": {"blue": 1}}'], "attributes.hair has no value 'blue'"),
        (["--attribute", "hair=blue"], "attributes.hair has no value 'blue'"),
        (["--attribute", "hair"], "not NAME=VALUE"),
        (["--framing", "tight"], "'tight' is not one of 'free', 'aligned'"),
    ],
)
def test_what_cannot_be_rendered_is_said(
    options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "available", lambda domain: None)
    answer = CliRunner().invoke(cli.render, ["--out", str(tmp_path / "people"), *options])
    assert answer.exit_code != 0
    assert message in " ".join(answer.output.split())
    assert not (tmp_path / "people").exists()
