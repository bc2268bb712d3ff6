"""The RGBA corpus that StyleMatteGAN learns: aligned heads and shoulders in smooth scenes, with
labelled alpha.

RGB is the full scene, alpha what StyleMatte predicts for it (arXiv 2305.02981); without a
StyleMatte the exact alpha stands in. Colour is premultiplied for every resampling.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from core.tars import read_samples
from matteforge.schemas.corpora import CorpusKind
from models.corpora.pairs import straight_rgba
from models.corpora.reader import read_checked
from models.imaging.resize import middle_square
from models.imaging.tensors import pm1_to_u8, to_pm1
from models.training import distributed
from models.training.gan.alignment import align_faces, crop

LABEL_SIZE = 128  # pixels at which scenes are composed and labelled
SPAN = 112.0  # source pixels that a crop covers at scale 1
RISE = 0.06  # the crop's centre lies below the face's by this much of the span
LARGEST = 4096  # pixels a side; what is larger is brought down when it is read
CHUNK = 64

Labeller = Callable[
    [Tensor], Tensor
]  # scene [n, 3, h, w] in [-1, 1] -> alpha [n, 1, h, w] in [0, 1]


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """images: uint8 [n, 4, h, h], RGB and alpha; scene i shows subject `i // scenes_per_subject` in
    order of keys. groups: of each image, from 0 up; all in one unless their folders say more."""

    images: Tensor
    keys: tuple[str, ...]
    groups: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.groups:
            object.__setattr__(self, "groups", (0,) * len(self.images))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def scenes_per_subject(self) -> int:
        return len(self.images) // len(self.keys)

    def batch(self, count: int, rng: distributed.Random) -> Tensor:
        """Scenes drawn with replacement, half of them mirrored: float32 [count, 4, h, h], all
        channels in [-1, 1], where the images are.

        count: of this process, see models.training.distributed.
        """
        device = self.images.device
        index = distributed.integers(len(self.images), count, rng, device)
        mirrored = distributed.uniform(count, rng=rng, device=device) < 0.5
        images = to_pm1(self.images[index])
        return torch.where(mirrored[:, None, None, None], images.flip(3), images)

    def to(self, device: torch.device | str) -> "Corpus":
        """The same with its images on a device."""
        return replace(self, images=self.images.to(device))

    def save(self, path: Path) -> None:
        partial = path.with_suffix(".partial")
        content = {"images": self.images, "keys": list(self.keys), "groups": list(self.groups)}
        torch.save(content, partial)
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Corpus":
        content = torch.load(path, weights_only=True)
        groups = tuple(content.get("groups", ()))
        return cls(images=content["images"], keys=tuple(content["keys"]), groups=groups)


def read_rgba(source: Path) -> tuple[tuple[str, ...], Tensor]:
    """Keys and straight RGBA, uint8 [n, 4, h, w], of all samples in a tar, or in a directory's
    tars, in any form that `straight_rgba` reads.

    Raises FileNotFoundError when there are none.
    """
    samples = ((key, straight_rgba(members)) for key, members in _samples(source))
    found = [(key, rgba) for key, rgba in samples if rgba is not None]
    if not found:
        raise FileNotFoundError(f"no sample of {source} has a picture with alpha")
    keys, pictures = zip(*found, strict=True)
    return keys, torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def read_framed(source: Path, size: int) -> Corpus:
    """The corpus of people that were rendered with their heads in one place: scenes and their
    alpha, cut to the middle square, at `size`; those of one folder are one group.

    source: pairs in any layout that `matteforge corpora add` reads, such as what
    `matteforge render --framing aligned` writes. Raises FileNotFoundError when there are none.
    """
    keys, pictures, parts = [], [], []
    for entry, sample in read_checked([source], CorpusKind.PAIRS, LARGEST):
        if sample.straight or sample.alpha is None:
            continue  # a cut-out without its scene
        both = middle_square(np.dstack([sample.rgb, sample.alpha]))
        picture = torch.from_numpy(both).permute(2, 0, 1)[None].float() / 127.5 - 1
        pictures.append(pm1_to_u8(F.interpolate(picture, size, mode="area")))
        keys.append(PurePosixPath(entry.name).name.partition(".")[0])
        parts.append(entry.part)
    if not pictures:
        raise FileNotFoundError(f"no picture with its alpha in {source}")
    number = {part: i for i, part in enumerate(sorted(set(parts)))}
    groups = tuple(number[part] for part in parts)
    return Corpus(images=torch.cat(pictures), keys=tuple(keys), groups=groups)


def _samples(source: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    tars = [source] if source.is_file() else sorted(source.glob("*.tar"))
    return (sample for tar in tars for sample in read_samples(tar))


def smooth_backgrounds(count: int, size: int, rng: torch.Generator) -> Tensor:
    """Scenes without detail: four nearby corner colours, blended. float32 [count, 3, size, size] in
    [-1, 1]."""
    base = distributed.uniform(count, 1, 1, 1, rng=rng) * 1.5 - 0.75
    tint = distributed.normal(count, 3, 1, 1, rng=rng) * 0.18
    corners = (
        distributed.normal(count, 1, 2, 2, rng=rng) * 0.2
        + distributed.normal(count, 3, 2, 2, rng=rng) * 0.06
    )
    return F.interpolate(
        (base + tint + corners).clamp(-0.95, 0.95), size, mode="bilinear", align_corners=True
    )


def aligned_heads(rgba: Tensor, size: int) -> Tensor:
    """Straight uint8 [n, 4, 128, 128] -> premultiplied float32 [n, 4, size, size] in [0, 1], faces
    in one place.

    Beyond the source's edge the body goes on as at the edge; above it there is nothing.
    """
    faces = align_faces(rgba)
    alpha = rgba[:, 3:].float() / 255
    premultiplied = torch.cat([rgba[:, :3].float() / 255 * alpha, alpha], 1)
    sky = F.pad(
        premultiplied[:, :, 1:], (0, 0, 1, 0)
    )  # an empty first row, so that nothing grows upwards
    return torch.cat([crop(sky[i : i + CHUNK], faces.select(slice(i, i + CHUNK)), size, SPAN, RISE)
                      for i in range(0, len(rgba), CHUNK)]).clamp(0, 1)  # fmt: skip


def read_corpus(
    source: Path, *, size: int, scenes: int, labeller: Labeller | None = None
) -> Corpus:
    """Framed pictures as `read_framed` takes them, or, where there are none, scenes of cut-outs
    as `build_corpus` composes them. Raises FileNotFoundError."""
    try:
        return read_framed(source, size)
    except FileNotFoundError:
        return build_corpus(source, size=size, scenes=scenes, labeller=labeller)


def build_corpus(
    source: Path,
    *,
    size: int = 64,
    scenes: int = 4,
    seed: int = 0,
    labeller: Labeller | None = None,
) -> Corpus:
    """Composes `scenes` scenes of every portrait, each over a background of its own, and labels
    them.

    labeller: gives alpha for scenes at LABEL_SIZE; None keeps the exact alpha. Raises
    FileNotFoundError.
    """
    keys, rgba = read_rgba(source)
    return Corpus(
        images=compose_scenes(rgba, size=size, scenes=scenes, seed=seed, labeller=labeller),
        keys=keys,
    )


def compose_scenes(
    rgba: Tensor, *, size: int, scenes: int, seed: int = 0, labeller: Labeller | None = None
) -> Tensor:
    """Scenes as build_corpus composes them: straight RGBA, uint8 [n, 4, LABEL_SIZE, LABEL_SIZE] ->
    uint8 [n * scenes, 4, size, size]."""
    rng = torch.Generator().manual_seed(seed)
    heads = aligned_heads(rgba, LABEL_SIZE).repeat_interleave(scenes, 0)
    images = torch.empty(len(heads), 4, size, size, dtype=torch.uint8)
    for i in range(0, len(heads), CHUNK):
        colour, alpha = heads[i : i + CHUNK, :3], heads[i : i + CHUNK, 3:]
        background = smooth_backgrounds(len(colour), LABEL_SIZE, rng)
        scene = colour * 2 - alpha + background * (1 - alpha)
        if labeller is not None:
            alpha = labeller(scene)
        labelled = torch.cat([scene, alpha * 2 - 1], 1)
        images[i : i + CHUNK] = pm1_to_u8(F.interpolate(labelled, size, mode="area"))
    return images
