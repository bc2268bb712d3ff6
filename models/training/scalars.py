"""Scalars of a training run, for TensorBoard and as lines of JSON."""

import json
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboardX import SummaryWriter


class ScalarLog:
    """Appends to NAME.jsonl of a run and to event files in its folder `tensorboard/NAME`."""

    def __init__(self, run: Path, name: str) -> None:
        run.mkdir(parents=True, exist_ok=True)
        self._lines = run / f"{name}.jsonl"
        self._events = SummaryWriter(
            str(run / "tensorboard" / name), filename_suffix=f".{time.time_ns()}"
        )

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """step: what TensorBoard puts on the horizontal axis; `values` have 6 digits in the
        JSON."""
        with self._lines.open("a") as file:
            rounded = {name: float(f"{value:.6g}") for name, value in values.items()}
            file.write(json.dumps({"time": round(time.time(), 1), "step": step, **rounded}) + "\n")
        for name, value in values.items():
            self._events.add_scalar(name, value, step)

    def close(self) -> None:
        self._events.close()

    def __enter__(self) -> "ScalarLog":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
