"""Delivered samples as arrays: what stock decoders make of 16-bit alpha is not what was delivered.

Needs numpy and Pillow, no webdataset: any reader that yields {suffix: bytes} will do.
"""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PICTURES = ("png", "webp", "jpg")
UNIT = frozenset({"alpha"})  # members that become float32 in [0, 1]


def decode(sample: Mapping[str, Any]) -> dict[str, Any]:
    """A sample {suffix: bytes} as {name: array}: `image`, `fg`, `composite`, … uint8 [h, w, 3];
    `alpha` float32 [h, w] in [0, 1], from 8 or 16 bits; `depth` uint16, `trimap`, `parts` uint8 [h,
    w]; `json`, `landmarks` parsed. `__key__` and `__url__` stay as they are.

    For webdataset: `wds.WebDataset(urls, shardshuffle=False).map(decode)`.
    """
    return dict(_member(suffix, content) for suffix, content in sample.items())


def _member(suffix: str, content: Any) -> tuple[str, Any]:
    if suffix.startswith("__") or not isinstance(content, bytes):
        return suffix, content
    name, _, kind = suffix.partition(".")
    kind = kind or name
    if kind == "json":
        return name, json.loads(content)
    return (name, picture(content, unit=name in UNIT)) if kind in PICTURES else (suffix, content)


def picture(content: bytes, *, unit: bool = False) -> Any:
    """A picture with all its bits: uint8 or uint16 [h, w], or uint8 [h, w, 3]; unit: float32 in
    [0, 1]."""
    np, image_module = _modules()
    with image_module.open(io.BytesIO(content)) as image:
        pixels = np.asarray(image)
    if pixels.dtype not in (np.uint8, np.uint16):  # older Pillow reads 16 bits into 32
        pixels = pixels.astype(np.uint16)
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max) if unit else pixels


def save_picture(content: bytes, path: Path) -> None:
    """Write a picture in the format of its name. ValueError: the format is unknown."""
    _, image_module = _modules()
    with image_module.open(io.BytesIO(content)) as image:
        image.convert("RGB").save(path)


def _modules() -> tuple[Any, Any]:
    try:
        import numpy as np
        from PIL import Image
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"pictures are decoded with {error.name}: pip install 'matteforge[arrays]'"
        ) from error
    return np, Image
