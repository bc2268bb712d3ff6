"""The rule of `models.imaging.pixels` for torch: between networks' floats and stored pixels.

Networks speak `[n, c, h, w]`; RGB, and the generator's alpha channel, are in [-1, 1]. Delivered
pixels are `[n, h, w, c]` unsigned integers, alpha apart from RGB and straight (not premultiplied).
"""

import torch
from torch import Tensor

from models.imaging.pixels import U8


def split_rgba(rgba_pm1: Tensor) -> tuple[Tensor, Tensor]:
    """A generator's output [n, 4, h, w] to RGB [n, 3, h, w] in [-1, 1] and alpha [n, 1, h, w] in
    [0, 1], clamped. Raises ValueError for another number of channels."""
    if rgba_pm1.shape[1] != 4:
        raise ValueError(f"RGBA has 4 channels, not {rgba_pm1.shape[1]}")
    return rgba_pm1[:, :3].clamp(-1, 1), ((rgba_pm1[:, 3:] + 1) / 2).clamp(0, 1)


def pm1_to_u8(images_pm1: Tensor) -> Tensor:
    """float in [-1, 1], clamped, to uint8 0..255; any shape, where it is."""
    return _quantised((images_pm1.detach().float() + 1) / 2, 255).to(torch.uint8)


def to_pm1(images_u8: Tensor) -> Tensor:
    """uint8 0..255 to float32 in [-1, 1]; any shape, where it is."""
    return images_u8.float() / 255 * 2 - 1


def quantised_rgb(rgb_pm1: Tensor) -> Tensor:
    """float [n, 3, h, w] in [-1, 1] to uint8 [n, h, w, 3], where it is."""
    return pm1_to_u8(rgb_pm1).movedim(1, -1).contiguous()


def quantised_alpha(alpha: Tensor, bits: int) -> Tensor:
    """float [n, 1, h, w] in [0, 1] to uint8 or, for 16 bits, uint16 [n, h, w], where it is."""
    if bits == 8:
        return _quantised(alpha.detach().float(), 255)[:, 0].to(torch.uint8)
    return _quantised(alpha.detach().double(), 65535)[:, 0].to(torch.uint16)


def rgb_from_levels(rgb_u8: Tensor) -> Tensor:
    """uint8 [n, h, w, 3] to float32 [n, 3, h, w] in [-1, 1], where it is."""
    return to_pm1(rgb_u8.movedim(-1, 1)).contiguous()


def rgb_from_u8(rgb_u8: U8) -> Tensor:
    """An array uint8 [n, h, w, 3] to float32 [n, 3, h, w] in [-1, 1]."""
    return rgb_from_levels(torch.from_numpy(rgb_u8.copy()))


def _quantised(unit: Tensor, levels: int) -> Tensor:
    """Values in [0, 1], clamped, to whole numbers from 0 to `levels`."""
    return (unit.clamp(0, 1) * levels + 0.5).floor()
