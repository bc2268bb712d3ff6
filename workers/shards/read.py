"""Read and verify the samples of a shard."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from core.datasets.sample import GeneratedSample, RenderedSample, parse_sample
from core.errors import ShardCorrupt
from core.tars import read_samples
from models.imaging.decode import UndecodablePicture, open_picture
from models.imaging.pixels import to_unit
from workers.shards.encode import ALPHA_SUFFIX, SUFFIX


@dataclass(frozen=True, kw_only=True)
class DeliveredSample:
    """One delivered sample. rgb_u8: uint8 [h, w, 3]; alpha: float32 [h, w] in [0, 1]."""

    record: GeneratedSample | RenderedSample
    rgb_u8: NDArray[np.uint8]
    alpha: NDArray[np.float32]


def read_shard(path: Path) -> Iterator[DeliveredSample]:
    """Samples in delivery order. ShardCorrupt: the tar is damaged, or a sample lacks a member or
    has the wrong size."""
    try:
        for key, members in read_samples(path):
            yield decode_sample(key, members)
    except (tarfile.TarError, EOFError) as error:
        raise ShardCorrupt(f"{path.name} can't be read as a tar: {error}") from error


def decode_sample(key: str, members: dict[str, bytes]) -> DeliveredSample:
    """A sample {suffix: content}. ShardCorrupt: it is not what its own record says."""
    try:
        record = parse_sample(members["json"])
        image = next(members[suffix] for suffix in SUFFIX.values() if suffix in members)
        rgb_u8 = np.asarray(open_picture(image).convert("RGB"))
        grey = np.asarray(open_picture(members[ALPHA_SUFFIX]))
    except (KeyError, StopIteration, UndecodablePicture, ValidationError) as error:
        raise ShardCorrupt(f"sample {key} is incomplete or damaged: {error!r}") from error
    if (
        record.key != key
        or rgb_u8.shape != (record.height, record.width, 3)
        or grey.shape != rgb_u8.shape[:2]
    ):
        raise ShardCorrupt(f"sample {key} does not match its own record")
    return DeliveredSample(record=record, rgb_u8=rgb_u8, alpha=to_unit(grey))
