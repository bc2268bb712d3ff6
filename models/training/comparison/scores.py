"""How well each arm mattes held-out people, and by how much it differs from the labelled alone."""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from models.corpora.pairs import read_pairs
from models.metrics.bootstrap import mean_interval
from models.metrics.matting import full_metrics
from models.networks.stylematte import StyleMatte, predict_alpha
from models.training.comparison.arms import ARMS
from models.training.comparison.portraits import SIZE

MEASURES = ("sad", "mad", "grad", "conn")
RESAMPLINGS = 2000
TUNED = "_tuned"  # in the names of arms that go on from the labeller


def score(matte: StyleMatte, test: Path) -> dict[str, list[float]]:
    """Each measure of each held-out pair, shrunk to SIZE."""
    scores: dict[str, list[float]] = {name: [] for name in MEASURES}
    for _, image, alpha in read_pairs(test):
        both = torch.from_numpy(np.dstack([image, alpha])).permute(2, 0, 1)[None]
        small = F.interpolate(both, SIZE, mode="area")
        with torch.inference_mode():
            predicted = predict_alpha(matte, small[:, :3])[0]
        metrics = full_metrics(predicted.numpy(), small[:, 3].numpy())
        for name in MEASURES:
            scores[name].append(float(metrics[name][0]))
    return scores


def table(out: Path, test: str, reference: str = "labelled") -> str:
    """Markdown of one test set: each arm's mean and interval, and its paired difference to the arm
    `reference`."""
    name = f"scores-{test}.json"
    found = sorted({path.parent.name.rpartition("-")[0] for path in out.glob(f"*/{name}")})
    arms = sorted(found, key=lambda arm: (ARMS.index(arm.partition("_")[0]), arm))
    runs = {arm: sorted(out.glob(f"{arm}-[0-9]*/{name}")) for arm in arms}
    lines = ["| arm | seeds | " + " | ".join(MEASURES) + " |", "|---|---|" + "---|" * len(MEASURES)]
    scores = {
        arm: {m: np.array([json.loads(path.read_text())[m] for path in paths]) for m in MEASURES}
        for arm, paths in runs.items()
        if paths
    }
    for arm, values in scores.items():
        cells = [_cell(values[m]) for m in MEASURES]
        lines.append(f"| {arm} | {len(runs[arm])} | " + " | ".join(cells) + " |")
        alone = f"{reference}{TUNED}" if TUNED in arm else reference
        shared = min(len(runs[arm]), len(runs.get(alone, ())))
        if arm != alone and shared:
            paired = [_cell(values[m][:shared] - scores[alone][m][:shared]) for m in MEASURES]
            lines.append(f"| … minus {alone} | | " + " | ".join(paired) + " |")
    return "\n".join(lines)


def _cell(values: NDArray[np.float64]) -> str:
    """Mean over seeds and pairs [seeds, n] and its 95 % interval; both are drawn anew."""
    mean, low, high = mean_interval(values, seed=0, resamples=RESAMPLINGS)
    return f"{mean:.4f} [{low:.4f}, {high:.4f}]"
