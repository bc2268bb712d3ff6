"""Stage 2 of StyleMatteGAN: adversarial training.

With an anchor, half of each batch decodes real images' codes and is reconstructed as in the warm
start, half comes from random z; without one, all does. Both discriminators judge all of it: one
RGBA, with the non-saturating loss and lazy R1 (arXiv 1912.04958), one frozen features of composites
and of alpha, with the hinge loss (gan_projection.py). Instead of them, or beside them, the energy
distance from real images (gan_energy.py).
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click
import torch
import torch.nn.functional as F
from torch import Tensor

from models.imaging.tensors import to_pm1
from models.kernels.cpu_tuning import restart_tuned
from models.scenes.backgrounds import list_photos, photo_bank
from models.training import distributed
from models.training.ema import ema_beta, update_ema
from models.training.gan.augment import AdaptiveProbability, augment, soften
from models.training.gan.corpus import Corpus
from models.training.gan.energy import EnergyDistance
from models.training.gan.loop import train, until_signalled
from models.training.gan.losses import (
    GradientBalance,
    RgbaDiscriminator,
    over_backgrounds,
    r1_penalty,
)
from models.training.gan.presets import PRESETS, GanPreset
from models.training.gan.projection import ProjectedDiscriminator, generator_loss, hinge_loss
from models.training.gan.state import step_if_finite
from models.training.gan.warm_start import LATENT_WEIGHT, WarmStart, open_corpus

R1_EVERY = 16  # steps
RATIOS = ("ratio_rgba", "ratio_features", "ratio_energy")
AUGMENT_EVERY = 4  # steps between two changes of the augmentation's p


class Adversarial:
    """The second stage's networks and one step; takes over generator, encoder and latent from a
    warm start."""

    def __init__(
        self,
        corpus: Corpus,
        preset: GanPreset,
        seed: int = 0,
        *,
        backgrounds: Tensor | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        """The corpus has the preset's resolution h; backgrounds: see `over_backgrounds`."""
        self.settings = settings = preset.adversarial
        warm = WarmStart(
            corpus, seed, lr=settings.lr, preset=preset, device=device, batch=settings.batch
        )
        self.corpus, self.backgrounds, self.device = corpus, backgrounds, device
        self.state, self.loss = warm.state, warm.loss
        self.generator, self.averaged = warm.generator, warm.averaged
        self.encoder, self.latent = warm.encoder, warm.latent
        self.rgba = RgbaDiscriminator(preset).to(device)
        self.judge = ProjectedDiscriminator(self.loss.features).to(device)
        shown = corpus.images[torch.linspace(0, len(corpus) - 1, 64).long(), :3]
        self.judge.measure_scales(to_pm1(shown).to(device))
        self.energy = self._energy() if settings.ratio_energy else None
        sources = [settings.ratio_rgba, settings.ratio_features, settings.ratio_energy]
        self.balance = GradientBalance(sum(map(bool, sources)) - (not settings.anchored)).to(device)
        self.augmentation = AdaptiveProbability(
            kimg=settings.augment_kimg, start=settings.augment_start, limit=settings.augment_limit
        ).to(device)
        self.state.modules |= {
            "d_rgba": self.rgba,
            "d_features": self.judge,
            "balance": self.balance,
        }
        self.state.modules["augmentation"] = self.augmentation
        heads = self.judge.heads.parameters()
        self.state.optimizers = {
            "g": torch.optim.Adam(
                self.generator.parameters(), lr=settings.lr, betas=(settings.beta1, 0.99)
            ),
            "e": torch.optim.Adam(
                self.encoder.parameters(), lr=settings.lr / 2, betas=(settings.beta1, 0.99)
            ),
            "d_rgba": torch.optim.Adam(
                self.rgba.parameters(), lr=settings.lr_rgba, betas=(0.0, 0.99)
            ),
            "d_features": torch.optim.Adam(heads, lr=settings.lr_features, betas=(0.0, 0.99)),
        }
        self.first_image = 0  # where this stage began

    @property
    def kimg(self) -> float:
        """Thousand images of this stage."""
        return (self.state.progress.images - self.first_image) / 1000

    def step(self) -> dict[str, float]:
        """One update of the generator and encoder, then one of both discriminators on the same
        fakes."""
        settings, progress = self.settings, self.state.progress
        self._set_rates()
        shown, scalars = self._generator_step()
        if settings.ratio_rgba or settings.ratio_features:
            scalars |= self._discriminator_step(shown)
            if progress.steps % R1_EVERY == 0:
                scalars["r1"] = self._r1_step()
            if progress.steps % AUGMENT_EVERY == 0:
                scalars |= {"overfit": self.augmentation.adjust(), "p": float(self.augmentation.p)}
        progress.steps += 1
        progress.images += settings.batch
        beta = ema_beta(
            progress.images, settings.batch, 1000 * settings.ema_kimg, settings.ema_rampup
        )
        update_ema(self.averaged, self.generator, beta)
        return scalars

    def _set_rates(self) -> None:
        """The generator stands still in the discriminators' lead, then begins over a fortieth of
        the stage."""
        s = self.settings
        decay = max(1 - (1 - s.final_rate) * self.kimg / s.total_kimg, s.final_rate)
        start = (
            min(max(self.kimg - s.lead_kimg, 0) * 40 / s.total_kimg, 1.0) if s.lead_kimg else 1.0
        )
        rates = {
            "g": s.lr * start,
            "e": s.lr / 2 * start,
            "d_rgba": s.lr_rgba,
            "d_features": s.lr_features,
        }
        for name, rate in rates.items():
            for group in self.state.optimizers[name].param_groups:
                group["lr"] = rate * decay

    def _generator_step(self) -> tuple[Tensor, dict[str, float]]:
        """Returns the fakes as the discriminators saw them, without gradient."""
        s, rng, count = self.settings, self.state.rng, self.settings.batch // distributed.count()
        decoded, terms, scalars = count // 2 if s.anchored else 0, {}, {}
        z = distributed.normal(count - decoded, len(self.latent.mean), rng=rng, device=self.device)
        z = z @ self.latent.prior_root()
        if decoded:
            targets = self.corpus.batch(decoded, rng).to(self.device)
            codes, penalty = self.latent(self.encoder(targets), rng)
            images = self.generator(torch.cat([codes, z]), update_emas=True)
            terms = self.loss(images[:decoded], targets)
            scalars["penalty"] = penalty.item()
        else:
            images = self.generator(z, update_emas=True)
        shown = self._shown(images)
        ramp = min(max(self.kimg - s.lead_kimg, 0) / s.warm_up_kimg, 1.0)
        adversarial, ratios = self._adversarial_losses(shown)
        anchor = [terms["total"]] if decoded else []
        first, *others = (
            torch.autograd.grad(loss, images, retain_graph=True)[0]
            for loss in (*anchor, *adversarial.values())
        )
        gradient = self.balance(first, others, [ratio * ramp for ratio in ratios[-len(others) :]])
        if decoded:
            torch.autograd.backward([images, LATENT_WEIGHT * penalty], [gradient, None])
            scalars["norm_e"] = step_if_finite(self.state.optimizers["e"])
        else:
            images.backward(gradient)
        scalars["norm_g"] = step_if_finite(self.state.optimizers["g"])
        scalars |= {name: term.item() for name, term in (terms | adversarial).items()}
        return shown.detach(), scalars

    def _adversarial_losses(self, shown: Tensor) -> tuple[dict[str, Tensor], list[float]]:
        """By name, those that are on, and their ratios."""
        s, losses, ratios = self.settings, dict[str, Tensor](), list[float]()
        if s.ratio_rgba:
            losses["g_rgba"] = F.softplus(-self.rgba(shown)).mean()
            ratios.append(s.ratio_rgba)
        if s.ratio_features:
            losses["g_features"] = generator_loss(self.judge(self._views(shown)))
            ratios.append(s.ratio_features)
        if self.energy is not None:
            losses["energy"] = self.energy(self._views(shown), self.state.rng)
            ratios.append(s.ratio_energy)
        return losses, ratios

    def _energy(self) -> EnergyDistance:
        rng = torch.Generator().manual_seed(0)
        index = torch.linspace(0, len(self.corpus) - 1, self.settings.energy_bank)
        reals = to_pm1(self.corpus.images[index.long()]).to(self.device)
        views = torch.cat(
            [over_backgrounds(reals, rng, self.backgrounds), reals[:, 3:].expand(-1, 3, -1, -1)]
        )
        return EnergyDistance(self.loss.features, views, self.loss.weight(reals).mean((0, 1)))

    def _discriminator_step(self, fakes: Tensor) -> dict[str, float]:
        reals = self._reals()
        real, fake = self.rgba(reals), self.rgba(fakes)
        self.augmentation.observe(real)
        rgba = F.softplus(-real).mean() + F.softplus(fake).mean()
        judged = hinge_loss(self.judge(self._views(reals)), self.judge(self._views(fakes)))
        (rgba + judged).backward()
        norms = {
            f"norm_{name}": step_if_finite(self.state.optimizers[name])
            for name in ("d_rgba", "d_features")
        }
        return {"d_rgba": rgba.item(), "d_features": judged.item()} | norms

    def _r1_step(self) -> float:
        penalty = r1_penalty(self.rgba, self._reals())
        (penalty * (self.settings.gamma / 2 * R1_EVERY)).backward()
        step_if_finite(self.state.optimizers["d_rgba"])
        return penalty.item()

    def _reals(self) -> Tensor:
        images = self.corpus.batch(self.settings.batch // distributed.count(), self.state.rng)
        return self._shown(images.to(self.device))

    def _shown(self, images: Tensor) -> Tensor:
        """What the discriminators get to see of images, real and generated alike."""
        s = self.settings
        sigma = (
            s.blur_px * (1 - max(self.kimg - s.lead_kimg, 0) / s.blur_kimg) if s.blur_kimg else 0.0
        )
        return soften(augment(images, self.augmentation.p, self.state.rng), sigma)

    def _views(self, images: Tensor) -> Tensor:
        composites = over_backgrounds(images, self.state.rng, self.backgrounds)
        return torch.cat([composites, images[:, 3:].expand(-1, 3, -1, -1)])


def real_backgrounds(
    path: Path, photos: Sequence[Path], size: int, count: int = 2000, seed: int = 0
) -> Tensor | None:
    """Crops of photographs for `over_backgrounds`, kept at `path`; None without photographs."""
    if not photos:
        return None
    return torch.from_numpy(
        photo_bank(path, photos, count=count, size=size, seed=seed).copy()
    ).permute(0, 3, 1, 2)


@click.command()
@click.option(
    "--run",
    "run",
    type=click.Path(exists=True, path_type=Path),
    required=True,
    help="Directory of the run.",
)
@click.option("--data", type=click.Path(exists=True, path_type=Path), help="Tars of KEY.rgba.png.")
@click.option(
    "--matte",
    type=click.Path(exists=True, path_type=Path),
    help="StyleMatte that labels the scenes.",
)
@click.option(
    "--photos",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="Folder of backgrounds.",
)
@click.option(
    "--preset", "name", type=click.Choice(list(PRESETS)), default="embedded-64", show_default=True
)
@click.option(
    "--resume",
    type=click.Path(exists=True, path_type=Path),
    help="State to start from; default: the run's.",
)
@click.option("--kimg", type=float, help="Length of this stage; default: the preset's.")
@click.option(
    "--lr", type=float, help="Generator's learning rate at its highest; default: the preset's."
)
@click.option("--batch", type=int, help="Images a step, over all processes; default: the preset's.")
@click.option(
    "--ratios",
    type=(float, float, float),
    help="Of RGBA, frozen features, energy; default: the preset's.",
)
@click.option("--seed", default=0)
@click.option("--save-every", default=300.0, help="Seconds between states.")
@click.option("--threads", default=1)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
def main(
    run: Path,
    data: Path | None,
    matte: Path | None,
    photos: tuple[Path, ...],
    name: str,
    resume: Path | None,
    kimg: float | None,
    lr: float | None,
    batch: int | None,
    ratios: tuple[float, float, float] | None,
    seed: int,
    save_every: float,
    threads: int,
    device: str,
) -> None:
    """Sharpen the warm start of RUN adversarially, or go on with it where RUN holds this stage's
    state.

    Under torchrun, over several processes. The paper's presets have no warm start: they begin at
    noise.
    """
    restart_tuned()
    torch.set_num_threads(threads)
    settings = PRESETS[name].adversarial
    settings = replace(
        settings,
        total_kimg=kimg or settings.total_kimg,
        lr=lr or settings.lr,
        batch=batch or settings.batch,
    )
    if ratios is not None:
        settings = replace(settings, **dict(zip(RATIOS, ratios, strict=True)))  # type: ignore[arg-type]
    preset = replace(PRESETS[name], adversarial=settings)
    with distributed.joined(device) as own:
        corpus = open_corpus(run, data, matte, size=preset.resolution)
        backgrounds = real_backgrounds(run / "photos.npy", list_photos(photos), preset.resolution)
        trainer = Adversarial(corpus, preset, seed, backgrounds=backgrounds, device=own)
        _take_up(trainer, run, resume)
        options = {
            "seed": seed,
            "labels": matte.name if matte else "exact alpha",
            **asdict(settings),
        }
        progress = trainer.state.progress
        images = {"began": trainer.first_image, "from_images": progress.images}
        progress.history.append({"stage": "adversarial", **images, **options})
        last_image = trainer.first_image + settings.total_kimg * 1000
        train(trainer, run, "gan", last_image, save_every, until_signalled())


def _take_up(trainer: Adversarial, run: Path, resume: Path | None) -> None:
    """Goes on with this stage's own state if there is one, else begins it at `resume` or at the
    warm start's.

    An unanchored stage may begin without.
    """
    own, warm = run / "gan.state.safetensors", run / "warm-start.state.safetensors"
    path = resume or (own if own.exists() else warm)
    if path.exists() or trainer.settings.anchored:
        trainer.state.load(path)
    progress = trainer.state.progress
    stages = [entry for entry in progress.history if entry["stage"] == "adversarial"]
    trainer.first_image = stages[-1]["began"] if path == own else progress.images


if __name__ == "__main__":
    main()
