"""Twelve questions of a stranger: ARCHITECTURE's table answers each in three rows at most that hold
the question's words, and the file that it names holds the answer."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [line for line in (ROOT / "ARCHITECTURE.md").read_text().splitlines() if line[:1] == "|"]
QUESTIONS = {  # words to look for -> the file, and the function in it
    "idempotent": ("service/orders.py", "known_order"),
    "lost message": ("workers/control/reconcile.py", "_ring_lost"),
    "cap on crashes": ("workers/generate/run_shard.py", "_one_try"),
    "ETA": ("service/wire.py", "_pace"),
    "promote": ("workers/cycle/gate.py", "decide"),
    "FID": ("models/metrics/frechet.py", "frechet_distance"),
    "all-reduce": ("models/training/distributed.py", "average_gradients"),
    "CPU threads": ("models/kernels/batch_threads.py", "share_out"),
    "thresholds calibrated": ("workers/generate/calibration.py", "calibrate_thresholds"),
    "rounding to uint8": ("models/imaging/pixels.py", "nearest_u8"),
    "behind a subject": ("models/imaging/compositing.py", "over"),
    "EMA": ("models/training/ema.py", "update_ema"),
}


@pytest.mark.parametrize("words", QUESTIONS)
def test_a_stranger_finds_it(words: str) -> None:
    file, function = QUESTIONS[words]
    hits = [row for row in ROWS if re.search(rf"\b{words}\b", row)]
    assert 1 <= len(hits) <= 3
    assert any(f"`{file}`" in row for row in hits), hits
    defined = ast.parse((ROOT / file).read_text()).body
    assert function in {node.name for node in defined if isinstance(node, ast.FunctionDef)}
