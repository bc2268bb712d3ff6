"""A bundle at work: StyleMatteGAN's samples, measured against StyleMatte. The one place here that
runs torch."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from core.bundle import GENERATOR_FILE, load_bundle_folder
from core.datasets.plan import Plan
from core.errors import CheckpointRejected, DeviceLost
from matteforge.schemas.criteria import CHEAP, first_failure
from models.imaging.tensors import quantised_alpha, quantised_rgb, rgb_from_levels, split_rgba
from models.kernels.device import describe, pick_device
from models.kernels.fastest import is_lost
from models.networks.checkpoints.load import load_generator, load_stylematte
from models.networks.stylegan3 import Generator, GeneratorConfig
from models.networks.stylematte.network import predict_alpha
from workers.bundles import STYLEMATTE_FILE
from workers.generate import cuda
from workers.generate.candidate import Candidate, generated_facts
from workers.generate.determinism import deterministic
from workers.generate.overlap import map_ahead
from workers.generate.scores import score_agreement, score_subjects

log = logging.getLogger(__name__)
SCORERS = 2  # threads that score candidates beside the device's next batches


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
        self.sample: Callable[[Tensor, float, int | None], Tensor] = self._generator.sample
        self.alpha_of: Callable[[Tensor], Tensor] = self._alpha_of
        self._download: Callable[[Tensor], cuda.Waiting] = cuda.download_at_once
        # batches begun before the one that is yielded is scored; on a CPU there is nothing beside
        self._ahead = 0
        self._parts: dict[int, int | None] = {}  # images made at a time, by the plans' batch sizes
        if self.device.type == "cuda":
            with deterministic(), self._losing_no_order():
                self._take_to_cuda()
        log.info(
            "engine on %s: generator %s, StyleMatte %s",
            describe(self.device),
            self.generator[:12],
            self.stylematte[:12],
        )

    def _take_to_cuda(self) -> None:
        cuda.prepare(self._generator)
        self.matte.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.sample, self.alpha_of = (
            cuda.Graphed(self._generator.sample),
            cuda.Graphed(cuda.choose_matting(self.matte)),
        )
        self._download, self._ahead = cuda.Downloads(), 2

    def _alpha_of(self, rgb_pm1: Tensor) -> Tensor:
        """StyleMatte's alpha, float32 [n, h, w]."""
        return predict_alpha(self.matte, rgb_pm1)[:, 0].float()

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
        starts = range(0, plan.max_attempts(shard), plan.batch_size)
        with deterministic(), self._losing_no_order():
            self._fit(plan)
            begun = (self._begin(plan, shard, range(s, s + plan.batch_size)) for s in starts)
            if not self._ahead:
                yield from (self._finish(batch, plan) for batch in begun)
                return
            with ThreadPoolExecutor(SCORERS, thread_name_prefix="scores") as scorers:
                finish = partial(self._finish, plan=plan)
                yield from map_ahead(scorers, finish, begun, ahead=self._ahead)

    def _fit(self, plan: Plan) -> None:
        """Settle how many images of this plan's batches are made at a time: all, or where a card's
        memory is short a half, a quarter and so on, for as long as the bundle is loaded."""
        if not self._ahead or plan.batch_size in self._parts:
            return
        z, part_size = torch.zeros(plan.batch_size, self.config.z_dim), None
        while True:
            try:
                with torch.inference_mode():
                    self._make(z, plan, part_size)
                break
            except torch.OutOfMemoryError:
                if part_size == 1:
                    raise
                part_size = -(-(part_size or plan.batch_size) // 2)
                log.warning("memory is short: batches of %d by %d", plan.batch_size, part_size)
        self._parts[plan.batch_size] = part_size

    @contextmanager
    def _losing_no_order(self) -> Iterator[None]:
        """A device that is lost ends this worker, not the dataset. Raises DeviceLost."""
        try:
            yield
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError) or is_lost(error):
                raise DeviceLost(f"{self.device}: {error}") from error
            raise

    def _begin(self, plan: Plan, shard: int, attempts: range) -> "_Batch":
        """Ask for a batch's pixels; on CUDA they are still being made when this returns."""
        seeds = [plan.seed_of(shard, shard, attempt) for attempt in attempts]
        with torch.inference_mode():
            z = torch.stack([self._draw(seed) for seed in seeds])
            image, rgb, predicted = self._make(z, plan, self._parts.get(plan.batch_size))
            alpha = split_rgba(image)[1]
            return _Batch(
                attempts=attempts,
                seeds=seeds,
                rgb=rgb,
                finite=self._download(image.isfinite().all()),
                rgb_u8=self._download(rgb),
                alpha=self._download(alpha[:, 0]),
                alpha_pixels=self._download(quantised_alpha(alpha, plan.alpha_bits)),
                predicted=None if predicted is None else self._download(predicted),
            )

    def _make(
        self, z: Tensor, plan: Plan, part_size: int | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Makes of z [n, z_dim]: images [n, 4, h, w], their RGB uint8 [n, h, w, 3], and
        StyleMatte's alphas [n, h, w] where it is not worth its while to wait for the cheap
        checks."""
        image = self.sample(z.to(self.device), plan.psi, part_size)
        rgb = quantised_rgb(split_rgba(image)[0])
        if not self._ahead:
            return image, rgb, None
        parts = rgb.split(part_size or len(rgb))
        seen = [self.alpha_of(rgb_from_levels(part)).clone() for part in parts]
        return image, rgb, torch.cat(seen)

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
        if batch.predicted is not None:
            predicted = batch.predicted()[passed]
        else:
            with torch.inference_mode():
                seen = self.alpha_of(rgb_from_levels(batch.rgb[passed]))
                predicted = self._download(seen)()
        for i, costly in zip(passed, score_agreement(alphas[passed], predicted), strict=True):
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
    predicted: cuda.Waiting | None  # StyleMatte's alpha, of all of them; None: of none yet
