"""Scores a StyleMatte checkpoint on pairs of image and exact alpha."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from core.errors import CorpusRejected
from matteforge.schemas.corpora import CorpusKind
from models.corpora.members import Source
from models.corpora.reader import read_checked
from models.imaging.pixels import to_u8, to_unit
from models.imaging.sheets import grey_rgb, save_sheet, tile
from models.metrics.matting import full_metrics
from models.networks.checkpoints.checkpoint import digest
from models.networks.checkpoints.load import load_stylematte
from models.networks.stylematte import predict_alpha
from models.training.matting.held_out import over_drawn

Array = NDArray[np.float32]
Pair = tuple[str, Array, Array]
"""Key, image [h, w, 3] in [-1, 1], alpha [h, w] in [0, 1]."""
Scores = dict[str, float]
LONGEST_SIDE = 1080  # pixels; larger pictures are brought down to it, as the authors do


def read_pairs_of(
    sources: Iterable[Path | Source],
    on_refused: Callable[[str, str], None] = lambda name, reason: None,
) -> Iterator[Pair]:
    """The pairs of tars, folders and zips in every layout that corpora come in, in order; what is
    none goes to `on_refused` with its reason.

    RGBA alone is shown over a drawn background that follows from its content. A key is the sample's
    folder and name.
    """
    count = Counter[str]()
    for entry, sample in read_checked(
        sources,
        CorpusKind.PAIRS,
        LONGEST_SIDE,
        on_refused=lambda entry, reason: on_refused(entry.name, reason),
    ):
        assert sample.alpha is not None
        rgb = over_drawn(sample.key, sample.rgb, sample.alpha) if sample.straight else sample.rgb
        count[entry.label] += 1
        again = f" ({count[entry.label]})" if count[entry.label] > 1 else ""
        yield entry.label + again, to_unit(rgb) * 2 - 1, to_unit(sample.alpha)


def evaluate_pairs(matte: nn.Module, pairs: Iterable[Pair]) -> Scores:
    """Mean of each measure of `full_metrics` over the pairs, and their `count`. Raises ValueError
    on none."""
    return _mean([scores for _, scores in _score_pairs(matte, pairs)])


def evaluate_corpus(
    checkpoint: Path,
    sources: Sequence[Path | Source],
    worst: int = 0,
    out_dir: Path | None = None,
    on_pair: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """`evaluate_pairs` of a checkpoint on the pairs of `read_pairs_of`, with its `digest`, what was
    `left_out` by reason, and the `worst`.

    worst: how many pairs of the largest MAD to list, with pictures (image, prediction, truth) in
    `out_dir` if given. Raises CheckpointRejected, and CorpusRejected where there are no pairs.
    """
    matte, left_out = load_stylematte(checkpoint), Counter[str]()
    pairs = read_pairs_of(sources, lambda _, reason: left_out.update([reason]))
    scored = _score_pairs(matte, pairs, on_pair)
    if not scored:
        reasons = ", ".join(f"{number} {reason}" for reason, number in left_out.most_common())
        names = ", ".join(source.name for source in sources)
        raise CorpusRejected(
            f"no pairs of picture and alpha in {names}" + (f": {reasons}" if reasons else "")
        )
    ranked = sorted(scored, key=lambda entry: -entry[1]["mad"])[:worst]
    if out_dir is not None:
        keys = {key for key, _ in ranked}
        _draw(matte, (pair for pair in read_pairs_of(sources) if pair[0] in keys), out_dir)
    mean: dict[str, Any] = _mean([scores for _, scores in scored])
    return mean | {
        "digest": digest(checkpoint),
        "left_out": dict(left_out),
        "worst": [{"key": key, "mad": scores["mad"]} for key, scores in ranked],
    }


def _score_pairs(
    matte: nn.Module, pairs: Iterable[Pair], on_pair: Callable[[], None] = lambda: None
) -> list[tuple[str, Scores]]:
    scored = []
    for key, image, alpha in pairs:
        on_pair()
        metrics = full_metrics(_predict(matte, image)[None], alpha[None])
        scored.append((key, {name: float(values[0]) for name, values in metrics.items()}))
    return scored


def _predict(matte: nn.Module, image: Array) -> Array:
    with torch.inference_mode():
        alpha = predict_alpha(matte, torch.from_numpy(image).permute(2, 0, 1)[None])
    return np.asarray(alpha[0, 0])


def _mean(scores: Sequence[Scores]) -> Scores:
    if not scores:
        raise ValueError("no pairs to evaluate")
    return {name: float(np.mean([each[name] for each in scores])) for name in scores[0]} | {
        "count": len(scores)
    }


def _draw(matte: nn.Module, pairs: Iterable[Pair], out_dir: Path) -> None:
    for key, image, alpha in pairs:
        greys = [grey_rgb(to_u8(grey)) for grey in (_predict(matte, image), alpha)]
        save_sheet(
            out_dir / f"{key.replace('/', '-')}.png", tile([[to_u8((image + 1) / 2), *greys]])
        )
