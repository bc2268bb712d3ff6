"""The scalars of a training run as curves of bounded length."""

import json
import math
from collections.abc import Iterable, Iterator

from core import keys
from core.ports import ObjectStore
from matteforge.schemas.curves import CurveOut, CurvesOut
from matteforge.schemas.training import Stage

SUFFIX = ".jsonl"
MAX_BYTES = 64 << 20  # of one log: of a longer one its newest part is read
MAX_LINE_BYTES = 1 << 16
MAX_CURVES = 100
NOT_DRAWN = frozenset({"time", "step"})


class Curve:
    """Means of neighbouring values: as values arrive, bins are joined in pairs, so that there are
    never more than `points`."""

    def __init__(self, points: int) -> None:
        self._points = points
        self._width = 1  # values in a full bin
        self._bins: list[tuple[int, float, int]] = []  # (last step, sum, values)

    def add(self, step: int, value: float) -> None:
        """A value; steps that were trained again after a restart replace the earlier ones."""
        while self._bins and self._bins[-1][0] >= step:
            self._bins.pop()
        if self._bins and self._bins[-1][2] < self._width:
            _, total, count = self._bins.pop()
            self._bins.append((step, total + value, count + 1))
        else:
            self._bins.append((step, value, 1))
        if len(self._bins) > self._points:
            self._width *= 2
            self._bins = [_joined(self._bins[i : i + 2]) for i in range(0, len(self._bins), 2)]

    def out(self, name: str) -> CurveOut:
        return CurveOut(
            name=name,
            steps=[step for step, _, _ in self._bins],
            values=[float(f"{total / count:.6g}") for _, total, count in self._bins],
        )


def _joined(pair: list[tuple[int, float, int]]) -> tuple[int, float, int]:
    return pair[-1][0], sum(total for _, total, _ in pair), sum(count for *_, count in pair)


def curves_of(lines: Iterable[bytes], points: int) -> list[CurveOut]:
    """Every scalar of a log (models.training.scalars), by name; what is no line of it is left
    out."""
    curves: dict[str, Curve] = {}
    for line in lines:
        try:
            values = json.loads(line)
            step = int(values["step"])
        except (ValueError, KeyError, TypeError, OverflowError):
            continue  # cut off in the middle, or no line of scalars
        for name, value in values.items():
            if name in NOT_DRAWN or not isinstance(value, int | float) or not math.isfinite(value):
                continue
            if name in curves or len(curves) < MAX_CURVES:
                curves.setdefault(name, Curve(points)).add(step, value)
    return [curves[name].out(name) for name in sorted(curves)]


def curves_of_stage(
    store: ObjectStore, run_id: str, stage: Stage, *, points: int
) -> Iterator[CurvesOut]:
    """Those of each log that a stage keeps, as of its last push to the store."""
    folder = keys.training_run(run_id, f"files/{stage}/")
    for name in store.list_names(folder):
        if not name.endswith(SUFFIX):
            continue
        info = store.head(folder + name)
        skipped = max(0, info.size_bytes - MAX_BYTES) if info else 0
        curves = curves_of(_lines(store, folder + name, skipped), points)
        if curves:
            yield CurvesOut(
                stage=stage, log=name.removesuffix(SUFFIX), whole=skipped == 0, curves=curves
            )


def _lines(store: ObjectStore, key: str, skipped: int) -> Iterator[bytes]:
    chunks = store.stream(key) if not skipped else iter([store.get_range(key, skipped, MAX_BYTES)])
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
        rest = rest if len(rest) < MAX_LINE_BYTES else b""
    yield rest
