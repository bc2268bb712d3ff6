"""The estimated foreground leaves torch's number of threads alone: resumed trainings must repeat
calm ones."""

import os
import subprocess
import sys

PROGRAM = """
import numpy as np, torch
from models.corpora.foreground import straight_foreground
torch.set_num_threads(1)
before = torch.get_num_threads()
rgb = np.full((8, 8, 3), 90, np.uint8)
straight_foreground(rgb, np.eye(8, dtype=np.uint8) * 255)
print(before, torch.get_num_threads())
"""


def test_the_first_estimate_keeps_the_number_of_torch_threads():
    environment = {**os.environ, "NUMBA_NUM_THREADS": str(min(2, os.cpu_count() or 1))}
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["1", "1"]
