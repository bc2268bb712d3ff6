"""`matteforge models import | export`: weights from other programs, and for them."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from core.errors import MatteForgeError

if TYPE_CHECKING:
    from core.registry import Registry

EXISTING = click.Path(path_type=Path, exists=True, dir_okay=False)
NEW = click.Path(path_type=Path)
IMPORTED = "imported"  # alias under which `models import` registers
FORMATS = click.Choice(["safetensors", "onnx", "torchscript"])


@click.command("import")
@click.argument("file", type=EXISTING)
@click.option("--out", type=NEW, help="Write a checkpoint here instead of registering it.")
@click.option(
    "--entry", default="G_ema", show_default=True, help="Network of a snapshot: G_ema, G or D."
)
@click.option("--class", "class_number", type=int, help="Of a conditional generator: from 0 up.")
@click.option("--name", help="Model to register as; default: made from the file's name.")
@click.option(
    "--base",
    default="humans",
    show_default=True,
    help="Model that lends the other network of the bundle.",
)
@click.option(
    "--sheet", type=NEW, help="PNG of nine samples; default: beside --out, else in this folder."
)
@click.option("--no-sheet", is_flag=True, help="Draw no samples: large networks take minutes.")
def import_(
    file: Path,
    out: Path | None,
    entry: str,
    class_number: int | None,
    name: str | None,
    base: str,
    sheet: Path | None,
    no_sheet: bool,
) -> None:
    """Convert weights of other programs to a checkpoint; without --out it is registered.

    FILE: a StyleGAN3 snapshot (.pkl, .pkl.gz), or a StyleMatte's .pth or .safetensors.
    """
    from matteforge.cli.steps import working
    from models.kernels.compile_notice import announce_compilation
    from models.networks.checkpoints.import_snapshot import import_file

    announce_compilation()
    slug = name or re.sub(r"[^a-z0-9]+", "-", file.name.partition(".")[0].lower()).strip("-")
    with TemporaryDirectory(prefix="matteforge-import-") as folder:
        checkpoint = out or Path(folder) / "imported.safetensors"
        try:
            with working("reading"):
                summary = import_file(file, entry=entry, class_number=class_number, out=checkpoint)
            click.echo(f"{summary.kind}: {summary.tensors} tensors, {summary.elements} elements")
            for note in summary.notes:
                click.echo(f"note: {note}")
            if not no_sheet and summary.kind != "stylemattegan-discriminator":
                beside = (out or Path(f"{slug}.safetensors")).with_suffix(".samples.png")
                _look(summary.kind, checkpoint, sheet or beside)
            if out is None:
                _register(checkpoint, summary.kind, slug, base, Path(folder), file.name)
            else:
                click.echo(f"-> {out}")
        except MatteForgeError as error:
            raise click.ClickException(error.detail) from error


def _look(kind: str, checkpoint: Path, sheet: Path) -> None:
    """Draw nine samples, and say what is to be thought of them."""
    from matteforge.cli.steps import Steps
    from models.imaging.sheets import save_sheet
    from models.metrics.first_look import SAMPLES, first_look

    with Steps("samples", SAMPLES) as steps:
        found = first_look(kind, checkpoint, steps.each)  # type: ignore[arg-type]
    save_sheet(sheet, found.sheet)
    click.echo(", ".join(f"{name} {value:.3g}" for name, value in found.figures.items()))
    for doubt in found.doubts:
        click.echo(f"doubt: {doubt}")
    click.echo(f"{'no doubts; ' if not found.doubts else ''}samples: {sheet}")


@click.command()
@click.argument("model")
@click.argument("out", type=NEW)
@click.option("--network", type=click.Choice(["stylematte", "generator"]), default="stylematte")
@click.option("--to", "format_", type=FORMATS, default="safetensors", show_default=True)
def export(model: str, out: Path, network: str, format_: str) -> None:
    """Write a network for other programs.

    MODEL: a checkpoint, a bundle's folder, or a registered model. safetensors: float32, the
    reference's names, for either network. onnx: a StyleMatte for pictures of any size, checked by
    onnxruntime. torchscript: a generator, z -> image.
    """
    from core.bundle import GENERATOR_FILE
    from matteforge.cli.steps import Steps
    from models.networks.checkpoints.export import export_program, export_safetensors
    from models.networks.checkpoints.onnx_file import CHECKED, export_onnx
    from workers.bundles import STYLEMATTE_FILE

    parts = {"safetensors": 2, "torchscript": 2, "onnx": 1 + len(CHECKED)}

    file_name = GENERATOR_FILE if network == "generator" else STYLEMATTE_FILE
    with TemporaryDirectory(prefix="matteforge-export-") as folder:
        try:
            checkpoint = network_file(model, file_name, Path(folder))
            with Steps("parts", parts[format_]) as steps:
                if format_ == "safetensors":
                    told = f"{export_safetensors(checkpoint, out, steps.part)} tensors"
                else:
                    write = export_onnx if format_ == "onnx" else export_program
                    told = f"largest difference {write(checkpoint, out, steps.part):.1e}"
        except MatteForgeError as error:
            raise click.ClickException(error.detail) from error
    click.echo(f"{out}: {told}")


def network_file(model: str, file_name: str, folder: Path) -> Path:
    """The checkpoint of MODEL: a file itself, one of a bundle's folder, or fetched to `folder`."""
    path = Path(model)
    if path.is_file():
        return path
    if not path.is_dir():
        registry = _registry()
        path = _fetched(registry, registry.resolve(model), folder / "bundles")
    return path / file_name


def _fetched(registry: "Registry", digest: str, folder: Path) -> Path:
    from matteforge.cli.steps import Steps

    with Steps("files", lambda: len(registry.bundle(digest).files)) as steps:
        return registry.fetch(digest, folder, steps.part)


def _register(checkpoint: Path, kind: str, name: str, base: str, folder: Path, source: str) -> None:
    """Publish a bundle of the imported network and the other one of `base`, with the thresholds of
    `base`."""
    from core.bundle import GENERATOR_FILE
    from matteforge.cli.steps import Steps
    from workers.bundles import ASSEMBLED_IN, STYLEMATTE_FILE, assemble

    parts = {"stylemattegan-generator": "generator", "stylematte": "stylematte"}
    if kind not in parts:
        raise click.ClickException(f"a {kind} can't be registered by itself; use --out")
    registry = _registry()
    lender = registry.resolve(base)
    lent = _fetched(registry, lender, folder / "cache")
    networks = {"generator": lent / GENERATOR_FILE, "stylematte": lent / STYLEMATTE_FILE}
    networks[parts[kind]] = checkpoint
    made, reason = folder / "bundle", f"imported from {source}"
    with Steps("parts", ASSEMBLED_IN + 1 + len(networks)) as steps:
        assemble(
            made,
            name=name,
            generator=networks["generator"],
            stylematte=networks["stylematte"],
            thresholds=registry.bundle(lender).thresholds,
            card={"imported": source, parts[kind]: "imported", "the rest": f"{base} {lender}"},
            half=False,
            on_part=steps.part,
        )
        bundle = registry.publish(made, alias=IMPORTED, reason=reason, on_part=steps.part)
    if registry.aliases(name).current("champion") is None:
        registry.move_alias(name, "champion", bundle.digest, reason="its first version")
    click.echo(f"{name}@{IMPORTED} {bundle.digest}")


def _registry() -> "Registry":
    from core.registry import Registry
    from workers.app import context

    return Registry(context().catalog.store)
