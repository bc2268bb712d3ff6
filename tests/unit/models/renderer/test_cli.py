"""`matteforge render` draws the portraits of an order: same slots, seeds and redraws. No
Blender."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from core.datasets.splits import candidate_seed
from core.errors import RendererFailed
from core.rendered_subjects import Assignment
from matteforge.schemas.people import PEOPLE
from models.renderer import cli
from models.renderer.blender.picture import RenderedPicture
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


class Painter:
    """A RenderProcess without Blender; breaks at the picture of this number, counted from 1."""

    def __init__(self, breaks: type[BaseException] | None = None, at: int = 0) -> None:
        self.drawn: list[int] = []
        self._breaks, self._at = breaks, at

    def __call__(self, threads: int) -> "Painter":
        return self

    def __enter__(self) -> "Painter":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def draw(self, surveyed, size, members, quality, photos) -> RenderedPicture:
        self.drawn.append(surveyed.spec.seed)
        if len(self.drawn) == self._at and self._breaks:
            raise self._breaks("no light")
        rgb_u8 = np.full((size, size, 3), len(self.drawn), np.uint8)
        return RenderedPicture(rgb_u8=rgb_u8, alpha=np.ones((size, size), np.float32))


def run(painter: Painter, out: Path, monkeypatch: pytest.MonkeyPatch, *options: str):
    monkeypatch.setattr(cli, "available", lambda domain: None)
    monkeypatch.setattr(cli, "RenderProcess", painter)
    monkeypatch.setattr(cli, "survey", lambda spec: SimpleNamespace(spec=spec, defects=()))
    given = ["--count", "4", "--size", "32", "--members", "alpha", "--seed", "3", *options]
    return CliRunner().invoke(cli.render, [*given, "--out", str(out)])


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if path.name != cli.SHEET}


def test_a_run_that_broke_goes_on_with_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    first = Painter()
    assert run(first, whole, monkeypatch).exit_code == 0
    stopped = Painter(KeyboardInterrupt, at=3)
    assert run(stopped, broken, monkeypatch).exit_code != 0
    (broken / "000001.json").unlink()  # as if it had been killed before this picture was whole
    again = Painter()
    answer = run(again, broken, monkeypatch)
    assert answer.exit_code == 0, answer.output
    assert "000000 is there" in answer.output
    assert "4 portraits" in answer.output
    assert again.drawn == first.drawn[1:]
    assert set(files(broken)) == set(files(whole))
    specs = [name for name in files(whole) if name.count(".") == 1]
    assert {name: files(broken)[name] for name in specs} == {
        name: files(whole)[name] for name in specs
    }


def test_pictures_of_another_seed_are_drawn_anew_and_of_other_options_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(Painter(), tmp_path, monkeypatch).exit_code == 0
    anew = Painter()
    assert run(anew, tmp_path, monkeypatch, "--seed", "4").exit_code == 0
    assert len(anew.drawn) == 4
    before = files(tmp_path)
    answer = run(Painter(), tmp_path, monkeypatch, "--size", "64")
    assert answer.exit_code == 1
    assert "holds pictures of other options" in answer.output
    assert files(tmp_path) == before


def test_a_picture_that_blender_refuses_loses_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = run(Painter(RendererFailed, at=2), tmp_path, monkeypatch)
    assert answer.exit_code == 1
    assert "000001 failed: no light" in answer.output
    assert "3 portraits" in answer.output
    there = sorted(path.name for path in tmp_path.glob("00000?.json"))
    assert there == ["000000.json", "000002.json", "000003.json"]
    mended = Painter()
    assert run(mended, tmp_path, monkeypatch).exit_code == 0
    assert len(mended.drawn) == 1
