"""Begin a generator by regression: each picture gets a code, and the generator learns to draw it.

A game from noise spends most of its images on where heads are and what colours they have. A
regression learns that from a tenth of them, without an adversary, but can't be sharp. So a run on a
small machine begins with it (as arXiv 1707.05776 does, by latent codes that are learnt along).

Where a corpus has groups (kinds of animals), a code begins with its group, one-hot, and what comes
out is a generator of a normal z whose first signs choose the group: see `orthants`.
"""

import copy
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.imaging.compositing import over
from models.imaging.tensors import to_pm1
from models.networks.stylegan3 import Generator, build_generator
from models.networks.stylegan3.config import GeneratorConfig
from models.training import distributed
from models.training.ema import ema_beta, update_ema
from models.training.gan import orthants
from models.training.gan.fast_forward import generate
from models.training.gan.state import measure_statistics
from models.training.gan.trainer import GanTraining
from models.training.run_state import TrainingState

SUBJECT_PX, SCENE_PX = 32, 8  # sizes at which principal components see subjects and scenes
SCENE_WEIGHT = 2.0  # of a scene's pixel, relative to a subject's, in those components
PERCEPTUAL_WEIGHT = 0.3  # of frozen features' distance relative to the pixels'
LR, RAMP_STEPS, ANNEAL = 0.003, 200, 0.3  # the rate falls over the last share of the stage
MAPPING_RATE = 10.0  # relative to LR: equalised layers of the mapping are slow, and groups need it
CODE_LR = 0.0005  # a code's second moment fades between two looks, so a step is ten times that
CODES_FROM_KIMG = 10.0  # until then the components alone are codes
WHITEN_EVERY = 500  # steps
EMA_KIMG, EMA_RAMPUP = 5.0, 0.05


class PictureCodes(nn.Module):
    """A code for each of a corpus' pictures and for its mirror image, [2 n, z_dim] in all.

    Behind the group they are distributed like z: whitened principal components of what lies within
    groups, plus what was learnt.
    """

    groups: Tensor
    components: Tensor

    def __init__(self, images_u8: Tensor, groups: Tensor, z_dim: int, seed: int = 0) -> None:
        """images_u8: RGBA [n, 4, h, h]; groups: [n], integers from 0 up.

        Raises ValueError when z is too short for the groups, or the corpus too small for z.
        """
        super().__init__()
        self.count = int(groups.max()) + 1
        taken = self.count if self.count > 1 else 0
        if not taken < z_dim < 2 * len(images_u8):
            raise ValueError(
                f"z of {z_dim} numbers can't code {len(images_u8)} pictures of {self.count} groups"
            )
        self.register_buffer("groups", groups.repeat(2))
        both = torch.cat([images_u8, images_u8.flip(3)])
        rng_state = torch.get_rng_state()
        torch.manual_seed(seed)
        whitened = self._standardised(_components(both, self.groups, z_dim - taken))
        torch.set_rng_state(rng_state)
        self.register_buffer("components", whitened)
        self.learnt = nn.Embedding(*whitened.shape)
        nn.init.zeros_(self.learnt.weight)

    def forward(self, index: Tensor) -> Tensor:
        """index: [b], from 0 to 2 n - 1 -> z: float32 [b, z_dim], its group first."""
        code = self.components[index] + self.learnt(index)
        if self.count == 1:
            return code
        group = F.one_hot(self.groups[index], self.count) * float(self.count) ** 0.5
        return torch.cat([group, code], 1)

    @torch.no_grad()
    def whiten(self) -> None:
        """Brings what was learnt back to mean 0 within each group and deviation 1."""
        codes = self._standardised(self.components + self.learnt.weight)
        self.learnt.weight.copy_(codes - self.components)

    def _standardised(self, codes: Tensor) -> Tensor:
        centred = _centred(codes, self.groups)
        return centred / centred.std(0).clamp(min=1e-6)


def _centred(values: Tensor, groups: Tensor) -> Tensor:
    """[n, d] less the mean of each group."""
    sums = values.new_zeros(int(groups.max()) + 1, values.shape[1]).index_add_(0, groups, values)
    return values - (sums / groups.bincount().clamp(min=1)[:, None])[groups]


def _components(images_u8: Tensor, groups: Tensor, count: int) -> Tensor:
    """RGBA [n, 4, h, h] -> [n, count], principal components of subjects and of blurred scenes."""
    parts = []
    for part in images_u8.split(256):
        picture = part.float() / 255
        alpha = picture[:, 3:]
        cut = torch.cat([picture[:, :3] * alpha, alpha], 1)
        scene = F.interpolate(picture[:, :3], SCENE_PX, mode="area") * SCENE_WEIGHT
        subject = F.interpolate(cut, SUBJECT_PX, mode="area")
        parts.append(torch.cat([subject.flatten(1), scene.flatten(1)], 1))
    values = _centred(torch.cat(parts), groups)
    u, s, _ = torch.pca_lowrank(values, q=min(count + 16, *values.shape), center=False, niter=4)
    return (u * s)[:, :count]


def tells_groups(config: GeneratorConfig) -> bool:
    """Whether the mapping network has layers to spare for groups."""
    return config.mapping_kwargs.num_layers > orthants.LAYERS


class Regression:
    """One run of it, of the generator of a game that has not begun."""

    first_image = 0

    def __init__(self, training: GanTraining, kimg: float) -> None:
        """kimg: thousand images of the stage. Raises ValueError as PictureCodes and tell_groups do,
        and for several processes."""
        if distributed.count() > 1:
            raise ValueError("a regression runs in one process")
        self.training, self.kimg = training, kimg
        corpus, config = training.corpus, training.generator.config
        groups = torch.tensor(corpus.groups, device=training.device)
        self.codes = PictureCodes(corpus.images, groups, config.z_dim).to(training.device)
        self.inner = training.generator
        if self.codes.count > 1:
            mapping = config.mapping_kwargs
            if not tells_groups(config):
                raise ValueError(
                    f"pictures of {self.codes.count} folders need a preset whose mapping network "
                    f"has {orthants.LAYERS + 1} layers, such as portrait-64-small: this has "
                    f"{mapping.num_layers}"
                )
            mapping = replace(mapping, num_layers=mapping.num_layers - orthants.LAYERS)
            inner = replace(config, mapping_kwargs=mapping)
            self.inner = build_generator(inner.to_dict()).train().to(training.device)
            beta = training.generator.synthesis.layers()[0].magnitude_ema_beta
            self.inner.synthesis.set_magnitude_ema_beta(beta)
        self.inner_averaged = copy.deepcopy(self.inner).eval().requires_grad_(False)
        self.state = TrainingState(
            modules={"g": self.inner, "g_ema": self.inner_averaged, "codes": self.codes},
            optimizers={
                "g": torch.optim.Adam(_by_rate(self.inner), LR, betas=(0.9, 0.99)),
                "codes": torch.optim.Adam(self.codes.parameters(), CODE_LR, betas=(0.0, 0.99)),
            },
            rng=training.state.rng,
        )

    @property
    def generator(self) -> Generator:
        """What was learnt so far as a generator of a normal z."""
        return self._of_normal_z(self.inner)

    @property
    def averaged(self) -> Generator:
        """The average of what was learnt as a generator of a normal z."""
        return self._of_normal_z(self.inner_averaged)

    @torch.no_grad()
    def _of_normal_z(self, inner: Generator) -> Generator:
        drawing = copy.deepcopy(self.training.averaged)
        drawing.synthesis.load_state_dict(inner.synthesis.state_dict())
        if self.codes.count > 1:
            orthants.tell_groups(inner.mapping, drawing.mapping, self.codes.count)
        else:
            drawing.mapping.load_state_dict(inner.mapping.state_dict())
        measure_statistics(drawing)
        return drawing

    def hand_over(self) -> None:
        """The game begins with the average."""
        state = self.averaged.state_dict()
        for generator in (self.training.averaged, self.training.generator):
            generator.load_state_dict(state)

    def step(self) -> dict[str, float]:
        """One update of the generator, and of the codes it was shown."""
        progress, images = self.state.progress, self.training.corpus.images
        seen = progress.images / 1000
        rate = min(1.0, (progress.steps + 1) / RAMP_STEPS)
        rate *= min(1.0, (1 - seen / self.kimg) / ANNEAL + 0.02)
        for group in self.state.optimizers["g"].param_groups:
            group["lr"] = LR * rate * group["factor"]
        count, rng = self.training.settings.batch, self.training.rng
        index = distributed.integers(2 * len(images), count, rng, images.device)
        z = self.codes(index)
        z = z.detach() if seen < CODES_FROM_KIMG else z
        drawn = generate(self.inner, z, self.training.dtype, update_emas=True)
        pixels, features = self._distances(drawn, _pictures(images, index))
        (pixels + PERCEPTUAL_WEIGHT * features).backward()
        for optimizer in self.state.optimizers.values():
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        progress.steps += 1
        progress.images += count
        if progress.steps % WHITEN_EVERY == 0:
            self.codes.whiten()
        beta = ema_beta(progress.images, count, 1000 * EMA_KIMG, EMA_RAMPUP)
        update_ema(self.inner_averaged, self.inner, beta)
        return {"pixels": float(pixels.detach()), "features": float(features.detach())}

    def _distances(self, drawn: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Mean distance of pixels, and of frozen features of half as scenes, half over other
        backgrounds."""
        bank, rng, judge = self.training.bank, self.training.rng, self.training.judge
        index = distributed.integers(len(bank), len(real), rng, bank.device)
        found = judge.maps(_views(drawn, bank[index]))
        with torch.no_grad():
            wanted = judge.maps(_views(real, bank[index]))
        maps = zip(found, wanted, judge.scales, strict=True)
        parts = [(a.float() - b.float()).abs().mean() / scale for a, b, scale in maps]
        return (drawn - real).abs().mean(), torch.stack(parts).mean()


def _by_rate(generator: Generator) -> list[dict[str, Any]]:
    return [
        {"params": list(generator.synthesis.parameters()), "factor": 1.0},
        {"params": list(generator.mapping.parameters()), "factor": MAPPING_RATE},
    ]


def _views(images: Tensor, backgrounds: Tensor) -> Tensor:
    half = len(images) // 2
    alpha = (images[half:, 3:].clamp(-1, 1) + 1) / 2
    return torch.cat([images[:half, :3], over(images[half:, :3], alpha, backgrounds[half:])])


def _pictures(images_u8: Tensor, index: Tensor) -> Tensor:
    """index: [b] from 0 to 2 n - 1; from n up pictures are mirrored -> [b, 4, h, h] in [-1, 1]."""
    count = len(images_u8)
    pictures = to_pm1(images_u8[index % count])
    return torch.where((index >= count)[:, None, None, None], pictures.flip(3), pictures)
