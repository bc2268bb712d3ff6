"""The data sets of docs/howto/bring-your-own.md: a small tree of each, as it is published."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from matteforge.schemas.corpora import CorpusKind
from models.corpora.reader import read_checked

SHAPE = (24, 20)


def put(path: Path, kind: str, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rgb = np.random.default_rng(number).integers(0, 256, (*SHAPE, 3), dtype=np.uint8)
    alpha = np.zeros(SHAPE, np.uint8)
    alpha[6:18, 5:15] = 255
    pixels = {"rgb": rgb, "alpha": alpha, "rgba": np.dstack([rgb, alpha])}.get(kind)
    if pixels is None:
        path.write_bytes(b"x")
    else:
        Image.fromarray(pixels).save(path)


# layout -> (files with {n} for the number, kind), samples by part, unsupported suffixes
LAYOUTS: dict[str, tuple[list[tuple[str, str]], dict[str, int], list[str]]] = {
    "P3M-10k": (
        [
            ("train/blurred_image/p_{n}.jpg", "rgb"), ("train/mask/p_{n}.png", "alpha"),
            ("train/fg/p_{n}.jpg", "rgb"), ("train/bg/p_{n}.jpg", "rgb"),
            ("validation/P3M-500-P/blurred_image/p_{n}.jpg", "rgb"),
            ("validation/P3M-500-P/mask/p_{n}.png", "alpha"),
            ("validation/P3M-500-P/trimap/p_{n}.png", "alpha"),
            ("validation/P3M-500-NP/original_image/p_{n}.jpg", "rgb"),
            ("validation/P3M-500-NP/mask/p_{n}.png", "alpha"),
        ],
        {"train": 2, "validation/P3M-500-P": 2, "validation/P3M-500-NP": 2},
        [],
    ),
    "AM-2k": (
        [
            ("train/original/m_{n}.jpg", "rgb"), ("train/mask/m_{n}.png", "alpha"),
            ("train/fg/m_{n}.png", "rgb"), ("train/bg/m_{n}.png", "rgb"),
            ("validation/original/m_{n}.jpg", "rgb"), ("validation/mask/m_{n}.png", "alpha"),
            ("validation/trimap/m_{n}.png", "alpha"),
        ],
        {"train": 2, "validation": 2},
        [],
    ),
    "PPM-100": ([("image/{n}_o.jpg", "rgb"), ("matte/{n}_o.png", "alpha")], {"": 2}, []),
    "AIM-500": (
        [
            ("original/o_{n}.jpg", "rgb"), ("mask/o_{n}.png", "alpha"),
            ("trimap/o_{n}.png", "alpha"), ("usr/o_{n}.png", "alpha"),
        ],
        {"": 2},
        [],
    ),
    "Composition-1k": (
        [
            ("Training_set/Adobe-licensed images/fg/{n}.jpg", "rgb"),
            ("Training_set/Adobe-licensed images/alpha/{n}.jpg", "alpha"),
            ("Training_set/Other/fg/{n}.jpg", "rgb"), ("Training_set/Other/alpha/{n}.jpg", "alpha"),
            ("Test_set/Adobe-licensed images/fg/{n}.png", "rgb"),
            ("Test_set/Adobe-licensed images/alpha/{n}.png", "alpha"),
            ("Test_set/Adobe-licensed images/trimaps/{n}_0.png", "alpha"),
            ("Test_set/test_bg_names.txt", "text"),
        ],
        {
            "Training_set/Adobe-licensed images": 2, "Training_set/Other": 2,
            "Test_set/Adobe-licensed images": 2,
        },
        [],
    ),
    "Distinctions-646": (
        [
            ("Train/FG/{n}.png", "rgb"), ("Train/GT/{n}.png", "alpha"),
            ("Test/FG/{n}.png", "rgb"), ("Test/GT/{n}.png", "alpha"),
        ],
        {"Train": 2, "Test": 2},
        [],
    ),
    "VideoMatte240K": (
        [
            ("train/fgr/0000/{n}.jpg", "rgb"), ("train/pha/0000/{n}.jpg", "alpha"),
            ("train/fgr/0001/{n}.jpg", "rgb"), ("train/pha/0001/{n}.jpg", "alpha"),
            ("test/fgr/0000/{n}.jpg", "rgb"), ("test/pha/0000/{n}.jpg", "alpha"),
            ("hd/{n}.mp4", "video"),
        ],
        {"train/0000": 2, "train/0001": 2, "test/0000": 2},
        [".mp4"],
    ),
    "SynthHuman": (
        [
            ("rgb_{n}.png", "rgb"), ("alpha_{n}.png", "alpha"), ("depth_{n}.exr", "exr"),
            ("normal_{n}.exr", "exr"), ("cam_{n}.txt", "text"),
        ],
        {"": 2},
        [".exr"],
    ),
    "HHM": (
        [("train/image/{n}.jpg", "rgb"), ("train/alpha/{n}.png", "alpha")], {"train": 2}, [],
    ),
    "AISegment": (
        [
            ("clip_img/1803/clip_0/1803-{n}.jpg", "rgb"),
            ("matting/1803/matting_0/1803-{n}.png", "rgba"),
        ],
        {"1803/clip_0": 2},
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_a_data_set_is_read_as_it_comes(tmp_path, name):
    files, parts, unsupported = LAYOUTS[name]
    for turn in range(2):
        for number, (pattern, kind) in enumerate(files):
            path = tmp_path / pattern.format(n=f"{turn:08d}")
            put(path, kind, 100 * turn + number)
    reasons = Counter[str]()
    found = list(
        read_checked(
            [tmp_path],
            CorpusKind.PAIRS,
            1080,
            on_refused=lambda entry, reason: reasons.update([reason]),
        )
    )
    assert Counter(entry.part for entry, _ in found) == parts
    assert all(sample.alpha is not None and sample.alpha[12, 10] > 200 for _, sample in found)
    reasons.pop("beside_pairs", None)
    assert set(reasons) == {f"unsupported {suffix}" for suffix in unsupported}
