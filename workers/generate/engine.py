"""A bundle at work: StyleMatteGAN's samples, measured against StyleMatte. The one place here that runs torch."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.criteria import CHEAP, first_failure
from core.errors import CheckpointRejected
from core.plan import Plan, candidate_seed
from core.registry import load_bundle_folder
from models.generator import Generator
from models.load import load_generator, load_stylematte
from models.matting.network import predict_alpha
from models.pixels import alpha_to_u8, alpha_to_u16, rgb_from_u8, rgb_to_u8, split_rgba
from workers.bundles import GENERATOR_FILE, STYLEMATTE_FILE
from workers.generate.candidate import Candidate, generated_facts
from workers.generate.measure import score_agreement, score_subjects

log = logging.getLogger(__name__)


class Engine:
    """Samples candidates in whole batches; equal plans give equal candidates on one hardware and software stack."""

    def __init__(
        self, generator: Generator, matte: nn.Module, *, digests: tuple[str, str], device: str = "auto"
    ) -> None:
        """digests: sha256 of the two checkpoints, generator first. device: auto is cuda when there is one, else cpu."""
        if generator.config.img_channels != 4:
            raise CheckpointRejected(f"a StyleMatteGAN has 4 channels, this one has {generator.config.img_channels}")
        self.generator, self.stylematte = digests
        self.device = pick_device(device)
        self._generator = generator.to(self.device).eval()
        self._matte = matte.to(self.device).eval()
        be_deterministic()
        log.info("engine on %s: generator %s, StyleMatte %s", self.device, self.generator[:12], self.stylematte[:12])

    @classmethod
    def from_folder(cls, folder: Path, *, device: str = "auto") -> Self:
        """Load a bundle folder. Raises CheckpointRejected."""
        files = load_bundle_folder(folder).files
        try:
            digests = files[GENERATOR_FILE], files[STYLEMATTE_FILE]
        except KeyError as missing:
            raise CheckpointRejected(f"the bundle lacks its file {missing}") from None
        generator, matte = load_generator(folder / GENERATOR_FILE), load_stylematte(folder / STYLEMATTE_FILE)
        return cls(generator, matte, digests=digests, device=device)

    def candidates(self, plan: Plan, shard: int) -> Iterator[list[Candidate]]:
        """Candidates of a shard in attempt order, in whole batches: style normalisation runs over them."""
        torch.set_num_threads(plan.threads)
        for start in range(0, plan.max_attempts(shard), plan.batch_size):
            yield self._batch(plan, shard, range(start, start + plan.batch_size))

    def _batch(self, plan: Plan, shard: int, attempts: range) -> list[Candidate]:
        seeds = [candidate_seed(plan.seed, shard, attempt) for attempt in attempts]
        with torch.inference_mode():
            z = torch.stack([self._draw(seed) for seed in seeds]).to(self.device)
            image: Tensor = self._generator(z, truncation_psi=plan.truncation_psi)  # [n, 4, h, w]
            if not image.isfinite().all():
                raise CheckpointRejected("the generator's output is not finite")
            rgb_pm1, alpha = split_rgba(image)
            rgb_u8 = rgb_to_u8(rgb_pm1)
            scores = self._scores(rgb_u8, alpha[:, 0].cpu().numpy(), plan)
            alphas = alpha_to_u8(alpha) if plan.alpha_bits == 8 else alpha_to_u16(alpha)
        facts = generated_facts(plan, generator=self.generator, stylematte=self.stylematte)
        return [
            Candidate(attempt=attempt, seed=seed, rgb_u8=rgb, alpha=grey, scores=score, facts=facts)
            for attempt, seed, rgb, grey, score in zip(attempts, seeds, rgb_u8, alphas, scores, strict=True)
        ]

    def _draw(self, seed: int) -> Tensor:
        """z of one candidate, on the CPU: the same on every device."""
        return torch.randn(self._generator.config.z_dim, generator=torch.Generator().manual_seed(seed))

    def _scores(self, rgb_u8: NDArray[np.uint8], alphas: NDArray[np.float32], plan: Plan) -> list[dict[str, float]]:
        """StyleMatte sees the pixels that are delivered, and always a whole batch: no score depends on a neighbour's
        rejection. It is not asked when the cheap checks reject every candidate.
        """
        subjects = score_subjects(alphas)
        if all(first_failure(scores, plan.thresholds, CHEAP) for scores in subjects):
            return subjects
        predicted = predict_alpha(self._matte, rgb_from_u8(rgb_u8).to(self.device))[:, 0]
        agreement = score_agreement(alphas, predicted.float().cpu().numpy())
        return [cheap | costly for cheap, costly in zip(subjects, agreement, strict=True)]


def pick_device(name: str) -> torch.device:
    """auto is cuda when there is one, else cpu."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def be_deterministic() -> None:
    """Have torch choose kernels that give the same bits each time."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.use_deterministic_algorithms(True)
