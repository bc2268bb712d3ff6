"""The RGBA corpus that StyleMatteGAN learns, made of any pictures: RGB is the picture, alpha what
StyleMatte sees.

Pictures are squares cut from the middle, or aligned to each other (models.training.gan.alignment).
"""

import json
from collections.abc import Iterable, Iterator
from itertools import compress, islice
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from core.tars import read_samples
from models.corpora.pairs import decode
from models.imaging.tensors import pm1_to_u8, to_pm1
from models.training.gan.alignment import align_faces, crop
from models.training.gan.corpus import (
    CHUNK,
    LABEL_SIZE,
    RISE,
    SPAN,
    Corpus,
    Labeller,
    smooth_backgrounds,
)


def label_corpus(
    tars: Iterable[Path],
    labeller: Labeller,
    *,
    size: int,
    aligned: bool = False,
    scenes: int = 1,
    seed: int = 0,
) -> Corpus:
    """Labels every picture of the tars; portraits without a scene (`rgba.png` alone) get `scenes`
    smooth ones each.

    labeller: gives alpha for scenes at LABEL_SIZE. Pictures of one folder are one group. Where they
    are aligned, a subject whose head is cut off by the top of its picture is left out. Raises
    ValueError when there is no picture.
    """
    rng = torch.Generator().manual_seed(seed)
    keys, folders, parts, pictures = [], [], [], _pictures(tars)
    while chunk := list(islice(pictures, CHUNK)):
        keys += [key for key, _, _ in chunk]
        folders += [folder for _, folder, _ in chunk]
        shown = torch.stack([picture for _, _, picture in chunk])
        premultiplied = shown.repeat_interleave(scenes, 0)
        scene = _over_smooth(premultiplied, rng)
        parts.append(pm1_to_u8(torch.cat([scene, labeller(scene) * 2 - 1], 1)))
    if not parts:
        raise ValueError("there are no pictures in these tars")
    images = torch.cat(parts)
    if aligned:
        images, whole = _aligned(images, size)
        whole = whole.view(-1, scenes).all(1)
        if not whole.any():
            raise ValueError("every head is cut off by the top of its picture: use square framing")
        images = images[whole.repeat_interleave(scenes)]
        keys, folders = (list(compress(names, whole)) for names in (keys, folders))
    else:
        images = torch.cat([pm1_to_u8(F.interpolate(to_pm1(part), size, mode="area"))
                            for part in images.split(CHUNK)])  # fmt: skip
    number = {folder: i for i, folder in enumerate(sorted(set(folders)))}
    groups = tuple(number[folder] for folder in folders for _ in range(scenes))
    return Corpus(images=images, keys=tuple(keys), groups=groups)


def _pictures(tars: Iterable[Path]) -> Iterator[tuple[str, str, Tensor]]:
    """(key, its folder when it was added, float32 [4, LABEL_SIZE, LABEL_SIZE] in [0, 1]):
    premultiplied, a whole scene has alpha 1."""
    for tar in tars:
        for key, members in read_samples(tar):
            for suffix, mode in (("image.png", "RGB"), ("image.jpg", "RGB"), ("rgba.png", "RGBA")):
                if suffix in members:
                    folder = json.loads(members.get("json", b"{}")).get("part", "")
                    yield key, folder, _square(members[suffix], mode)
                    break


def _square(content: bytes, mode: str) -> Tensor:
    pixels = (
        torch.from_numpy(decode(content, mode).copy()).permute(2, 0, 1).float() / 255
    )  # [c, h, w]
    alpha = pixels[3:] if mode == "RGBA" else torch.ones_like(pixels[:1])
    premultiplied = torch.cat([pixels[:3] * alpha, alpha])
    height, width = premultiplied.shape[1:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    cut = premultiplied[None, :, top : top + side, left : left + side]
    if side >= LABEL_SIZE:
        return F.interpolate(cut, LABEL_SIZE, mode="area")[0]
    return F.interpolate(cut, LABEL_SIZE, mode="bilinear", align_corners=False)[0]


def _over_smooth(premultiplied: Tensor, rng: torch.Generator) -> Tensor:
    """[n, 4, h, h] in [0, 1] -> scenes [n, 3, h, h] in [-1, 1]."""
    colour, alpha = premultiplied[:, :3], premultiplied[:, 3:]
    background = smooth_backgrounds(len(colour), colour.shape[-1], rng)
    return colour * 2 - alpha + background * (1 - alpha)


def _aligned(images: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """uint8 [n, 4, LABEL_SIZE, LABEL_SIZE], scenes with alpha -> uint8 [n, 4, size, size], and
    whole [n].

    Not whole: above the picture's edge the crop could only go on with what touches the edge, a
    column of hair.
    """
    faces = align_faces(images)
    above = faces.y - (0.5 - RISE) * SPAN * faces.scale < -1
    whole = ~(above & (images[:, 3, 0] > 127).any(1))
    parts = []
    for start in range(0, len(images), CHUNK):
        chosen = slice(start, start + CHUNK)
        scenes = to_pm1(images[chosen])
        sharp = crop(scenes, faces.select(chosen), LABEL_SIZE, SPAN, RISE)
        parts.append(pm1_to_u8(F.interpolate(sharp, size, mode="area")))
    return torch.cat(parts), whole


def stylematte_labeller(checkpoint: Path, device: torch.device | str = "cpu") -> Labeller:
    """Labels by a StyleMatte checkpoint on a device; scenes come from the CPU and labels go back
    to it."""
    from models.networks.checkpoints.load import load_stylematte
    from models.networks.stylematte import predict_alpha

    matte = load_stylematte(checkpoint).to(device)

    @torch.no_grad()
    def label(scene: Tensor) -> Tensor:
        return predict_alpha(matte, scene.to(device)).clamp(0, 1).cpu()

    return label
