"""Every conversion between networks' floats and stored pixels.

Networks speak `[n, c, h, w]`; RGB, and the generator's alpha channel, are in [-1, 1]. Stored pixels
are `[n, h, w, c]` unsigned integers, alpha apart from RGB and straight (not premultiplied). Values
out of range are clamped, and floats are rounded half up: floor(x + 0.5).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]


def split_rgba(rgba_pm1: Tensor) -> tuple[Tensor, Tensor]:
    """A generator's output [n, 4, h, w] to RGB [n, 3, h, w] in [-1, 1] and alpha [n, 1, h, w] in
    [0, 1], clamped."""
    if rgba_pm1.shape[1] != 4:
        raise ValueError(f"RGBA has 4 channels, not {rgba_pm1.shape[1]}")
    return rgba_pm1[:, :3].clamp(-1, 1), ((rgba_pm1[:, 3:] + 1) / 2).clamp(0, 1)


def join_rgba(rgb_pm1: Tensor, alpha: Tensor) -> Tensor:
    """The inverse of `split_rgba`: RGB [n, 3, h, w] in [-1, 1] and alpha [n, 1, h, w] in [0, 1] to
    [n, 4, h, w]."""
    return torch.cat([rgb_pm1, alpha * 2 - 1], dim=1)


def quantised_rgb(rgb_pm1: Tensor) -> Tensor:
    """float [n, 3, h, w] in [-1, 1] to uint8 [n, h, w, 3], where it is."""
    return (
        _quantised((rgb_pm1.detach().float() + 1) / 2, 255)
        .to(torch.uint8)
        .movedim(1, -1)
        .contiguous()
    )


def quantised_alpha(alpha: Tensor, bits: int) -> Tensor:
    """float [n, 1, h, w] in [0, 1] to uint8 or, for 16 bits, uint16 [n, h, w], where it is."""
    if bits == 8:
        return _quantised(alpha.detach().float(), 255)[:, 0].to(torch.uint8)
    return _quantised(alpha.detach().double(), 65535)[:, 0].to(torch.uint16)


def rgb_from_levels(rgb_u8: Tensor) -> Tensor:
    """uint8 [n, h, w, 3] to float32 [n, 3, h, w] in [-1, 1], where it is."""
    return (rgb_u8.float() / 255).movedim(-1, 1).contiguous() * 2 - 1


def rgb_to_u8(rgb_pm1: Tensor) -> U8:
    """float [n, 3, h, w] in [-1, 1] to uint8 [n, h, w, 3]."""
    return quantised_rgb(rgb_pm1).cpu().numpy()


def rgb_from_u8(rgb_u8: U8) -> Tensor:
    """uint8 [n, h, w, 3] to float32 [n, 3, h, w] in [-1, 1]."""
    return _unit(rgb_u8).movedim(-1, 1).contiguous() * 2 - 1


def alpha_to_u8(alpha: Tensor) -> U8:
    """float [n, 1, h, w] in [0, 1] to uint8 [n, h, w]."""
    return quantised_alpha(alpha, 8).cpu().numpy()


def alpha_to_u16(alpha: Tensor) -> U16:
    """float [n, 1, h, w] in [0, 1] to uint16 [n, h, w]."""
    return quantised_alpha(alpha, 16).cpu().numpy()


def alpha_from_pixels(alpha_pixels: U8 | U16) -> Tensor:
    """uint8 or uint16 [n, h, w] to float32 [n, 1, h, w] in [0, 1]."""
    return _unit(alpha_pixels)[:, None]


def composite(foreground: Tensor, alpha: Tensor, background: Tensor) -> Tensor:
    """alpha * foreground + (1 - alpha) * background; straight foreground [n, 3, h, w], alpha [n, 1,
    h, w] in [0, 1]."""
    return torch.lerp(background, foreground, alpha.expand_as(foreground))


def premultiplied(rgb_unit: Tensor, alpha: Tensor) -> Tensor:
    """Straight RGB [n, 3, h, w] in [0, 1] to RGB times alpha."""
    return rgb_unit * alpha


def straight(rgb_premultiplied: Tensor, alpha: Tensor) -> Tensor:
    """The inverse of `premultiplied`, clamped to [0, 1]; black where alpha is 0 and no colour is
    left."""
    return torch.where(
        alpha > 0, rgb_premultiplied / alpha.clamp(min=torch.finfo(alpha.dtype).tiny), 0
    ).clamp(0, 1)


def _quantised(unit: Tensor, levels: int) -> Tensor:
    """Values in [0, 1] to whole numbers from 0 to `levels`."""
    return (unit.clamp(0, 1) * levels + 0.5).floor()


def _unit(pixels: npt.NDArray[Any]) -> Tensor:
    """Unsigned integers to float32 in [0, 1]."""
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"pixels are uint8 or uint16, not {pixels.dtype}")
    return torch.from_numpy(pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max))
