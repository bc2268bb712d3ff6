"""One run of StyleMatteGAN's training and its steps (arXiv 2305.02981, section 3.2).

The generator plays against two discriminators of the same images: one RGBA, with the non-saturating
loss and lazy R1 (arXiv 1912.04958), one on frozen features of scenes and composites, with the hinge
loss (arXiv 2111.01007). On CUDA layers run in bfloat16 and steps are replayed CUDA graphs; a CPU
with AMX gains from bfloat16, too.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.stylegan3 import Generator, build_generator
from models.training import distributed
from models.training.ema import ema_beta, update_ema
from models.training.gan.augment import AdaptiveProbability, augment, soften
from models.training.gan.corpus import Corpus
from models.training.gan.critic import Critic, ReferenceCritic
from models.training.gan.fast_forward import generate
from models.training.gan.graphs import GraphedSteps
from models.training.gan.losses import (
    GradientBalance,
    blurred_backgrounds,
    guarded_step,
    r1_penalty,
    scenes_and_composites,
)
from models.training.gan.presets import GanPreset
from models.training.gan.projection import ProjectedDiscriminator, generator_loss, hinge_loss
from models.training.run_state import TrainingState

LEAST_BLUR_PX = 0.05  # nothing is blurred by it
ADJUST_EVERY = 16  # steps between two looks at the device's figures
RAMP_STEPS = 200  # over which the learning rates rise
SHOWN = 64  # images that measure the features' scales
FIGURES = ("g_rgba", "g_features", "d_rgba", "d_features", "r1", "skipped")


class GanTraining:
    """The networks, their optimisers and one step. The corpus has the preset's resolution h."""

    def __init__(
        self,
        corpus: Corpus,
        preset: GanPreset,
        seed: int = 0,
        *,
        backgrounds: Tensor | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
    ) -> None:
        """backgrounds: uint8 [m, 3, h, h], laid behind subjects; None takes the corpus' colours.
        dtype: of the layers; None is bfloat16 on CUDA, float32 elsewhere.

        Raises FileNotFoundError without the feature network's weights, ValueError for a corpus of
        another size.
        """
        if corpus.images.shape[-1] != preset.resolution:
            found = corpus.images.shape[-1]
            raise ValueError(f"the corpus has {found} px, the preset {preset.resolution} px")
        torch.manual_seed(seed)
        self.settings, self.device = preset.adversarial, torch.device(device)
        cuda = self.device.type == "cuda"
        self.dtype = dtype or (torch.bfloat16 if cuda else torch.float32)
        self.corpus, self.first_image = corpus.to(self.device), 0
        bank = blurred_backgrounds(corpus.images) if backgrounds is None else (
            backgrounds.float() / 127.5 - 1
        )  # fmt: skip
        self.bank = bank.to(self.device)
        self._build_networks(preset)
        state_rng = torch.Generator().manual_seed(seed)
        self.rng: distributed.Random = None if cuda else state_rng
        self.state = TrainingState(
            modules=self._modules(), optimizers=self._optimizers(), rng=state_rng
        )
        self._place_tensors()
        if cuda:  # each process draws for itself
            torch.cuda.manual_seed(seed + 1 + distributed.rank())
        shown = torch.linspace(0, len(corpus) - 1, min(SHOWN, len(corpus))).long()
        scenes = corpus.images[shown, :3].to(self.device).float() / 127.5 - 1
        self.judge.measure_scales(self._enlarged(scenes))
        alone = distributed.count() == 1
        self.steps = GraphedSteps(cuda and alone, self._clear)

    def _build_networks(self, preset: GanPreset) -> None:
        s, device = self.settings, self.device
        self.generator: Generator = build_generator(preset.generator).train().to(device)
        half_life = 1000 * s.magnitude_kimg
        self.generator.synthesis.set_magnitude_ema_beta(0.5 ** (s.batch / half_life))
        self.averaged: Generator = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.critic = (
            ReferenceCritic(preset.resolution, **preset.critic)
            if preset.reference_discriminator
            else Critic(preset.resolution, **preset.critic)
        ).to(device)
        self.judge = ProjectedDiscriminator()
        self.judge.place(device, self.dtype)
        self.balance = GradientBalance().to(device)
        self.augmentation = AdaptiveProbability(
            kimg=s.augment_kimg,
            start=s.augment_start,
            least=s.augment_least,
            limit=s.augment_limit,
        ).to(device)

    def _modules(self) -> dict[str, nn.Module]:
        return {
            "g": self.generator,
            "g_ema": self.averaged,
            "d_rgba": self.critic,
            "d_features": self.judge,
            "balance": self.balance,
            "augmentation": self.augmentation,
        }

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        def adam(network: nn.Module) -> torch.optim.Optimizer:
            parameters = [p for p in network.parameters() if p.requires_grad]
            cuda = self.device.type == "cuda"
            lr = torch.tensor(0.0, device=self.device) if cuda else 0.0
            return torch.optim.Adam(parameters, lr, betas=(0.0, 0.99), fused=True, capturable=cuda)

        return {
            "g": adam(self.generator),
            "d_rgba": adam(self.critic),
            "d_features": adam(self.judge),
        }

    def _place_tensors(self) -> None:
        """What steps write to and read from, in one place for a graph."""
        count, size = self.settings.batch // distributed.count(), self.corpus.images.shape[-1]
        self.count = count
        self.fakes = torch.zeros(count, 4, size, size, device=self.device)
        self.sigma = torch.tensor(LEAST_BLUR_PX, device=self.device)
        self.figures = {name: torch.zeros((), device=self.device) for name in FIGURES}

    @property
    def kimg(self) -> float:
        """Thousand images of this stage."""
        return (self.state.progress.images - self.first_image) / 1000

    def step(self) -> dict[str, float]:
        """One update of the generator, then one of both discriminators on the same fakes.

        The figures are read every ADJUST_EVERY steps; else there are none.
        """
        s, progress = self.settings, self.state.progress
        adjusting = progress.steps % ADJUST_EVERY == 0
        scalars: dict[str, float] = {}
        self._set_rates()
        if progress.steps % s.r1_every == 0:
            self.steps.run("r1", self._r1_step)
        self.steps.run("generator", self._generator_step)
        self.steps.run("discriminators", self._discriminator_step)
        if adjusting:
            overfit = self.augmentation.adjust()
            scalars = {name: float(value) for name, value in self.figures.items()}
            scalars |= {"overfit": overfit, "p": float(self.augmentation.p)}
        progress.steps += 1
        progress.images += s.batch
        seen = progress.images - self.first_image
        beta = ema_beta(max(seen, s.batch), s.batch, 1000 * s.ema_kimg, s.ema_rampup)
        update_ema(self.averaged, self.generator, beta)
        return scalars

    def _set_rates(self) -> None:
        """Learning rates rise over RAMP_STEPS and fall over the last share of the stage."""
        s = self.settings
        left = max(1 - self.kimg / s.total_kimg, 0.0)
        factor = max(min(left / s.anneal, 1.0), s.final_rate)
        factor *= min(0.1 + self.kimg * 1000 / s.batch / RAMP_STEPS, 1.0)
        rates = {"g": s.lr, "d_rgba": s.lr_rgba, "d_features": s.lr_features}
        for name, rate in rates.items():
            for group in self.state.optimizers[name].param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rate * factor)
                else:
                    group["lr"] = rate * factor
        fading = max(1 - self.state.progress.images / 1000 / s.blur_kimg, 0.0)
        self.sigma.fill_(max(s.blur_px * fading, LEAST_BLUR_PX))

    def _generator_step(self) -> None:
        z_dim, figures = self.generator.mapping.z_dim, self.figures
        z = distributed.normal(self.count, z_dim, rng=self.rng, device=self.device)
        images = self._generated(z)
        self.fakes.copy_(images.detach())
        shown = self._shown(images)
        rgba = F.softplus(-self.critic(shown, self.dtype)).mean()
        features = generator_loss(self.judge(self._views(shown)))
        first, second = (torch.autograd.grad(loss, shown)[0] for loss in (rgba, features))
        shown.backward(self.balance(first, second, self.settings.ratio_features))
        guarded_step(self.state.optimizers["g"], figures["skipped"])
        figures["g_rgba"].copy_(rgba.detach())
        figures["g_features"].copy_(features.detach())

    def _generated(self, z: Tensor) -> Tensor:
        if self.dtype == torch.float32 or self.generator.config.use_radial_filters:
            images: Tensor = self.generator(z, update_emas=True)
            return images
        return generate(self.generator, z, self.dtype, update_emas=True)

    def _discriminator_step(self) -> None:
        count, figures = self.count, self.figures
        shown = self._shown(torch.cat([self._reals(), self.fakes]))
        logits = self.critic(shown, self.dtype, 2)
        self.augmentation.observe(logits[:count])
        rgba = F.softplus(-logits[:count]).mean() + F.softplus(logits[count:]).mean()
        with torch.no_grad():
            maps = self.judge.maps(torch.cat([self._views(part) for part in shown.chunk(2)]))
        judged = self.judge.judge(maps)
        features = hinge_loss([x[:count] for x in judged], [x[count:] for x in judged])
        (rgba + features).backward()
        for name in ("d_rgba", "d_features"):
            guarded_step(self.state.optimizers[name], figures["skipped"])
        figures["d_rgba"].copy_(rgba.detach())
        figures["d_features"].copy_(features.detach())

    def _r1_step(self) -> None:
        penalty = r1_penalty(self.critic, self._shown(self._reals()), self.dtype)
        (penalty * (self.settings.gamma / 2 * self.settings.r1_every)).backward()
        guarded_step(self.state.optimizers["d_rgba"], self.figures["skipped"])
        self.figures["r1"].copy_(penalty.detach())
        self.judge.iterate()

    def _reals(self) -> Tensor:
        return self.corpus.batch(self.count, self.rng)

    def _shown(self, images: Tensor) -> Tensor:
        """What the discriminators get to see of images, real and generated alike."""
        return soften(augment(images, self.augmentation.p, self.rng), self.sigma)

    def _views(self, images: Tensor) -> Tensor:
        """What the projected discriminator sees."""
        return self._enlarged(scenes_and_composites(images, self.bank, self.rng))

    def _enlarged(self, views: Tensor) -> Tensor:
        """Where the deepest maps would be a few pixels."""
        size = max(views.shape[-1], self.settings.features_px)
        if size == views.shape[-1]:
            return views
        return F.interpolate(views, size, mode="bilinear", align_corners=False)

    def _clear(self) -> None:
        for network in (self.generator, self.critic, self.judge):
            for parameter in network.parameters():
                parameter.grad = None
