"""What an image installs is all that its processes import, whenever they import it."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
packages_of = cache(packages_distributions)
OURS = ("core", "models", "workers", "service", "deploy", "matteforge")
OPTIONAL = {"triton", "bpy", "mathutils"}  # of torch's CUDA wheels; installed by who renders
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@cache
def named_in(path: Path) -> tuple[str, ...]:
    """What a file imports, anywhere in it, and what it takes from there."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(names)


def imported(module: str, seen: dict[str, set[str]]) -> None:
    """Fills `seen` with each module of ours that this one leads to, and what it imports."""
    if module in seen or module.split(".")[0] not in OURS:
        return
    path = ROOT.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not path.exists():
        return  # a name of its parent's
    seen[module] = set()
    for name in named_in(path):
        seen[module].add(name.split(".")[0])
        imported(name, seen)
    parent = module.rpartition(".")[0]
    if parent:
        imported(parent, seen)


def installed_by(extras: set[str], bare: set[str]) -> set[str]:
    """Names of every distribution that these extras lead to; bare: without their requirements."""
    waiting = [Requirement(f"matteforge[{','.join(sorted(extras))}]")]
    done: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if (name, frozenset(wanted.extras)) in done:
            continue
        done.add((name, frozenset(wanted.extras)))
        if name == "matteforge":
            lines = list(EXTRAS["dependencies"])
            lines += [line for e in wanted.extras for line in EXTRAS["optional-dependencies"][e]]
        else:
            try:
                lines = requires(name) or []
            except PackageNotFoundError:
                continue  # for another platform
        for line in lines:
            inner = Requirement(line)
            places = [default_environment() | {"extra": e} for e in (wanted.extras or {""})]
            if inner.marker is None or any(inner.marker.evaluate(place) for place in places):
                waiting.append(inner)
    return {name for name, _ in done} | bare


def of_dockerfile(name: str) -> tuple[set[str], set[str]]:
    """The extras and the further packages that an image installs."""
    text = (ROOT / "deploy" / "docker" / name).read_text()
    extras = set(re.findall(r"[\w-]+", "".join(re.findall(r'"\.\[([^\]]+)\]"', text))))
    return extras, set(re.findall(r"\bflower\b|\bopennsfw\b", text))


def missing(roots: tuple[str, ...], extras: set[str], bare: set[str]) -> dict[str, set[str]]:
    """Modules of ours that import what is not installed, and what that is."""
    seen: dict[str, set[str]] = {}
    for root in roots:
        imported(root, seen)
    assert set(roots) <= set(seen)
    known, here = packages_of(), installed_by(extras, bare)
    lacking: dict[str, set[str]] = {}
    for module, names in seen.items():
        for name in names - set(OURS) - set(sys.stdlib_module_names) - OPTIONAL:
            if not {canonicalize_name(found) for found in known.get(name, [name])} & here:
                lacking.setdefault(name, set()).add(module)
    return lacking


WORKER_ROOTS = (
    "workers.app",
    "workers.tasks",
    "workers.cycle.run_cycle",
    "workers.generate.run_shard",
)


@pytest.mark.thorough
def test_the_worker_image_installs_all_that_its_workers_import():
    assert missing(WORKER_ROOTS, *of_dockerfile("worker.Dockerfile")) == {}


def test_the_worker_image_holds_the_weights_that_the_trainer_reads():
    assert "opennsfw" in of_dockerfile("worker.Dockerfile")[1]


def test_up_installs_all_that_it_starts():
    assert missing((*WORKER_ROOTS, "service.app", "deploy.up"), {"local"}, set()) == {}


@pytest.mark.parametrize("lacked", ["tensorboardX", "pymatting"])
def test_the_extra_for_sampling_alone_would_not_do(lacked):
    assert lacked in missing(WORKER_ROOTS, {"workers"}, set())
