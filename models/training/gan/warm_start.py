"""Stage 1 of StyleMatteGAN: the generator learns to paint as the decoder of an autoencoder.

The latent is whitened, so that after training z from a unit Gaussian lands among the codes: codes
begin as whitened principal components of the pictures, lie on a sphere, are mixed with noise, and
their second moment is driven towards the identity; what is left of it is folded into the published
mapping network.
"""

import copy
import itertools
from pathlib import Path
from typing import Any

import click
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.imaging.tensors import to_pm1
from models.kernels.cpu_tuning import restart_tuned
from models.networks.frozen_features import FrozenResNet
from models.networks.stylegan3 import Generator, build_generator
from models.training import distributed
from models.training.ema import ema_beta, update_ema
from models.training.gan.corpus import Corpus, Labeller, build_corpus
from models.training.gan.loop import train, until_signalled
from models.training.gan.presets import PRESETS, GanPreset
from models.training.gan.state import step_if_finite
from models.training.run_state import TrainingState

BATCH = 8  # images, over all processes
SIGNAL, NOISE = 0.9, 0.436  # squares add up to 1
FEATURE_STAGES = 3
LATENT_WEIGHT = 0.01
COARSE = 16  # pixels a side of what principal components are taken of
COMPONENT_IMAGES = 2000
COLOUR_AXES = ((1 / 3, 1 / 3, 1 / 3, 0), (2, -1, -1, 0), (0, 1.74, -1.74, 0), (0, 0, 0, 1))
EMA_HALF_LIFE, EMA_RAMPUP = 2000.0, 0.05  # images; share of the images seen


class Encoder(nn.Module):
    """RGBA [n, 4, h, h] -> code [n, z_dim]: pixel unshuffle, then residual blocks down to 4 pixels.

    What they give is added to whitened principal components of the picture, fixed once. Without
    these the encoder never found out that hue is worth a code, because a decoder that gets no hue
    asks for none.
    """

    coarse_mean: Tensor
    components: Tensor

    def __init__(
        self, z_dim: int, size: int = 64, channels: tuple[int, ...] = (32, 64, 96, 128)
    ) -> None:
        super().__init__()
        channels += channels[-1:] * (size.bit_length() - 3 - len(channels))
        self.head = nn.Conv2d(16, channels[0], 3, padding=1)
        pairs = list(itertools.pairwise(channels))
        self.convolutions = nn.ModuleList(nn.Conv2d(a, a, 3, padding=1) for a, _ in pairs)
        self.reductions = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairs)
        self.shortcuts = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairs)
        self.tail = nn.Linear(channels[-1] * (size >> len(channels)) ** 2, z_dim)
        self.register_buffer("coarse_mean", torch.zeros(4 * COARSE**2))
        self.register_buffer("components", torch.zeros(z_dim, 4 * COARSE**2))

    @torch.no_grad()
    def begin_with_components(self, images: Tensor) -> None:
        """Make codes the whitened principal components of images [n, 4, h, h] and of their mirror
        images."""
        coarse = torch.cat([_coarse(images), _coarse(images.flip(3))])
        self.coarse_mean.copy_(coarse.mean(0))
        _, deviations, directions = torch.linalg.svd(coarse - self.coarse_mean, full_matrices=False)
        count = min(len(self.components), len(deviations))
        spread = (deviations[:count] / len(coarse) ** 0.5).clamp(
            min=1e-3 * float(deviations[0]) / len(coarse) ** 0.5
        )
        self.components[:count] = directions[:count] / spread[:, None]
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)

    def forward(self, images: Tensor) -> Tensor:
        x = F.leaky_relu(self.head(F.pixel_unshuffle(images, 2)), 0.2)
        for convolution, reduction, shortcut in zip(
            self.convolutions, self.reductions, self.shortcuts, strict=True
        ):
            y = F.avg_pool2d(reduction(F.leaky_relu(convolution(x), 0.2)), 2)
            x = F.leaky_relu(y + shortcut(F.avg_pool2d(x, 2)), 0.2)
        code: Tensor = self.tail(x.flatten(1))
        centred = (_coarse(images) - self.coarse_mean).double()  # whitening magnifies errors
        seen = centred @ self.components.t().double()
        return code + seen.float()


def _coarse(images: Tensor) -> Tensor:
    """RGBA [n, 4, h, h] -> brightness, two hues of twice the weight and alpha at COARSE pixels a
    side, flat."""
    axes = images.new_tensor(COLOUR_AXES)
    return torch.einsum("dc,nchw->ndhw", axes, F.adaptive_avg_pool2d(images, COARSE)).flatten(1)


class WhiteLatent(nn.Module):
    """Puts codes on the sphere that unit Gaussians concentrate on, and drives them to spread over
    all of it.

    On the sphere a code can't grow to drown the noise. The mapping network normalises z anyway.
    """

    mean: Tensor
    moment: Tensor

    def __init__(self, z_dim: int, rate: float = 0.02) -> None:
        super().__init__()
        self.rate = rate
        self.register_buffer("mean", torch.zeros(z_dim))
        self.register_buffer("moment", torch.eye(z_dim))

    def forward(self, codes: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """codes [n, z_dim] -> z [n, z_dim], and the penalty: squared distance of the second moment
        from the identity.

        A second term holds the codes' own scale at 1: the sphere leaves it free, and it would grow
        without end. In training mode the running statistics follow the batch; the penalty's
        gradient flows through the batch.
        """
        if self.training:
            self.mean.lerp_(distributed.mean(codes.detach().mean(0)), self.rate)
        white = F.normalize(codes - self.mean) * codes.shape[1] ** 0.5
        blend = self.moment.lerp(distributed.mean(white.t() @ white / len(white)), self.rate)
        if self.training:
            self.moment.copy_(blend.detach())
        identity = torch.eye(len(blend), device=blend.device)
        penalty = (blend - identity).square().sum() / (len(blend) * self.rate)
        penalty = penalty + 10 * codes.square().mean(1).log().square().mean()
        noise = distributed.normal(*codes.shape, rng=rng, device=codes.device)
        return white * SIGNAL + noise * NOISE, penalty

    def prior_root(self) -> Tensor:
        """The symmetric root of z's second moment [z_dim, z_dim]: times a unit Gaussian, it gives z
        like the codes'."""
        identity = torch.eye(len(self.moment), device=self.moment.device)
        values, vectors = torch.linalg.eigh(self.moment * SIGNAL**2 + identity * NOISE**2)
        root: Tensor = (vectors * torch.sqrt(values.clamp(min=0))) @ vectors.t()
        return root


class ReconstructionLoss(nn.Module):
    """Weighted L1 of colour, alpha and frozen features; the head counts most, the background
    least."""

    face: Tensor

    def __init__(self, features: FrozenResNet, size: int, feature_weight: float = 0.6) -> None:
        super().__init__()
        self.features, self.feature_weight = features, feature_weight
        steps = (torch.arange(size) + 0.5) / size
        face = torch.exp(
            -(((steps - 0.5) / 0.2).square()[None] + ((steps - 0.46) / 0.24).square()[:, None])
        )
        self.register_buffer("face", face, persistent=False)

    def forward(self, images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Both [n, 4, h, w] in [-1, 1] -> the terms (colour, alpha, features) and their sum
        (total)."""
        weight = self.weight(targets)
        difference = images - targets
        colour = (difference[:, :3].abs() * weight).mean()
        alpha = difference[:, 3].abs().mean()
        feature = self._feature_distance(images[:, :3], targets[:, :3], weight)
        total = colour + 0.5 * alpha + self.feature_weight * feature
        return {"total": total, "colour": colour, "alpha": alpha, "features": feature}

    def weight(self, targets: Tensor) -> Tensor:
        """How much each pixel of targets [n, 4, h, w] counts: [n, 1, h, w]."""
        covered = (targets[:, 3:] + 1) / 2
        return 0.4 + 0.6 * covered + 1.2 * covered * self.face

    def _feature_distance(self, image: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """L1 of each stage relative to the mean magnitude of the target's features; RGB [n, 3, h,
        w]."""
        with torch.no_grad():
            wanted = self.features(target, FEATURE_STAGES)
        distance = image.new_zeros(())
        for ours, theirs in zip(self.features(image, FEATURE_STAGES), wanted, strict=True):
            pooled = F.adaptive_avg_pool2d(weight, ours.shape[2:])
            distance = distance + ((ours - theirs).abs() * pooled).mean() / (
                distributed.mean(theirs.mean()) + 1e-3
            )
        return distance / FEATURE_STAGES


class WarmStart:
    """The run: networks, optimisers and one step."""

    def __init__(
        self,
        corpus: Corpus,
        seed: int = 0,
        total_kimg: float = 60.0,
        lr: float = 0.005,
        preset: GanPreset = PRESETS["embedded-64"],
        device: torch.device | str = "cpu",
        batch: int = BATCH,
    ) -> None:
        """The corpus has the preset's resolution; batch: images a step, over all processes."""
        torch.manual_seed(seed)
        self.corpus, self.total_kimg, self.lr, self.device = corpus, total_kimg, lr, device
        self.first_image = 0  # where this stage began
        self.batch, z_dim = batch, preset.generator["z_dim"]
        self.generator: Generator = build_generator(preset.generator).train().to(device)
        half_life = 1000 * preset.adversarial.magnitude_kimg
        self.generator.synthesis.set_magnitude_ema_beta(0.5 ** (self.batch / half_life))
        self.averaged: Generator = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.encoder = Encoder(z_dim, preset.resolution)
        shown = torch.linspace(0, len(corpus) - 1, min(COMPONENT_IMAGES, len(corpus))).long()
        self.encoder.begin_with_components(to_pm1(corpus.images[shown]))
        self.encoder.to(device)
        self.latent = WhiteLatent(z_dim).to(device)
        self.loss = ReconstructionLoss(FrozenResNet(), preset.resolution).to(device)
        self.state = TrainingState(
            modules={
                "g": self.generator,
                "g_ema": self.averaged,
                "e": self.encoder,
                "latent": self.latent,
            },
            optimizers={
                "g": torch.optim.Adam(self.generator.parameters(), lr=lr, betas=(0.5, 0.99)),
                "e": torch.optim.Adam(self.encoder.parameters(), lr=lr / 3, betas=(0.5, 0.99)),
            },
            rng=torch.Generator().manual_seed(seed),
        )

    def step(self) -> dict[str, float]:
        """One update of generator and encoder; one whose gradient is not finite is left out."""
        progress, rng = self.state.progress, self.state.rng
        self._set_rate((progress.images - self.first_image) / 1000)
        targets = self.corpus.batch(self.batch // distributed.count(), rng).to(self.device)
        z, penalty = self.latent(self.encoder(targets), rng)
        images = self.generator(z, update_emas=True)
        terms = self.loss(images, targets)
        (terms["total"] + LATENT_WEIGHT * penalty).backward()
        norms = {
            f"norm_{name}": step_if_finite(optimizer)
            for name, optimizer in self.state.optimizers.items()
        }
        progress.steps += 1
        progress.images += self.batch
        update_ema(
            self.averaged,
            self.generator,
            ema_beta(progress.images, self.batch, EMA_HALF_LIFE, EMA_RAMPUP),
        )
        return (
            {name: term.item() for name, term in terms.items()}
            | {"penalty": penalty.item()}
            | norms
        )

    def _set_rate(self, kimg: float) -> None:
        """Linear warm-up over 1 kimg; over the last three tenths of the run a linear decay to a
        twentieth."""
        factor = min(kimg + 0.05, 1.0) * min(max((1 - kimg / self.total_kimg) / 0.3, 0.05), 1.0)
        for name, optimizer in self.state.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = self.lr * factor * (1.0 if name == "g" else 1 / 3)


@click.command()
@click.option("--data", type=click.Path(exists=True, path_type=Path), help="Tars of KEY.rgba.png.")
@click.option(
    "--run", "run", type=click.Path(path_type=Path), required=True, help="Directory of the run."
)
@click.option(
    "--matte",
    type=click.Path(exists=True, path_type=Path),
    help="StyleMatte that labels the scenes.",
)
@click.option(
    "--preset", type=click.Choice(list(PRESETS)), default="embedded-64", show_default=True
)
@click.option(
    "--resume",
    type=click.Path(exists=True, path_type=Path),
    help="State to start from; default: the run's.",
)
@click.option("--scenes", default=4, help="Scenes of each portrait in a corpus that is built now.")
@click.option(
    "--kimg",
    "total_kimg",
    default=60.0,
    help="Where the learning rate has decayed and the run ends.",
)
@click.option("--lr", default=0.005, help="Generator's learning rate at its highest.")
@click.option("--seed", default=0)
@click.option("--save-every", default=300.0, help="Seconds between states.")
@click.option("--threads", default=1)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
def main(
    data: Path | None, run: Path, matte: Path | None, preset: str, resume: Path | None, scenes: int,
    total_kimg: float, lr: float, seed: int, save_every: float, threads: int, device: str,
) -> None:  # fmt: skip
    """Train the warm start, or go on with it where RUN holds its state. Under torchrun, over
    several processes."""
    restart_tuned()
    torch.set_num_threads(threads)
    with distributed.joined(device) as own:
        corpus = open_corpus(run, data, matte, scenes, PRESETS[preset].resolution)
        trainer = WarmStart(corpus, seed, total_kimg, lr, PRESETS[preset], own)
        _resume_and_train(
            trainer, run, resume, save_every, {"seed": seed, "lr": lr, "kimg": total_kimg}, matte
        )


def _resume_and_train(
    trainer: WarmStart,
    run: Path,
    resume: Path | None,
    save_every: float,
    options: dict[str, Any],
    matte: Path | None,
) -> None:
    own = run / "warm-start.state.safetensors"
    if resume or own.exists():
        trainer.state.load(resume or own)
    progress = trainer.state.progress
    labels = matte.name if matte else "exact alpha"
    progress.history.append(
        {"stage": "warm start", "from_images": progress.images, "labels": labels, **options}
    )
    train(trainer, run, "warm-start", trainer.total_kimg * 1000, save_every, until_signalled())


def open_corpus(
    run: Path, data: Path | None, matte: Path | None, scenes: int = 4, size: int = 64
) -> Corpus:
    """The run's corpus: labelled by a StyleMatte checkpoint if one is given, else with exact alpha;
    built once."""
    path = run / ("corpus.pt" if matte else "corpus-exact.pt")
    if path.exists():
        return Corpus.load(path)
    if data is None or distributed.count() > 1:
        raise click.UsageError("--data is needed to build the corpus, by one process alone")
    run.mkdir(parents=True, exist_ok=True)
    corpus = build_corpus(
        data, size=size, scenes=scenes, labeller=stylematte_labeller(matte) if matte else None
    )
    corpus.save(path)
    return corpus


def stylematte_labeller(checkpoint: Path, device: torch.device | str = "cpu") -> Labeller:
    """Labels by a StyleMatte checkpoint on a device; scenes come from the CPU and labels go back
    to it."""
    from models.networks.checkpoints.load import load_stylematte
    from models.networks.stylematte import predict_alpha

    matte = load_stylematte(checkpoint).to(device)

    @torch.no_grad()
    def label(scene: Tensor) -> Tensor:
        return predict_alpha(matte, scene.to(device)).clamp(0, 1).cpu()

    return label


if __name__ == "__main__":
    main()
