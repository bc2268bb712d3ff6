"""The default filter: what StyleMatte reaches on held-out pairs whose alpha is exact."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from matteforge.schemas.corpora import CorpusKind
from matteforge.schemas.criteria import CRITERIA
from models.corpora.members import Source
from models.corpora.pairing import Entry
from models.corpora.pairs import straight_person
from models.corpora.reader import read_checked
from models.imaging.compositing import over
from models.imaging.pixels import to_u8, to_unit
from models.imaging.resize import area, middle_square
from models.imaging.tensors import rgb_from_u8
from models.networks.stylematte import predict_alpha
from models.scenes.backgrounds import render_background
from models.training.gan.corpus import LABEL_SIZE, compose_scenes
from workers.generate.scores import score_agreement, score_subjects

BATCH = 8
LONGEST_SIDE = 1080  # pixels
Refusal = Callable[[Entry, str], None]
Pair = tuple[NDArray[np.uint8], NDArray[np.float32]]  # RGB [h, w, 3], alpha [h, w] in [0, 1]


def exact_pairs(
    sources: Iterable[Path | Source],
    *,
    resolution: int,
    backgrounds: int,
    seed: int,
    on_entry: Callable[[], None] = lambda: None,
    on_refused: Refusal = lambda entry, reason: None,
) -> Iterator[Pair]:
    """Pairs at `resolution` of sources in every layout that corpora come in: a scene with its
    alpha, or a subject over several rendered `backgrounds`.

    Cut to the middle square and averaged down over pixel areas, which keeps image and alpha
    consistent.
    """
    found = read_checked(
        sources, CorpusKind.PAIRS, LONGEST_SIDE, on_entry=on_entry, on_refused=on_refused
    )
    for number, (_, sample) in enumerate(found):
        assert sample.alpha is not None
        rgb, alpha = to_unit(middle_square(sample.rgb)), to_unit(middle_square(sample.alpha))
        if not sample.straight:
            yield _reduced(rgb, alpha, resolution)
            continue
        for turn in range(backgrounds):
            scene = render_background(np.random.default_rng((seed, number, turn)), len(rgb))
            yield _reduced(over(rgb, alpha[..., None], scene), alpha, resolution)


def aligned_pairs(
    sources: Iterable[Path | Source],
    *,
    resolution: int,
    backgrounds: int,
    seed: int,
    on_entry: Callable[[], None] = lambda: None,
    on_refused: Refusal = lambda entry, reason: None,
) -> Iterator[Pair]:
    """Pairs framed as StyleMatteGAN's corpus is: aligned heads over smooth scenes, with their exact
    alpha. Sources are read as by `exact_pairs`."""
    for source in sources:
        found = read_checked(
            [source], CorpusKind.PAIRS, LONGEST_SIDE, on_entry=on_entry, on_refused=on_refused
        )
        people = [straight_person(sample, LABEL_SIZE) for _, sample in found]
        if not people:
            continue
        rgba = torch.from_numpy(np.stack(people)).permute(0, 3, 1, 2)
        scenes = compose_scenes(rgba, size=resolution, scenes=backgrounds, seed=seed)
        for scene in scenes.permute(0, 2, 3, 1).contiguous().numpy():
            yield np.ascontiguousarray(scene[..., :3]), to_unit(scene[..., 3])


def score_pairs(matte: nn.Module, pairs: Iterable[Pair]) -> Iterator[dict[str, float]]:
    """Every score of matteforge.schemas.criteria for each pair: the exact alpha stands where the
    generator's will."""
    remaining = iter(pairs)
    while batch := list(islice(remaining, BATCH)):
        images, alphas = (
            np.stack([image for image, _ in batch]),
            np.stack([alpha for _, alpha in batch]),
        )
        with torch.inference_mode():
            image = rgb_from_u8(images).to(next(matte.parameters()).device)
            predicted = predict_alpha(matte, image)[:, 0].float().cpu().numpy()
        for cheap, costly in zip(
            score_subjects(alphas), score_agreement(alphas, predicted), strict=True
        ):
            yield cheap | costly


def calibrate_thresholds(
    scores: Iterable[Mapping[str, float]], *, percentile: float = 99.0
) -> dict[str, float]:
    """Thresholds, by criterion, that `percentile` % of these scores (of exact pairs) pass, each
    criterion by itself.

    Raises ValueError without scores.
    """
    measured = list(scores)
    if not measured:
        raise ValueError("thresholds can't be calibrated without pairs")
    thresholds = {}
    for criterion in CRITERIA:
        values = [score[criterion.score] for score in measured]
        kept = percentile if criterion.bound == "max" else 100 - percentile
        thresholds[criterion.name] = float(
            np.clip(np.percentile(values, kept), criterion.low, criterion.high)
        )
    return thresholds


def _reduced(rgb: NDArray[np.floating], alpha: NDArray[np.floating], resolution: int) -> Pair:
    channels = area(np.dstack([rgb, alpha]), resolution, resolution)
    return to_u8(channels[..., :3]), channels[..., 3].clip(0, 1)
