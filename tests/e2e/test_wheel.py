"""The wheel, as a stranger installs it: in an environment of its own, beside a project whose
packages have the names of ours."""

import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from matteforge.client import MatteForge

ROOT = Path(__file__).parents[2]
TAKEN = ("core", "models", "service", "workers", "client", "deploy")
SCRIPT = """\
import os

from matteforge import MatteForge

with MatteForge(os.environ["MATTEFORGE_URL"], os.environ["MATTEFORGE_API_KEY"]) as client:
    dataset = client.wait(client.order(4, seed=1).id)
    for path in client.download(dataset.id, "portraits"):
        print(dataset.state, path.stat().st_size)
"""
ASYNCHRONOUS = """\
import os

from matteforge import AsyncMatteForge


async def newest(url: str) -> tuple[int, list[str]]:
    async with AsyncMatteForge(url, os.environ["MATTEFORGE_API_KEY"]) as client:
        dataset = await client.order(4, seed=1)
        return dataset.counts.accepted, [each.id async for each in client.list(state="running")]
"""
WRONG = """\
from matteforge import MatteForge

MatteForge("http://127.0.0.1", "mf_").order("four", sed=1).identity
"""


def run(*command: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=clean | env,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation")
    built = run(*pip, "--wheel-dir", folder, ROOT, cwd=folder)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("matteforge-*.whl")
    return path


@pytest.fixture(scope="module")
def project(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's project with its own packages, and an environment with the wheel and its needs."""
    folder = tmp_path_factory.mktemp("project")
    for name in TAKEN:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("MINE = True\n")
    (folder / "script.py").write_text(SCRIPT)
    (folder / "asynchronous.py").write_text(ASYNCHRONOUS)
    (folder / "wrong.py").write_text(WRONG)
    venv.create(folder / "env", with_pip=True)
    installed = run(folder / "env/bin/pip", "install", "--quiet", wheel, cwd=folder)
    assert installed.returncode == 0, installed.stderr
    return folder


def test_the_wheel_brings_one_name_and_no_weights(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"matteforge"}
    assert "matteforge/py.typed" in names
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert wheel.name.startswith(f"matteforge-{version}-")
    assert wheel.stat().st_size < 200_000


def test_a_users_own_packages_stay_theirs(project: Path) -> None:
    names = ", ".join(TAKEN)
    code = f"import matteforge, {names}; print(all(mine.MINE for mine in ({names})))"
    told = run(project / "env/bin/python", "-c", code, cwd=project)
    assert told.stdout == "True\n", told.stderr


def test_the_package_says_its_version(project: Path, wheel: Path) -> None:
    code = "import matteforge; print(matteforge.__version__)"
    told = run(project / "env/bin/python", "-c", code, cwd=project)
    assert told.stdout.strip() == wheel.name.split("-")[1], told.stderr


def mypy(project: Path, *scripts: str) -> str:
    python = ("--python-executable", project / "env/bin/python")
    command = (sys.executable, "-m", "mypy", "--strict", *python, *scripts)
    return run(*command, cwd=project).stdout


def test_both_clients_are_typed(project: Path) -> None:
    told = mypy(project, "script.py", "asynchronous.py")
    assert told.startswith("Success: no issues found in 2 source files"), told


def test_types_tell_what_is_wrong(project: Path) -> None:
    told = mypy(project, "wrong.py")
    assert 'has incompatible type "str"; expected "int"' in told
    assert 'Unexpected keyword argument "sed"; did you mean "seed"?' in told
    assert '"DatasetOut" has no attribute "identity"' in told


def test_an_order_against_a_live_service(project: Path, stack: Stack, client: MatteForge) -> None:
    address = {"MATTEFORGE_URL": stack.url, "MATTEFORGE_API_KEY": stack.api_key}
    told = run(project / "env/bin/python", "script.py", cwd=project, **address)
    assert told.stdout.startswith("completed "), told.stderr
    assert list((project / "portraits").rglob("*.tar"))


def test_a_command_of_the_application_says_where_it_is(project: Path) -> None:
    refused = run(project / "env/bin/matteforge", "up", cwd=project, PYTHONPATH=str(project))
    assert refused.returncode == 1
    assert "clone the repository" in refused.stderr
    assert "Traceback" not in refused.stderr
