"""The one rule by which numbers become stored pixels: clamped, then floor(x * levels + 0.5).

Halves are rounded up. `models.imaging.tensors` holds the same rule for torch's tensors; nothing
else in the project turns floats into uint8 or uint16. No torch is needed here.
"""

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]


def to_u8(unit: NDArray[np.floating]) -> U8:
    """Floats in [0, 1], clamped, to 0..255; any shape."""
    return nearest_u8(unit * 255)


def nearest_u8(levels: NDArray[np.floating]) -> U8:
    """Floats in [0, 255], clamped, to the nearest whole number; any shape."""
    return np.floor(np.clip(levels, 0, 255) + 0.5).astype(np.uint8)


def to_u16(unit: NDArray[np.floating]) -> U16:
    """Floats in [0, 1], clamped, to 0..65535; any shape. Counted in float64: float32 has too few
    digits."""
    return nearest_u16(unit.astype(np.float64) * 65535)


def nearest_u16(levels: NDArray[np.floating]) -> U16:
    """Floats in [0, 65535], clamped, to the nearest whole number; any shape."""
    return np.floor(np.clip(levels, 0, 65535) + 0.5).astype(np.uint16)


def u8_from_u16(pixels: NDArray[np.unsignedinteger]) -> U8:
    """16 bits to the nearest of 8: 65535 is 255 times 257, and so there are no halves."""
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def to_unit(pixels: U8 | U16) -> NDArray[np.float32]:
    """uint8 or uint16 to float32 in [0, 1]; any shape. Raises ValueError for another type."""
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"pixels are uint8 or uint16, not {pixels.dtype}")
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
