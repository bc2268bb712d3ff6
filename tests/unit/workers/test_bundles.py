"""A bundle that could not be ordered from, or that would write elsewhere, is refused beforehand."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from core.adapters.memory_store import MemoryStore
from core.bundle import GENERATOR_FILE, load_bundle_folder
from core.errors import CheckpointRejected, NotFound
from core.registry import Registry
from models.networks.checkpoints.checkpoint import digest, load_checkpoint, save_checkpoint
from workers.bundles import STYLEMATTE_FILE, _check_picture, check_bundle

KINDS = {GENERATOR_FILE: "stylemattegan-generator", STYLEMATTE_FILE: "stylematte"}


def said(folder: Path, change: Callable[[dict], object]) -> None:
    """Change bundle.json."""
    path = folder / "bundle.json"
    bundle = json.loads(path.read_text())
    change(bundle)
    path.write_text(json.dumps(bundle, sort_keys=True, indent=1) + "\n")


def weights(folder: Path, file: str, value: float) -> None:
    """Set one weight of a network, and record the file's new digest."""
    checkpoint = load_checkpoint(folder / file, kind=KINDS[file])
    name = next(name for name in checkpoint.state if name.endswith("weight"))
    checkpoint.state[name].view(-1)[0] = value
    save_checkpoint(
        folder / file, kind=KINDS[file], config=checkpoint.config, state=checkpoint.state
    )
    said(folder, lambda bundle: bundle["files"].update({file: digest(folder / file)}))


def deep_header(folder: Path) -> None:
    nested = "[" * 100_000 + "]" * 100_000
    save_file({"w": torch.zeros(1)}, folder / STYLEMATTE_FILE, {"matteforge": nested})
    file = digest(folder / STYLEMATTE_FILE)
    said(folder, lambda bundle: bundle["files"].update({STYLEMATTE_FILE: file}))


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "an absolute name": (lambda f: said(f, lambda b: b["files"].update({"/etc/x": "0" * 64})), "x"),
    "a name that climbs": (lambda f: said(f, lambda b: b["files"].update({"../x": "0" * 64})), "x"),
    "a folder": (lambda f: said(f, lambda b: b["files"].update({"a/x": "0" * 64})), "x"),
    "a hidden name": (lambda f: said(f, lambda b: b["files"].update({".x": "0" * 64})), "x"),
    "no digest": (lambda f: said(f, lambda b: b["files"].update({"x": "../../y"})), "files.x"),
    "resolution 0": (lambda f: said(f, lambda b: b.update(resolution=0)), "resolution"),
    "another resolution": (lambda f: said(f, lambda b: b.update(resolution=64)), "says 64 px"),
    "an unknown criterion": (
        lambda f: said(f, lambda b: b["thresholds"].update(madness=1)),
        "unknown criterion 'madness'",
    ),
    "a threshold out of range": (
        lambda f: said(f, lambda b: b["thresholds"].update(mad=float("nan"))),
        "filter.mad must be",
    ),
    "another name": (lambda f: said(f, lambda b: b.update(name="../aliases")), "name"),
    "a network missing": (
        lambda f: said(f, lambda b: b["files"].pop(STYLEMATTE_FILE)),
        "lacks its file stylematte",
    ),
    "StyleMatte not finite": (
        lambda f: weights(f, STYLEMATTE_FILE, float("nan")),
        "stylematte.safetensors: .* not finite",
    ),
    "the generator not finite": (
        lambda f: weights(f, GENERATOR_FILE, float("inf")),
        "generator.safetensors: .* not finite",
    ),
    "a header 100,000 deep": (deep_header, "its header is not JSON"),
}


@pytest.fixture
def folder(bundle_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle_folder, tmp_path / "bundle"))


def test_a_whole_bundle_passes(folder: Path) -> None:
    assert check_bundle(folder) == load_bundle_folder(folder)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(folder: Path, fault: str) -> None:
    plant, says = FAULTS[fault]
    plant(folder)
    with pytest.raises(CheckpointRejected, match=says):
        check_bundle(folder)


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (torch.full((1, 4, 8, 8), float("nan")), "its output is not finite"),
        (torch.zeros(1, 3, 8, 8), r"makes \(1, 3, 8, 8\), not \(1, 4, 8, 8\)"),
    ],
)
def test_a_picture_is_looked_at(picture: torch.Tensor, says: str) -> None:
    with pytest.raises(CheckpointRejected, match=says):
        _check_picture(GENERATOR_FILE, picture, (1, 4, 8, 8))


@pytest.mark.parametrize("name", ["{tmp_path}/planted", "../../planted", "a/../../planted"])
def test_a_bundle_in_the_store_writes_nowhere_else(folder: Path, tmp_path: Path, name: str) -> None:
    """Planted by somebody who can write to the bucket: bundle.json under its own digest."""
    import hashlib

    name = name.format(tmp_path=tmp_path)
    store = MemoryStore()
    said(folder, lambda bundle: bundle["files"].update({name: hashlib.sha256(b"x").hexdigest()}))
    body = (folder / "bundle.json").read_bytes()
    planted = hashlib.sha256(body).hexdigest()
    store.put(f"registry/{planted}/bundle.json", body)
    store.put(f"registry/{planted}/{name}", b"x")
    with pytest.raises(CheckpointRejected, match="is no bundle"):
        Registry(store).fetch(f"sha256:{planted}", tmp_path / "deep" / "cache")
    assert not list(tmp_path.rglob("*planted*"))


def test_another_bundle_under_a_digest_is_refused(folder: Path, tmp_path: Path) -> None:
    store = MemoryStore()
    bundle = Registry(store).publish(folder)
    said(folder, lambda changed: changed["thresholds"].update(mad=0.5))
    store.put(f"registry/{bundle.digest[7:]}/bundle.json", (folder / "bundle.json").read_bytes())
    with pytest.raises(CheckpointRejected, match="is sha256:"):
        Registry(store).bundle(bundle.digest)


def test_a_digest_that_is_a_path_is_none(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no bundle's digest"):
        Registry(MemoryStore()).fetch("sha256:../../etc", tmp_path)
