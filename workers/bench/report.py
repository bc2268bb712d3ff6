"""The bench's results: a table, JSON, and the guard that compares ratios with recorded ones."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from workers.bench.cases import Row
from workers.bench.timing import Ratio

REACHED = {True: "yes", False: "no", None: ""}


def ratios_table(rows: Sequence[Row]) -> str:
    """Markdown: a line for each ratio, with its spread and its target."""
    lines = [
        "| case | ratio | measured (spread of the rounds) | target | reached |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        for r in row.ratios:
            bound = (
                ""
                if r.target is None
                else f"{'at least' if r.more_is_better else 'at most'} {r.target:g}"
            )
            lines.append(f"| {row.case} | {r.name} | {r} | {bound} | {REACHED[r.reached]} |")
    lines += ["", "| case | milliseconds | images a second |", "|---|---|---|"]
    for row in rows:
        times = ", ".join(f"{name} {ms:g}" for name, ms in row.ms.items())
        rate = "" if row.images_a_second is None else f"{row.images_a_second:g}"
        lines.append(f"| {row.case} | {times} | {rate} |")
    return "\n".join(lines)


def to_json(rows: Sequence[Row], *, device: str, rounds: int) -> dict[str, Any]:
    """All of it, with what it ran on."""
    return {
        "machine": _machine(device),
        "rounds": rounds,
        "rows": [asdict(row) for row in rows],
    }


def _machine(device: str) -> dict[str, Any]:
    name = (
        torch.cuda.get_device_name()
        if device == "cuda"
        else platform.processor() or platform.machine()
    )
    machine = {"device": device, "name": name, "cores": os.cpu_count(), "torch": torch.__version__}
    if device != "cuda":
        return machine
    ask = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    told = subprocess.run(ask, capture_output=True, text=True, check=False).stdout.split()
    return machine | {"cuda": torch.version.cuda, "driver": told[0] if told else None}


def load_rows(path: Path) -> list[Row]:
    """The rows of a file that `--json` wrote."""
    return [
        Row(case=row["case"], ms=row["ms"], ratios=tuple(Ratio(**r) for r in row["ratios"]))
        for row in json.loads(path.read_text())["rows"]
    ]


def regressions(measured: Sequence[Row], recorded: Sequence[Row], *, tolerance: float) -> list[str]:
    """What got worse by more than `tolerance` (0.25: a quarter) against the record, a sentence
    each.

    Raises ValueError where nothing of the record was measured: a guard that looks at nothing guards
    nothing.
    """
    now = {(row.case, r.name): r for row in measured for r in row.ratios}
    before = {
        (row.case, r.name): r for row in recorded for r in row.ratios if (row.case, r.name) in now
    }
    if not before:
        raise ValueError("none of the recorded ratios was measured")
    found = []
    for (case, name), old in before.items():
        new = now[case, name]
        loss = old.value / new.value if old.more_is_better else new.value / old.value
        if loss > 1 + tolerance:
            found.append(f"{case}: {name} is {new}, was {old}")
    return found
