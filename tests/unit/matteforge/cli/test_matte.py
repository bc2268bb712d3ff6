"""`matteforge matte` against a service that gives back what it gets."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from matteforge.cli.matte import matte
from matteforge.errors import MatteForgeRequestError
from matteforge.schemas.mattes import MatteOut
from matteforge.schemas.problems import Problem

MADE = MatteOut(
    id="mt_" + "0" * 24, state="done", output="cutout", bundle="b", width=1, height=1, side=1,
    seconds=0.1, notice="a small network", error=None, links={},
)  # fmt: skip


class Service:
    """Stands for MatteForge: answers with the picture in brackets, refuses what says bad."""

    asked: list[dict]

    def __init__(self, url: str, api_key: str) -> None:
        Service.asked = getattr(Service, "asked", [])

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def matte(self, image: bytes, *, timeout_s: float, **options: object) -> tuple[MatteOut, bytes]:
        if image.startswith(b"bad"):
            raise MatteForgeRequestError(
                Problem(
                    type="", title="", status=422, detail="can't be read", code="picture_rejected"
                )
            )
        Service.asked.append(options)
        return MADE, b"[" + image + b"]"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    monkeypatch.setattr("matteforge.cli.connection.MatteForge", Service)
    monkeypatch.setenv("MATTEFORGE_API_KEY", "k")
    monkeypatch.chdir(tmp_path)
    Service.asked = []

    def call(*arguments: str, given: bytes = b""):
        return CliRunner().invoke(matte, arguments, input=given)

    return call


def write(path: str, content: bytes = b"p") -> Path:
    made = Path(path)
    made.parent.mkdir(parents=True, exist_ok=True)
    made.write_bytes(content)
    return made


def test_one_picture_to_one_file(run):
    write("me.jpg")
    done = run("me.jpg", "-o", "out/me.png", "--background", "#ff0000", "--side", "256")
    assert done.exit_code == 0, done.output
    assert Path("out/me.png").read_bytes() == b"[p]"
    assert Service.asked == [{"output": "composite", "background": "#ff0000", "side": 256}]
    assert "note: a small network" in done.stderr
    assert [path.name for path in Path("out").iterdir()] == ["me.png"], "no temporary file is left"


def test_a_pipe_in_and_out_holds_nothing_but_the_picture(run):
    done = run("-", given=b"\x00p")
    assert done.stdout_bytes == b"[\x00p]"
    assert run("-", "-o", "me.png", given=b"p").stdout_bytes == b""
    assert Path("me.png").read_bytes() == b"[p]"


def test_a_folder_keeps_its_shape_and_bad_pictures_are_named(run):
    for name in ("in/a.jpg", "in/a.PNG", "in/deep/b.webp", "in/notes.txt"):
        write(name)
    write("in/bad.gif", b"bad")
    done = run("in", "-o", "out")
    assert done.exit_code == 1
    made = sorted(str(path) for path in Path("out").rglob("*") if path.is_file())
    assert made == ["out/a.PNG.png", "out/a.jpg.png", "out/deep/b.png"]
    assert "in/bad.gif: can't be read" in done.stderr
    assert "3 made, 1 could not be read" in done.stderr
    Service.asked = []
    assert run("in", "-o", "out").exit_code == 1
    assert Service.asked == [], "what is there is not made again"


def test_what_is_no_picture_in_a_folder_is_counted_and_hidden_files_are_left_out(run):
    for name in ("in/a.jpg", "in/._a.jpg", "in/b.heic", "in/c.HEIC", "in/notes.txt"):
        write(name)
    done = run("in", "-o", "out")
    assert done.exit_code == 0
    assert len(Service.asked) == 1
    assert "no pictures that are read: 2 .heic, 1 .txt" in done.stderr
    write("only/b.heic")
    refused = run("only", "-o", "out")
    assert refused.exit_code == 2
    assert "no pictures there" in refused.output


def test_results_are_not_taken_for_pictures(run):
    write("in/a.jpg")
    for _ in range(2):
        assert run("in", "-o", "in/out").exit_code == 0
    assert len(Service.asked) == 1


def test_a_background_picture_is_sent(run):
    write("me.jpg")
    write("beach.jpg", b"sea")
    assert run("me.jpg", "-o", "x.png", "--background", "beach.jpg").exit_code == 0
    assert Service.asked == [{"output": "composite", "background_image": b"sea"}]
    refused = run("me.jpg", "-o", "x.png", "--background", "nowhere.jpg")
    assert refused.exit_code == 2
    assert "neither #rrggbb, blur nor a readable picture" in refused.output


def test_several_pictures_need_a_folder(run):
    write("a.jpg"), write("b.jpg"), write("out.png")
    assert run("a.jpg", "b.jpg").exit_code == 2
    assert run("a.jpg", "b.jpg", "-o", "out.png").exit_code == 2
    assert run("a.jpg", "b.jpg", "-o", "out").exit_code == 0
    assert run("nowhere.jpg", "-o", "x.png").exit_code == 1


def test_watching_takes_a_picture_once_it_is_whole_until_ctrl_c(run, monkeypatch):
    growing = write("in/a.jpg", b"p")
    looks = []

    def pass_time(_: float) -> None:
        looks.append(Path("out/a.png").exists())
        if len(looks) == 1:
            growing.write_bytes(b"pq")
        if len(looks) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr("matteforge.cli.matte.time.sleep", pass_time)
    done = run("in", "-o", "out", "--watch")
    assert done.exit_code == 0, done.output
    assert Path("out/a.png").read_bytes() == b"[pq]"
    assert looks == [False, False, True, True]


def test_a_full_disk_is_one_line(run, monkeypatch):
    write("me.jpg")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matteforge.cli.matte_files.os.replace", full)
    done = run("me.jpg", "-o", "out/me.png")
    assert done.exit_code == 1
    assert "out/me.png can't be written: No space left on device" in done.output
    assert list(Path("out").iterdir()) == []
