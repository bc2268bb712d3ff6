"""The commands for models, on a registry in memory."""

import json
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import workers.app
from core.adapters.memory import MemoryLiveView, MemoryStore
from core.adapters.memory_doorbell import MemoryDoorbell
from core.bundle import load_bundle_folder
from core.corpora import CorpusBook
from core.datasets.catalog import Catalog
from core.messages import Reconcile
from core.registry import Registry
from matteforge.schemas.corpora import Split
from matteforge.schemas.criteria import BY_NAME
from workers.bundles import GENERATOR_FILE, STYLEMATTE_FILE
from workers.commands import models
from workers.cycle.corpora import add_corpus

GOLDENS = Path(__file__).parents[1] / "conformance" / "goldens"
PORTRAITS = Path(__file__).parents[1] / "data" / "portraits-000000.tar"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, bundle_folder: Path) -> Registry:
    """What the commands see, with the tiny bundle as humans@champion."""
    store = MemoryStore()
    context = SimpleNamespace(
        catalog=Catalog(store), live=MemoryLiveView(), doorbell=MemoryDoorbell()
    )
    monkeypatch.setattr(workers.app, "context", lambda: context)
    registry = Registry(store)
    registry.publish(bundle_folder)
    return registry


def run(command: object, *arguments: object) -> Result:
    result = CliRunner().invoke(
        command, [str(argument) for argument in arguments], catch_exceptions=False
    )  # type: ignore[arg-type]
    assert result.exit_code == 0, result.output
    return result


def test_thresholds_are_calibrated_on_the_generators_framing(bundle_folder, tmp_path):
    out = tmp_path / "thresholds.json"
    arguments = ("--aligned", "--resolution", "32", "--backgrounds", "1", "--out", out)
    printed = run(
        models.models, "calibrate", bundle_folder / STYLEMATTE_FILE, PORTRAITS, *arguments
    ).stdout
    assert json.loads(printed)["pairs"] == 100
    assert json.loads(out.read_text())["coverage_min"] > 0.2


def test_thresholds_are_calibrated_on_folders_and_on_pictures_of_any_format(
    bundle_folder, tmp_path
):
    rng = np.random.default_rng(0)
    alpha = np.zeros((48, 64), np.uint8)
    alpha[8:40, 16:48] = 255
    for name in ("image", "alpha"):
        (tmp_path / "pairs" / name).mkdir(parents=True)
    with tarfile.open(tmp_path / "order.tar", "w") as tar:
        for number in range(3):
            pixels = Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
            pixels.save(tmp_path / f"pairs/image/{number}.jpg")
            Image.fromarray(alpha).save(tmp_path / f"pairs/alpha/{number}.png")
            pixels.save(tmp_path / "p.webp")
            tar.add(tmp_path / "p.webp", f"{number}.image.webp")
            tar.add(tmp_path / f"pairs/alpha/{number}.png", f"{number}.alpha.png")
    (tmp_path / "pairs/image/video.mp4").write_bytes(b"x")
    stylematte = bundle_folder / STYLEMATTE_FILE
    sources = (tmp_path / "pairs", tmp_path / "order.tar")
    found = run(models.models, "calibrate", stylematte, *sources, "--resolution", 32)
    assert json.loads(found.stdout)["pairs"] == 6
    assert "left out: 1 unsupported .mp4" in found.stderr
    empty = tmp_path / "empty"
    empty.mkdir()
    arguments = [str(x) for x in ("calibrate", stylematte, empty, "--resolution", 32)]
    refused = CliRunner().invoke(models.models, arguments)
    assert refused.output == f"Error: no pairs of picture and alpha in {empty}\n"


def test_calibrated_thresholds_make_a_bundle_that_can_be_published(
    registry: Registry, bundle_folder: Path, tmp_path: Path
) -> None:
    thresholds, folder = tmp_path / "thresholds.json", tmp_path / "people"
    arguments = ("--resolution", 32, "--backgrounds", 1, "--out", thresholds)
    printed = run(
        models.models, "calibrate", bundle_folder / STYLEMATTE_FILE, PORTRAITS, *arguments
    ).stdout
    assert json.loads(printed)["pairs"] == 100
    assert json.loads(thresholds.read_text()).keys() == BY_NAME.keys()
    networks = (
        "--generator",
        bundle_folder / GENERATOR_FILE,
        "--stylematte",
        bundle_folder / STYLEMATTE_FILE,
    )
    run(models.models, "bundle", folder, "--name", "people", *networks, "--thresholds", thresholds)
    assert load_bundle_folder(folder).resolution == 32
    run(models.models, "publish", folder)
    listed = run(models.models, "list").output.splitlines()
    assert [line.split()[0] for line in listed] == ["humans@champion", "people@champion"]
    assert registry.resolve("people") == load_bundle_folder(folder).digest


def test_an_import_is_registered_beside_the_champion(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the sheet of nine samples is written where one stands
    before = registry.resolve("humans")
    run(
        models.models,
        "import",
        GOLDENS / "stylegan3_t64" / "snapshot.pkl",
        "--name",
        "imported-one",
    )
    digest = registry.resolve("imported-one")
    assert registry.resolve("imported-one@imported") == digest
    assert registry.bundle(digest).resolution == 64
    assert (
        registry.bundle(digest).files[STYLEMATTE_FILE]
        == registry.bundle(before).files[STYLEMATTE_FILE]
    )
    assert (tmp_path / "imported-one.samples.png").is_file()
    assert registry.resolve("humans") == before, "an import never replaces what is in use"


def test_a_champion_is_promoted_and_rolled_back_with_an_audit_trail(
    registry: Registry, tmp_path: Path
) -> None:
    first = registry.resolve("humans")
    registry.fetch(first, tmp_path)
    folder = tmp_path / first.removeprefix("sha256:")
    other = registry.bundle(first).model_copy(update={"card": {"kimg": 7}})
    (folder / "bundle.json").write_bytes(other.to_bytes())
    registry.publish(folder, alias="candidate", reason="trained")
    assert (
        run(models.models, "promote", "humans", "--reason", "sharper").output
        == f"humans@champion {other.digest}\n"
    )
    assert registry.resolve("humans") == other.digest
    assert (
        run(models.models, "rollback", "humans", "--reason", "blurred").output
        == f"humans@champion {first}\n"
    )
    assert registry.resolve("humans") == first
    trail = run(models.models, "history", "humans").output.splitlines()
    assert [line.split()[2] for line in trail] == [
        f"humans@{a}" for a in ("champion", "champion", "candidate", "champion")
    ]
    assert "blurred (by command line, " in trail[0]
    refused = CliRunner().invoke(models.models, ["rollback", "humans", "--reason", "again"])
    assert (refused.exit_code, "no champion before" in refused.output) == (1, True)


def test_an_import_to_a_file_registers_nothing(registry: Registry, tmp_path: Path) -> None:
    out = tmp_path / "g.safetensors"
    run(models.models, "import", GOLDENS / "stylegan3_t64" / "snapshot.pkl", "--out", out)
    assert out.is_file()
    assert registry.names() == ["humans"]


def test_evaluation_prints_a_table_or_json(bundle_folder: Path, tmp_path: Path) -> None:
    import io
    import tarfile

    import numpy as np

    from workers.shards.encode import encode_alpha, encode_image

    tar = tmp_path / "pairs.tar"
    with tarfile.open(tar, "w") as archive:
        grey = np.zeros((64, 64), np.uint8)
        grey[8:24, 8:24] = 255
        for name, body in (
            ("1.image.png", encode_image(np.zeros((64, 64, 3), np.uint8), "png")),
            ("1.alpha.png", encode_alpha(grey)),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    figures = json.loads(
        run(models.evaluate, bundle_folder / STYLEMATTE_FILE, tar, "--json").stdout
    )
    assert figures["count"] == 1
    table = run(models.evaluate, bundle_folder / STYLEMATTE_FILE, tar, "--worst", 1).output
    assert f"{figures['mad']:.5f}" in table
    assert "worst" in table


def test_a_registered_model_is_evaluated_on_a_stored_corpus(
    registry: Registry, bundle_folder: Path, tmp_path
) -> None:
    store = workers.app.context().catalog.store
    manifest, _ = add_corpus(CorpusBook(store), "people", PORTRAITS, licence="CC0-1.0")
    count = manifest.samples(Split.TEST)
    out = tmp_path / "worst"
    options = ("--json", "--worst", 2, "--out", out)
    figures = json.loads(run(models.evaluate, "humans@champion", "people", *options).stdout)
    assert figures["count"] == count > 2
    assert figures["digest"] == load_bundle_folder(bundle_folder).files[STYLEMATTE_FILE]
    assert {path.stem for path in out.iterdir()} == {pair["key"] for pair in figures["worst"]}
    folder = json.loads(run(models.evaluate, bundle_folder, "people", "--json").output)
    assert folder["mad"] == figures["mad"]
    missing = CliRunner().invoke(models.evaluate, ["humans", "nowhere"])
    assert missing.exit_code == 1
    assert "nowhere" in missing.output


def test_recover_counts_datasets_and_asks_for_reconciliation(registry: Registry) -> None:
    context = workers.app.context()
    assert run(models.recover).output == "0 datasets\n"
    assert context.live.is_initialised()
    assert context.doorbell.rung == [(Reconcile(), 0)]


def test_every_training_program_is_a_command() -> None:
    listed = run(models.train, "--help").output
    for name in ("matting", "gan"):
        assert name in listed
        assert run(models.train, name, "--help").output.startswith("Usage")
    assert CliRunner().invoke(models.train, ["nothing"]).exit_code == 2


def test_help_needs_no_torch() -> None:
    import subprocess

    code = (
        "import sys; sys.modules['torch'] = None; "
        "from workers.commands.models import models; models(['--help'])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert "calibrate" in shown
