"""Look at a generator: sheets of samples, walks between seeds, style mixing."""

import re
from itertools import pairwise
from pathlib import Path

import click
import torch
from torch import Tensor

from matteforge.cli.steps import Steps

SEEDS = re.compile(r"(\d+)(?:-(\d+))?")
MOST_SEEDS = 10_000
COLUMNS = 8
BATCH = 8


class Seeds(click.ParamType[tuple[int, ...]]):
    """Seeds as `1-64` or `3,7,20-24`."""

    name = "seeds"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        seeds: list[int] = []
        for part in str(value).split(","):
            found = SEEDS.fullmatch(part.strip())
            if found is None:
                self.fail(f"{part!r} is no seed and no range: write 1-64, or 3,7,20-24", param, ctx)
            first, last = int(found[1]), int(found[2] or found[1])
            if not first <= last < first + MOST_SEEDS or last >= 2**63:
                self.fail(
                    f"{part!r} runs backwards or is too long: at most {MOST_SEEDS}", param, ctx
                )
            seeds += range(first, last + 1)
        return tuple(seeds)


@click.command()
@click.option("--seeds", type=Seeds(), default="1-64", show_default=True)
@click.option(
    "--psi", type=click.FloatRange(0, 2), help="Truncation.  [default: the bundle's, mostly 0.7]"
)
@click.option(
    "--model",
    type=click.Path(exists=True, path_type=Path),
    help="A generator's checkpoint or a bundle's folder; default: the shipped one.",
)
@click.option("--grid", type=click.Path(path_type=Path), help="A sheet of all seeds.")
@click.option("--alpha", is_flag=True, help="In the sheet, beside each picture its alpha.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for SEED.png with alpha.")
@click.option(
    "--walk", type=click.Path(path_type=Path), help="A sheet of walks: from seed to seed."
)
@click.option("--steps", type=click.IntRange(2, 64), default=8, show_default=True, help="A walk's.")
@click.option("--mix", type=click.Path(path_type=Path), help="A sheet that mixes styles.")
@click.option(
    "--coarse", type=click.IntRange(1), help="Layers that come from the rows' seeds; default: half."
)
def sample(
    seeds: tuple[int, ...], psi: float | None, model: Path | None, grid: Path | None, alpha: bool,
    out: Path | None, walk: Path | None, steps: int, mix: Path | None, coarse: int | None,
) -> None:  # fmt: skip
    """Draw a generator's samples, unfiltered: seed 7 is the same person each time, as in a
    dataset's records.

    --walk: each row goes from one seed to the next. --mix: the first half of the seeds are rows,
    which give pose and shape, the others are columns, which give colour and detail.
    """
    if not (grid or out or walk or mix):
        raise click.UsageError("nothing to draw: name --grid, --out, --walk or --mix")
    if (walk or mix) and len(seeds) < 2:
        raise click.UsageError("--walk and --mix need two seeds or more")
    generator = _Sampler(model, psi)
    if grid or out:
        images = generator.images(generator.styles(seeds))
        if grid:
            _write_sheet(grid, images, alpha)
        if out:
            _write_cut_outs(out, seeds, images)
    if walk:
        ends = generator.styles(seeds)
        shares = torch.linspace(0, 1, steps)[:, None, None]
        rows = [a.lerp(b, shares) for a, b in pairwise(ends)]
        _write_sheet(walk, generator.images(torch.cat(rows)), False, steps)
    if mix:
        _write_sheet(mix, *generator.mixed(generator.styles(seeds), coarse))


class _Sampler:
    """A generator on the CPU and its truncation."""

    def __init__(self, model: Path | None, psi: float | None) -> None:
        from core.bundle import BUNDLE_FILE, GENERATOR_FILE, load_bundle_folder
        from core.datasets.plan import DEFAULT_PSI
        from core.errors import CheckpointRejected
        from models import shipped_bundle
        from models.kernels.compile_notice import announce_compilation
        from models.networks.checkpoints.load import load_generator

        announce_compilation()
        path = model or shipped_bundle()
        try:
            self.network = load_generator(path / GENERATOR_FILE if path.is_dir() else path)
        except (CheckpointRejected, FileNotFoundError) as error:
            raise click.ClickException(f"{path} is no generator: {error}") from error
        if psi is None and (path / BUNDLE_FILE).is_file():
            psi = load_bundle_folder(path).truncation_psi
        self.psi = DEFAULT_PSI if psi is None else psi

    @torch.no_grad()
    def styles(self, seeds: tuple[int, ...]) -> Tensor:
        """[n, layers, w_dim], each from the z that a dataset's sample of the seed has."""
        z_dim = self.network.mapping.z_dim
        z = [torch.randn(z_dim, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        styles: Tensor = self.network.mapping(torch.stack(z), truncation_psi=self.psi)
        return styles

    @torch.no_grad()
    def images(self, styles: Tensor) -> Tensor:
        """[n, layers, w_dim] -> RGBA [n, 4, h, h] in [-1, 1]."""
        made = []
        with Steps("pictures", len(styles)) as steps:
            for part in styles.split(BATCH):
                made.append(self.network.synthesis.shared_out(part))
                steps.at(sum(map(len, made)))
        return torch.cat(made).clamp(-1, 1)

    def mixed(self, styles: Tensor, coarse: int | None) -> tuple[Tensor, bool, int]:
        """The sheet's images row by row: first the columns' own, then each row's own and its
        mixtures; False, and how many a row."""
        half = len(styles) // 2
        rows, columns = styles[:half], styles[half:]
        count = coarse or styles.shape[1] // 2
        own = self.images(styles)
        lines = [torch.full_like(own[:1], -1), own[half:]]
        for index, row in enumerate(rows):
            both = columns.clone()
            both[:, :count] = row[:count]
            lines += [own[index : index + 1], self.images(both)]
        return torch.cat(lines), False, 1 + len(columns)


def _write_sheet(path: Path, images: Tensor, alpha: bool, columns: int = COLUMNS) -> None:
    from models.imaging.sheets import in_rows, save_sheet, tile
    from models.imaging.tensors import quantised_rgb

    pictures = images[:, :3]
    if alpha:
        pictures = torch.cat([pictures, images[:, 3:].expand(-1, 3, -1, -1)], 3)
    save_sheet(path, tile(in_rows(list(quantised_rgb(pictures).numpy()), columns)))
    click.echo(f"{path}: {len(images)} pictures, {columns} a row")


def _write_cut_outs(folder: Path, seeds: tuple[int, ...], images: Tensor) -> None:
    from PIL import Image

    from models.imaging.tensors import pm1_to_u8

    folder.mkdir(parents=True, exist_ok=True)
    for seed, image in zip(seeds, pm1_to_u8(images).permute(0, 2, 3, 1).numpy(), strict=True):
        Image.fromarray(image).save(folder / f"{seed}.png")
    click.echo(f"{folder}: {len(seeds)} pictures with alpha")
