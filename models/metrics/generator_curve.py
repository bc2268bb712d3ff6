"""How a generator got better: Frechet distance, recall, precision, sharpness and soft alpha of
several states of one run, as a table."""

from pathlib import Path

import click
import torch
from torch import Tensor

from matteforge.cli.steps import Steps
from models.imaging.tensors import to_pm1
from models.metrics.frechet import coverage, frechet_distance, moments, pooled_features
from models.metrics.generator_card import sample_images, sharpness, soft_share
from models.networks.checkpoints.checkpoint import load_checkpoint
from models.networks.checkpoints.load import load_generator
from models.networks.frozen_features import FrozenResNet
from models.training.gan.corpus import Corpus

SEED = 3
HEAD = """| kimg | FD, psi 1 | recall | precision | sharpness, psi 1 / .7 | soft alpha, psi 1 / .7 |
|---|---|---|---|---|---|"""
FILES = click.Path(exists=True, dir_okay=False, path_type=Path)


class Judge:
    """`count` pictures of a corpus, and as many others of it to compare with."""

    def __init__(self, corpus: Corpus, count: int) -> None:
        """Raises ValueError where the corpus has fewer than 2 count pictures."""
        if len(corpus) < 2 * count:
            raise ValueError(f"the corpus has {len(corpus)} pictures, {2 * count} are needed")
        order = torch.randperm(len(corpus), generator=torch.Generator().manual_seed(SEED))
        self.count, self.network = count, FrozenResNet()
        first, second = (to_pm1(corpus.images[part]) for part in order[: 2 * count].split(count))
        self.reals, others = self._features(first), self._features(second)
        self.moments = moments(self.reals)
        self.sharpness, self.soft = sharpness(first), soft_share(first)
        self.halves = self._compared(others)

    def _features(self, images: Tensor) -> Tensor:
        return pooled_features(self.network, images[:, :3])

    def _compared(self, features: Tensor) -> str:
        distance = frechet_distance(moments(features), self.moments)
        recall = coverage(self.reals, features).float().mean()
        precision = coverage(features, self.reals).float().mean()
        return f"{distance:.1f} | {recall:.2f} | {precision:.2f}"

    def row(self, path: Path) -> str:
        """A generator's line of the table."""
        extra = load_checkpoint(path, kind="stylemattegan-generator").extra
        generator = load_generator(path)
        whole, calm = (sample_images(generator, self.count, psi, SEED) for psi in (1.0, 0.7))
        sharp = " / ".join(f"{sharpness(x) / self.sharpness:.2f}" for x in (whole, calm))
        soft = " / ".join(f"{soft_share(x) / self.soft:.2f}" for x in (whole, calm))
        kimg = extra.get("kimg", path.stem)
        return f"| {kimg} | {self._compared(self._features(whole))} | {sharp} | {soft} |"


@click.command()
@click.argument("generators", nargs=-1, required=True, type=FILES)
@click.option("--corpus", type=FILES, required=True, help="RUN/corpus-exact.pt or RUN/corpus.pt.")
@click.option("--count", default=300, show_default=True, help="Images a set.")
def main(generators: tuple[Path, ...], corpus: Path, count: int) -> None:
    """Measure states of a generator, such as RUN/snapshots/*.safetensors, in one table.

    Distances by a frozen ResNet-50 that no loss sees, of whole scenes; sharpness and soft alpha
    relative to the corpus.
    """
    torch.set_num_threads(1)
    try:
        judge = Judge(Corpus.load(corpus), count)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    click.echo(HEAD)
    for path in Steps("generators", len(generators)).each(generators):
        click.echo(judge.row(path))
    click.echo(f"| the corpus itself | {judge.halves} | 1 | 1 |")


if __name__ == "__main__":
    main()
