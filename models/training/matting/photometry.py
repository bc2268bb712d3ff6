"""What cameras and files do to pictures: colours, blur, noise, compression; floats in [0, 1]."""

import io

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from models.imaging.decode import open_picture
from models.imaging.pixels import to_u8

Rng = np.random.Generator


def column(values: NDArray[np.floating], channels: int = 1) -> Tensor:
    """Floats [n * channels] as float32 [n, channels, 1, 1]."""
    return torch.from_numpy(values.astype(np.float32)).view(-1, channels, 1, 1)


def jitter_colour(x: Tensor, rng: Rng, strength: float = 1.0) -> Tensor:
    """Exposure, white balance, saturation, contrast and gamma, drawn per image; x: [n, 3, h, w] in
    [0, 1]."""
    n = len(x)
    on = rng.random((n, 1)) < 0.7

    def draw(spread: float, channels: int = 1) -> Tensor:
        return column(
            np.exp(rng.normal(0, spread * strength, (n, channels)) * on).ravel(), channels
        )

    x = x * draw(0.2) * draw(0.08, 3)
    x = mute(x, draw(0.3))
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    x = mean + (x - mean) * draw(0.2)
    return x.clamp(1e-4, 1) ** draw(0.2)


def mute(x: Tensor, saturation: Tensor) -> Tensor:
    """Scales the distance of colours from grey; x: [n, 3, h, w], saturation: [n, 1, 1, 1]."""
    grey = x.mean(dim=1, keepdim=True)
    return grey + (x - grey) * saturation


def filter_randomly(x: Tensor, rng: Rng) -> Tensor:
    """Replaces some images by a random 3x3 convolution across colours of equal mean and spread
    (arXiv 2007.13003)."""
    for index in np.flatnonzero(rng.random(len(x)) < 0.3):
        kernel = rng.normal(0, 0.1, (3, 3, 3, 3)) + np.eye(3)[:, :, None, None] * (
            np.arange(9) == 4
        ).reshape(3, 3)
        image = x[index : index + 1]
        turned = F.conv2d(
            F.pad(image, (1, 1, 1, 1), mode="replicate"),
            torch.from_numpy(kernel.astype(np.float32)),
        )
        mean, std = image.mean(dim=(2, 3), keepdim=True), image.std(dim=(2, 3), keepdim=True)
        own_mean, own_std = (
            turned.mean(dim=(2, 3), keepdim=True),
            turned.std(dim=(2, 3), keepdim=True),
        )
        x[index : index + 1] = (turned - own_mean) / (own_std + 1e-4) * std + mean
    return x.clamp(0, 1)


def gaussian_blur(x: Tensor, sigmas: NDArray[np.floating]) -> Tensor:
    """Gaussian blur with a sigma per image, in pixels; x: [n, c, h, w]."""
    radius = max(1, int(np.ceil(2.5 * sigmas.max())))
    if sigmas.max() == 0 or radius >= min(x.shape[-2:]):
        return x
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (offsets / np.maximum(sigmas, 1e-3)[:, None]) ** 2)
    kernel = column(
        (weights / weights.sum(1, keepdims=True)).ravel(), 2 * radius + 1
    )  # [n, k, 1, 1]
    n, c, h, w = x.shape
    kernel = kernel.repeat_interleave(c, dim=0).view(n * c, 1, 1, -1)
    flat = F.pad(x.reshape(1, n * c, h, w), (radius, radius, radius, radius), mode="reflect")
    flat = F.conv2d(F.conv2d(flat, kernel, groups=n * c), kernel.transpose(2, 3), groups=n * c)
    return flat.view(n, c, h, w)


def degrade(x: Tensor, rng: Rng) -> Tensor:
    """Softness or oversharpening, sensor noise and JPEG blocks; x: [n, 3, h, w] in [0, 1]."""
    n, _, h, w = x.shape
    soft = gaussian_blur(x, np.where(rng.random(n) < 0.4, rng.uniform(0.3, 1.0, n) * w / 128, 0))
    sharper = column(np.where(rng.random(n) < 0.2, rng.uniform(-1.5, 0, n), 1))
    x = x + (soft - x) * sharper
    sigma = column(np.where(rng.random(n) < 0.3, rng.uniform(0, 0.04, n), 0))
    noise = torch.from_numpy(rng.standard_normal((n, 3, h, w), dtype=np.float32))
    x = (x + noise * sigma).clamp(0, 1)
    for index in np.flatnonzero(rng.random(n) < 0.25):
        x[index] = compress(x[index], int(rng.integers(25, 95)))
    return x


def compress(x: Tensor, quality: int) -> Tensor:
    """A JPEG round trip; x: [3, h, w] in [0, 1]."""
    buffer = io.BytesIO()
    Image.fromarray(to_u8(x.permute(1, 2, 0).numpy())).save(buffer, "JPEG", quality=quality)
    decoded = open_picture(buffer.getvalue())
    return torch.from_numpy(np.array(decoded)).permute(2, 0, 1).float() / 255
