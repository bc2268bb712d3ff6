"""Scores a StyleMatte checkpoint on pairs of image and exact alpha."""

from collections.abc import Iterable, Sequence
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


def evaluate_pairs(matte: nn.Module, pairs: Iterable[Pair]) -> Scores:
    """Mean of each measure of `full_metrics` over the pairs, and their `count`. Raises ValueError on none."""
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
    scored = []
    for key, image, alpha in pairs:
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
    return {name: float(np.mean([each[name] for each in scores])) for name in scores[0]} | {"count": len(scores)}


def _draw(matte: nn.Module, pairs: Iterable[Pair], out_dir: Path) -> None:
    out_dir.mkdir(parents=True, exist_ok=True)
    for key, image, alpha in pairs:
        alphas = [np.repeat(grey[..., None], 3, axis=2) for grey in (_predict(matte, image), alpha)]
        sheet = np.concatenate([(image + 1) / 2, *alphas], axis=1)
        Image.fromarray((sheet.clip(0, 1) * 255).round().astype(np.uint8)).save(out_dir / f"{key}.png")
