"""Where the face is: joint alignment of portraits to their own mean face (congealing,
Learned-Miller 2006).

No face detector and no landmark is needed: each picture is moved and scaled to where it correlates
best with the current, mirrored mean of all; then the mean is taken again. Priors from alpha keep it
from drifting.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

TEMPLATE = 28  # pixels a side
SPAN = 56.0  # source pixels that the template covers at scale 1
ROUNDS = 8
COARSE_ROUNDS = 4
FACE_BELOW_TOP = 34.0  # pixels from the top of the head to the middle of the face, before alignment
HEAD_ROWS = 36  # rows below the top whose centre of mass gives the first guess of x
FIRST_SCALE = 0.95
SHIFT_COST, SCALE_COST, REDNESS_WEIGHT = 0.0008, 4.0, 0.6


@dataclass(frozen=True, kw_only=True)
class Faces:
    """Centres of faces in pixels of the 128 px source and their size relative to SPAN; [n] each."""

    x: Tensor
    y: Tensor
    scale: Tensor

    def select(self, index: Tensor | slice) -> "Faces":
        return Faces(x=self.x[index], y=self.y[index], scale=self.scale[index])


def crop(
    image: Tensor, faces: Faces, size: int, span: float, rise: float = 0.0, padding: str = "border"
) -> Tensor:
    """Square crops around faces: image [n, c, h, h] -> [n, c, size, size].

    span: source pixels at scale 1; rise: by how much of the span the centre lies below the face's.
    """
    steps = (torch.arange(size) + 0.5) / size - 0.5
    half = image.shape[-1] / 2
    x = (faces.x[:, None] + steps * span * faces.scale[:, None]) / half - 1
    y = (faces.y[:, None] + (steps + rise) * span * faces.scale[:, None]) / half - 1
    grid = torch.stack([x[:, None, :].expand(-1, size, -1), y[:, :, None].expand(-1, -1, size)], -1)
    return F.grid_sample(image, grid, padding_mode=padding, align_corners=False)


def align_faces(rgba: Tensor) -> Faces:
    """rgba: uint8 [n, 4, 128, 128], straight alpha -> where each face is. Deterministic."""
    cues = _cues(rgba)
    prior = _first_guess(rgba[:, 3].float() / 255)
    faces, score = prior, torch.ones(len(rgba))
    mask = _face_mask()
    for round_ in range(ROUNDS):
        coarse = round_ < COARSE_ROUNDS
        ratios = (0.85, 0.92, 1.0, 1.08, 1.17) if coarse else (0.94, 0.97, 1.0, 1.03, 1.06)
        template = _template(crop(cues, faces, TEMPLATE, SPAN), score, mask)
        faces, score = _search(
            cues, faces, prior, template, mask, ratios, reach=10 if round_ < 2 else 6
        )
    return faces


def _cues(rgba: Tensor) -> Tensor:
    """Luminance over grey, and redness: [n, 2, h, w]."""
    colour, alpha = rgba[:, :3].float() / 255, rgba[:, 3:].float() / 255
    colour = colour * alpha
    luma = (colour * torch.tensor([0.3, 0.59, 0.11])[:, None, None]).sum(1, keepdim=True) + (
        1 - alpha
    ) * 0.5
    redness = (colour[:, :1] - colour[:, 1:2]) / (colour.mean(1, keepdim=True) + 0.1)
    return torch.cat([luma, redness], 1)


def _first_guess(alpha: Tensor) -> Faces:
    covered = (alpha > 0.5).sum(2)
    top = (covered > 6).int().argmax(1)
    rows, columns = torch.arange(alpha.shape[1]), torch.arange(alpha.shape[2], dtype=torch.float32)
    band = ((rows >= top[:, None]) & (rows < top[:, None] + HEAD_ROWS))[:, :, None] * alpha
    x = (band.sum(1) * columns).sum(1) / band.sum((1, 2)).clamp(min=1e-3)
    return Faces(x=x, y=top.float() + FACE_BELOW_TOP, scale=torch.full_like(x, FIRST_SCALE))


def _face_mask() -> Tensor:
    steps = torch.linspace(-1, 1, TEMPLATE)
    return (
        ((steps / 0.85).square()[None, :] + (steps / 0.98).square()[:, None] < 1)
        .float()
        .expand(2, 1, -1, -1)
    )


def _template(crops: Tensor, score: Tensor, mask: Tensor) -> Tensor:
    """The mean of normalised crops, mirrored, zero mean and unit norm under the mask: [2, 1, t,
    t]."""
    area, mask = mask[0].sum(), mask[:, 0]
    mean = (crops * mask).sum((2, 3), keepdim=True) / area
    deviation = (((crops - mean).square() * mask).sum((2, 3), keepdim=True) / area).sqrt()
    weight = (
        torch.ones_like(score)
        if bool((score == 1).all())
        else (score - score.quantile(0.3)).clamp(min=0)
    )
    template = ((crops - mean) / (deviation + 0.02) * weight[:, None, None, None]).sum(
        0
    ) / weight.sum()
    template = (template + template.flip(2)) / 2
    template = (template - (template * mask).sum((1, 2), keepdim=True) / area) * mask
    norm = template.flatten(1).square().sum(1).sqrt()
    return (template / norm[:, None, None])[:, None]


def _search(
    cues: Tensor,
    faces: Faces,
    prior: Faces,
    template: Tensor,
    mask: Tensor,
    ratios: tuple[float, ...],
    reach: int,
) -> tuple[Faces, Tensor]:
    """The best place near `faces` for each picture by normalised cross-correlation, and its
    score."""
    area, window = mask[0].sum(), TEMPLATE + 2 * reach
    shifts = torch.arange(-reach, reach + 1) * (SPAN / TEMPLATE)
    best, found = torch.full_like(faces.x, -9.0), faces
    for ratio in ratios:
        scaled = replace(faces, scale=faces.scale * ratio)
        view = crop(cues, scaled, window, SPAN * window / TEMPLATE)
        total, squares = F.conv2d(view, mask, groups=2), F.conv2d(view.square(), mask, groups=2)
        spread = (squares - total.square() / area).clamp(min=1e-3).sqrt()
        fit = F.conv2d(view, template, groups=2) / (spread + 1)
        x = faces.x[:, None] + shifts * scaled.scale[:, None]
        y = faces.y[:, None] + shifts * scaled.scale[:, None]
        distance = (y - prior.y[:, None]).square()[:, :, None] + (x - prior.x[:, None]).square()[
            :, None, :
        ]
        resized = (scaled.scale / prior.scale).log().square()[:, None, None]
        score = (
            fit[:, 0] + REDNESS_WEIGHT * fit[:, 1] - SHIFT_COST * distance - SCALE_COST * resized
        )
        value, place = score.flatten(1).max(1)
        better = value > best
        row, column = (
            place.div(len(shifts), rounding_mode="floor")[:, None],
            place.remainder(len(shifts))[:, None],
        )
        found = Faces(
            x=torch.where(better, x.gather(1, column)[:, 0], found.x),
            y=torch.where(better, y.gather(1, row)[:, 0], found.y),
            scale=torch.where(better, scaled.scale, found.scale),
        )
        best = torch.where(better, value, best)
    return found, best
