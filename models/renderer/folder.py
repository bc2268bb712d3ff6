"""A folder of rendered pictures: KEY.image.png, KEY.alpha.png, labels, KEY.json, one run's options.

KEY.json is put last, so that a picture is whole where it is there, and a run goes on after a crash.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.errors import InvalidSpec
from models.imaging.decode import open_picture
from models.imaging.pixels import U8
from models.renderer.blender.picture import RenderedPicture
from models.renderer.spec import SubjectSpec

OPTIONS_FILE = "render.json"


class PictureFolder:
    """Pictures of one size with the same members; made if it is not there."""

    def __init__(self, path: Path, options: Mapping[str, Any]) -> None:
        """options: what decides the pictures beside their specs. Raises InvalidSpec when the folder
        holds pictures of others."""
        self._path = path
        path.mkdir(parents=True, exist_ok=True)
        told = json.dumps(options, sort_keys=True)
        known = path / OPTIONS_FILE
        if known.is_file() and known.read_text() != told:
            raise InvalidSpec(
                f"{path} holds pictures of other options, {known.read_text()}; "
                "give the same ones to go on, or another folder"
            )
        known.write_text(told)

    def holds(self, key: str, specs: Iterable[SubjectSpec]) -> bool:
        """Whether a picture of one of these specs is there, whole."""
        file = self._path / f"{key}.json"
        if not file.is_file():
            return False
        there = file.read_text()
        return any(spec.to_json() == there for spec in specs)

    def write(self, key: str, spec: SubjectSpec, picture: RenderedPicture) -> None:
        """One portrait's files; those of an older one of this key are replaced."""
        file = self._path / f"{key}.json"
        file.unlink(missing_ok=True)
        arrays: dict[str, NDArray[Any] | None] = {
            "image": picture.rgb_u8,
            "alpha": picture.alpha_u16,
            "fg": picture.fg_u8,
            "trimap": picture.trimap_u8,
            "depth": picture.depth_mm,
            "normals": picture.normals_u8,
            "parts": picture.parts_u8,
        }
        for name, array in arrays.items():
            if array is not None:
                Image.fromarray(array).save(self._path / f"{key}.{name}.png")
        facts = {
            "landmarks": picture.landmarks,
            "camera": picture.camera,
            "defects": picture.defects,
        }
        (self._path / f"{key}.truth.json").write_text(json.dumps(facts, sort_keys=True))
        partial = file.with_suffix(".partial")
        partial.write_text(spec.to_json())
        partial.replace(file)

    def keys(self) -> list[str]:
        """Keys of the pictures that are there, in order."""
        return sorted(path.name[: -len(".image.png")] for path in self._path.glob("*.image.png"))

    def picture(self, key: str) -> U8:
        """The image of a key, uint8 [h, w, 3]."""
        file = self._path / f"{key}.image.png"
        return np.asarray(open_picture(file.read_bytes()).convert("RGB"))
