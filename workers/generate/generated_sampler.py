"""A bundle at work: StyleMatteGAN's samples, measured against StyleMatte. The one place here that
runs torch."""

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from core.datasets.plan import Plan
from core.errors import CheckpointRejected
from core.registry import GENERATOR_FILE, load_bundle_folder
from matteforge.schemas.criteria import CHEAP, first_failure
from models.imaging.tensors import quantised_alpha, quantised_rgb, rgb_from_levels, split_rgba
from models.kernels.device import describe, pick_device
from models.networks.checkpoints.load import load_generator, load_stylematte
from models.networks.stylegan3 import Generator, GeneratorConfig
from models.networks.stylematte.network import predict_alpha
from workers.bundles import STYLEMATTE_FILE
from workers.generate import cuda
from workers.generate.candidate import Candidate, generated_facts
from workers.generate.scores import score_agreement, score_subjects

log = logging.getLogger(__name__)


class GeneratedSampler:
    """Samples candidates in whole batches; equal plans give equal candidates on one hardware and
    software stack."""

    def __init__(
        self,
        generator: Generator,
        matte: nn.Module,
        *,
        digests: tuple[str, str],
        device: str | torch.device = "auto",
    ) -> None:
        """digests: sha256 of the two checkpoints, generator first. device: auto is cuda when there
        is one, else cpu."""
        if generator.config.img_channels != 4:
            raise CheckpointRejected(
                f"a StyleMatteGAN has 4 channels, this one has {generator.config.img_channels}"
            )
        self.generator, self.stylematte = digests
        self.config: GeneratorConfig = generator.config
        self.device = pick_device(device)
        self._generator = generator.to(self.device).eval()
        self.matte = matte.to(self.device).eval()
        be_deterministic()
        self.sample: Callable[[Tensor, float], Tensor] = self._generator.sample
        self._download: Callable[[Tensor], cuda.Waiting] = cuda.download_at_once
        # batches begun before the one that is yielded is scored; on a CPU there is nothing beside
        self._ahead = 0
        if self.device.type == "cuda":
            cuda.prepare(self._generator, self.matte)
            self.sample, self._download, self._ahead = (
                cuda.GraphedGenerator(self._generator),
                cuda.Downloads(),
                1,
            )
        log.info(
            "engine on %s: generator %s, StyleMatte %s",
            describe(self.device),
            self.generator[:12],
            self.stylematte[:12],
        )

    @classmethod
    def from_folder(cls, folder: Path, *, device: str = "auto") -> Self:
        """Load a bundle folder. Raises CheckpointRejected."""
        files = load_bundle_folder(folder).files
        try:
            digests = files[GENERATOR_FILE], files[STYLEMATTE_FILE]
        except KeyError as missing:
            raise CheckpointRejected(f"the bundle lacks its file {missing}") from None
        generator, matte = (
            load_generator(folder / GENERATOR_FILE),
            load_stylematte(folder / STYLEMATTE_FILE),
        )
        return cls(generator, matte, digests=digests, device=device)

    def candidates(self, plan: Plan, shard: int) -> Iterator[list[Candidate]]:
        """Candidates of a shard in attempt order, in whole batches: style normalisation runs over
        them."""
        torch.set_num_threads(plan.threads)
        begun: deque[_Batch] = deque()
        for start in range(0, plan.max_attempts(shard), plan.batch_size):
            begun.append(self._begin(plan, shard, range(start, start + plan.batch_size)))
            if len(begun) > self._ahead:
                yield self._finish(begun.popleft(), plan)
        while begun:
            yield self._finish(begun.popleft(), plan)

    def _begin(self, plan: Plan, shard: int, attempts: range) -> "_Batch":
        """Ask for a batch's pixels; on CUDA they are still being made when this returns."""
        seeds = [plan.seed_of(shard, shard, attempt) for attempt in attempts]
        with torch.inference_mode():
            z = torch.stack([self._draw(seed) for seed in seeds]).to(self.device)
            image = self.sample(z, plan.psi)  # [n, 4, h, w]
            rgb_pm1, alpha = split_rgba(image)
            rgb = quantised_rgb(rgb_pm1)
            return _Batch(
                attempts=attempts,
                seeds=seeds,
                rgb=rgb,
                finite=self._download(image.isfinite().all()),
                rgb_u8=self._download(rgb),
                alpha=self._download(alpha[:, 0]),
                alpha_pixels=self._download(quantised_alpha(alpha, plan.alpha_bits)),
            )

    def _finish(self, batch: "_Batch", plan: Plan) -> list[Candidate]:
        if not batch.finite():
            raise CheckpointRejected("the generator's output is not finite")
        scores = self._scores(batch, plan)
        facts = generated_facts(plan, generator=self.generator, stylematte=self.stylematte)
        columns = batch.attempts, batch.seeds, batch.rgb_u8(), batch.alpha_pixels(), scores
        return [
            Candidate(attempt=attempt, seed=seed, rgb_u8=rgb, alpha=grey, scores=score, facts=facts)
            for attempt, seed, rgb, grey, score in zip(*columns, strict=True)
        ]

    def _draw(self, seed: int) -> Tensor:
        """z of one candidate, on the CPU: the same on every device."""
        return torch.randn(self.config.z_dim, generator=torch.Generator().manual_seed(seed))

    def _scores(self, batch: "_Batch", plan: Plan) -> list[dict[str, float]]:
        """StyleMatte sees the pixels that are delivered, of those candidates alone that pass the
        cheap checks."""
        alphas = batch.alpha()
        scores = score_subjects(alphas)
        passed = [
            i for i, cheap in enumerate(scores) if not first_failure(cheap, plan.thresholds, CHEAP)
        ]
        if not passed:
            return scores
        with torch.inference_mode():
            predicted = self._download(
                predict_alpha(self.matte, rgb_from_levels(batch.rgb[passed]))[:, 0].float()
            )
        for i, costly in zip(passed, score_agreement(alphas[passed], predicted()), strict=True):
            scores[i] |= costly
        return scores


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Candidates that are being made: the device's pixels, and arrays that may have to be waited
    for."""

    attempts: range
    seeds: list[int]
    rgb: Tensor  # uint8 [n, h, w, 3]
    finite: cuda.Waiting
    rgb_u8: cuda.Waiting
    alpha: cuda.Waiting  # float32 [n, h, w] in [0, 1]
    alpha_pixels: cuda.Waiting


def be_deterministic() -> None:
    """Have torch choose kernels that give the same bits each time."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.use_deterministic_algorithms(True)
