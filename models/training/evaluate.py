"""Scores a StyleMatte checkpoint on pairs of image and exact alpha."""

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from models.checkpoint import digest
from models.load import load_stylematte
from models.matting import predict_alpha
from models.metrics import full_metrics
from models.training.portraits_data import read_pairs

Array = NDArray[np.float32]
Pair = tuple[str, Array, Array]
"""Key, image [h, w, 3] in [-1, 1], alpha [h, w] in [0, 1]."""
Scores = dict[str, float]
BATCH = 8


def evaluate_pairs(matte: nn.Module, pairs: Iterable[Pair]) -> Scores:
    """Mean of each measure of `full_metrics` over pairs of one size, and their `count`. Raises ValueError on none."""
    return _mean([scores for _, scores in _score_pairs(matte, pairs)])


def evaluate_tar(checkpoint: Path, tar: Path, worst: int = 0, out_dir: Path | None = None) -> dict[str, Any]:
    """`evaluate_pairs` of a checkpoint on a tar's `image.png` and `alpha.png`, with its `digest` and the `worst`.

    worst: how many pairs of the largest MAD to list, with pictures (image, prediction, truth) in `out_dir` if given.
    Raises CheckpointRejected, and ValueError for a tar without pairs.
    """
    matte = load_stylematte(checkpoint)
    scored = _score_pairs(matte, read_pairs(tar))
    ranked = sorted(scored, key=lambda entry: -entry[1]["mad"])[:worst]
    if out_dir is not None:
        keys = {key for key, _ in ranked}
        _draw(matte, (pair for pair in read_pairs(tar) if pair[0] in keys), out_dir)
    mean: dict[str, Any] = _mean([scores for _, scores in scored])
    return mean | {
        "digest": digest(checkpoint),
        "worst": [{"key": key, "mad": scores["mad"]} for key, scores in ranked],
    }


def _score_pairs(matte: nn.Module, pairs: Iterable[Pair]) -> list[tuple[str, Scores]]:
    remaining, scored = iter(pairs), []
    while batch := list(islice(remaining, BATCH)):
        metrics = full_metrics(_predict(matte, batch), np.stack([alpha for _, _, alpha in batch]))
        for index, (key, _, _) in enumerate(batch):
            scored.append((key, {name: float(values[index]) for name, values in metrics.items()}))
    return scored


def _predict(matte: nn.Module, batch: Sequence[Pair]) -> Array:
    image = torch.from_numpy(np.stack([image for _, image, _ in batch])).permute(0, 3, 1, 2)
    with torch.inference_mode():
        return predict_alpha(matte, image)[:, 0].numpy()


def _mean(scores: Sequence[Scores]) -> Scores:
    if not scores:
        raise ValueError("no pairs to evaluate")
    return {name: float(np.mean([each[name] for each in scores])) for name in scores[0]} | {"count": len(scores)}


def _draw(matte: nn.Module, pairs: Iterable[Pair], out_dir: Path) -> None:
    out_dir.mkdir(parents=True, exist_ok=True)
    for pair in pairs:
        alphas = [np.repeat(alpha[..., None], 3, axis=2) for alpha in (_predict(matte, [pair])[0], pair[2])]
        sheet = np.concatenate([(pair[1] + 1) / 2, *alphas], axis=1)
        Image.fromarray((sheet.clip(0, 1) * 255).round().astype(np.uint8)).save(out_dir / f"{pair[0]}.png")
