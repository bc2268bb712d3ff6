"""Stage 2 of StyleMatteGAN: adversarial training on top of the warm start, with the reconstruction kept on.

Half of each batch decodes real images' codes, half comes from random z; both are judged, the first is reconstructed
too. Non-saturating loss with lazy R1 on RGBA, hinge loss on frozen features of composites.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch
import torch.nn.functional as F
from torch import Tensor

from models.training.gan_augment import augment
from models.training.gan_data import Corpus
from models.training.gan_loop import train, until_signalled
from models.training.gan_losses import (
    FeatureDiscriminator,
    GradientBalance,
    RgbaDiscriminator,
    feature_scales,
    over_backgrounds,
    r1_penalty,
)
from models.training.gan_state import EMBEDDED_64, update_ema, with_tuned_allocator
from models.training.warm_start import BATCH, LATENT_WEIGHT, WarmStart, open_corpus

STAGES = 4  # frozen stages judged
R1_EVERY = 16  # steps


@dataclass(frozen=True, kw_only=True)
class AdversarialSettings:
    lr: float = 0.001  # of the generator; the encoder's is half of it
    lr_rgba: float = 0.001
    lr_features: float = 0.0005
    ratio_rgba: float = 0.4  # norm of the adversarial gradient at the images relative to the reconstruction's
    ratio_features: float = 0.4
    gamma: float = 0.5  # of R1
    augment_p: float = 0.4
    total_kimg: float = 40.0  # of this stage; the learning rates decay linearly to a tenth
    ema_images: float = 1000.0  # half-life


class Adversarial:
    """The second stage's networks and one step; takes over generator, encoder and latent from a warm start."""

    def __init__(
        self, corpus: Corpus, settings: AdversarialSettings, seed: int = 0, config: Mapping[str, Any] = EMBEDDED_64
    ) -> None:
        """config: of the generator; the corpus has its resolution."""
        warm = WarmStart(corpus, seed, lr=settings.lr, config=config)
        self.corpus, self.settings, self.state, self.loss = corpus, settings, warm.state, warm.loss
        self.generator, self.averaged, self.encoder, self.latent = (
            warm.generator,
            warm.averaged,
            warm.encoder,
            warm.latent,
        )
        sample = corpus.batch(64, torch.Generator().manual_seed(seed))
        self.rgba = RgbaDiscriminator(config["img_resolution"])
        self.judge = FeatureDiscriminator(feature_scales(self.loss.features, sample[:, :3], STAGES))
        self.balance = GradientBalance(2)
        self.state.modules |= {"d_rgba": self.rgba, "d_features": self.judge, "balance": self.balance}
        self.state.optimizers |= {
            "d_rgba": torch.optim.Adam(self.rgba.parameters(), lr=settings.lr_rgba, betas=(0.0, 0.99)),
            "d_features": torch.optim.Adam(self.judge.parameters(), lr=settings.lr_features, betas=(0.0, 0.99)),
        }
        self.first_image = 0  # where this stage began

    def step(self) -> dict[str, float]:
        """One update of the generator and encoder, then one of both discriminators on the same fakes."""
        self._set_rates()
        progress = self.state.progress
        images, features, scalars = self._generator_step()
        scalars |= self._discriminator_step(images, features)
        if progress.steps % R1_EVERY == 0:
            scalars["r1"] = self._r1_step()
        progress.steps += 1
        progress.images += BATCH
        update_ema(self.averaged, self.generator, 0.5 ** (BATCH / self.settings.ema_images))
        return scalars

    def _set_rates(self) -> None:
        s = self.settings
        done = (self.state.progress.images - self.first_image) / (1000 * s.total_kimg)
        factor = max(1 - done, 0.1) * min(1.0, done * 40 + 0.02)
        for name, rate in (("g", s.lr), ("e", s.lr / 2), ("d_rgba", s.lr_rgba), ("d_features", s.lr_features)):
            for group in self.state.optimizers[name].param_groups:
                group["lr"] = rate * (factor if name in ("g", "e") else max(1 - done, 0.1))

    def _generator_step(self) -> tuple[Tensor, list[Tensor], dict[str, float]]:
        """Returns the fakes as the discriminators saw them, RGBA and features, without gradient."""
        rng, half = self.state.rng, BATCH // 2
        targets = self.corpus.batch(half, rng)
        z, penalty = self.latent(self.encoder(targets), rng)
        z = torch.cat([z, torch.randn(half, z.shape[1], generator=rng) @ self.latent.prior_root()])
        images = self.generator(z, update_emas=True)
        terms = self.loss(images[:half], targets)
        shown = augment(images, self.settings.augment_p, rng)
        features = self.loss.features(over_backgrounds(shown, rng), STAGES)
        rgba = F.softplus(-self.rgba(shown)).mean()
        judged = -self.judge(features).mean()
        (reference,) = torch.autograd.grad(terms["total"], images, retain_graph=True)
        others = [torch.autograd.grad(loss, images, retain_graph=True)[0] for loss in (rgba, judged)]
        ratios = [self.settings.ratio_rgba, self.settings.ratio_features]
        gradient = self.balance(reference, others, ratios)
        torch.autograd.backward([images, LATENT_WEIGHT * penalty], [gradient, None])
        self._update("g", "e")
        scalars = {name: term.item() for name, term in terms.items()}
        scalars |= {"g_rgba": rgba.item(), "g_features": judged.item(), "penalty": penalty.item()}
        return shown.detach(), [maps.detach() for maps in features], scalars

    def _discriminator_step(self, fakes: Tensor, fake_features: list[Tensor]) -> dict[str, float]:
        rng = self.state.rng
        reals = augment(self.corpus.batch(BATCH, rng), self.settings.augment_p, rng)
        with torch.no_grad():
            real_features = self.loss.features(over_backgrounds(reals, rng), STAGES)
        real, fake = self.rgba(reals), self.rgba(fakes)
        rgba = F.softplus(-real).mean() + F.softplus(fake).mean()
        real_judged, fake_judged = self.judge(real_features), self.judge(fake_features)
        judged = F.relu(1 - real_judged).mean() + F.relu(1 + fake_judged).mean()
        (rgba + judged).backward()
        self._update("d_rgba", "d_features")
        return {"d_rgba": rgba.item(), "d_features": judged.item(), "sign": real.sign().mean().item()}

    def _r1_step(self) -> float:
        reals = augment(self.corpus.batch(BATCH, self.state.rng), self.settings.augment_p, self.state.rng)
        penalty = r1_penalty(self.rgba, reals)
        (penalty * (self.settings.gamma / 2 * R1_EVERY)).backward()
        self._update("d_rgba")
        return penalty.item()

    def _update(self, *names: str) -> None:
        """Steps the optimisers whose gradients are finite, and clears all gradients of these and of the generator."""
        for name in names:
            optimizer = self.state.optimizers[name]
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            if torch.nn.utils.clip_grad_norm_(parameters, 10.0).isfinite():
                optimizer.step()
        for optimizer in self.state.optimizers.values():
            optimizer.zero_grad(set_to_none=True)


@click.command()
@click.option("--run", "run", type=click.Path(exists=True, path_type=Path), required=True, help="Directory of the run.")
@click.option("--data", type=click.Path(exists=True, path_type=Path), help="Tars of KEY.rgba.png.")
@click.option("--matte", type=click.Path(exists=True, path_type=Path), help="StyleMatte that labels the scenes.")
@click.option("--resume", type=click.Path(exists=True, path_type=Path), help="State to start from; default: the run's.")
@click.option("--kimg", "total_kimg", default=40.0, help="Length of this stage.")
@click.option("--lr", default=0.001, help="Generator's learning rate at its highest.")
@click.option("--ratio", default=0.8, help="Adversarial gradient relative to the reconstruction's, at the images.")
@click.option("--seed", default=0)
@click.option("--save-every", default=300.0, help="Seconds between states.")
@click.option("--threads", default=1)
def main(
    run: Path, data: Path | None, matte: Path | None, resume: Path | None, total_kimg: float, lr: float, ratio: float,
    seed: int, save_every: float, threads: int,
) -> None:  # fmt: skip
    """Sharpen the warm start of RUN adversarially, or go on with it where RUN holds this stage's state."""
    with_tuned_allocator("models.training.gan")
    torch.set_num_threads(threads)
    settings = AdversarialSettings(lr=lr, ratio_rgba=ratio / 2, ratio_features=ratio / 2, total_kimg=total_kimg)
    trainer = Adversarial(open_corpus(run, data, matte), settings, seed)
    own = run / "gan.state.safetensors"
    trainer.state.load(resume or (own if own.exists() else run / "warm-start.state.safetensors"))
    progress = trainer.state.progress
    begun = [entry["from_images"] for entry in progress.history if entry["stage"] == "adversarial"]
    trainer.first_image = begun[0] if begun else progress.images
    entry = {"stage": "adversarial", "from_images": progress.images, "seed": seed, "lr": lr, "ratio": ratio}
    progress.history.append(entry | {"kimg": total_kimg, "labels": matte.name if matte else "exact alpha"})
    train(trainer, run, "gan", trainer.first_image + total_kimg * 1000, save_every, until_signalled())


if __name__ == "__main__":
    main()
