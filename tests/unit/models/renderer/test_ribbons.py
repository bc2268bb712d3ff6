"""Broad strands as surfaces: what alpha counts is the ribbon itself."""

import numpy as np

from models.renderer.labels.views import SceneGeometry
from models.renderer.mesh.ribbons import facing_ribbons
from models.renderer.scene.scene import Camera, Mesh, Part, Scene, Strands, World

SIZE_PX, POINTS = 32, 8
FRAME_DM = 4.0
FAR_DM = 400.0
CAMERA = Camera(
    position=(0.0, 0.0, FAR_DM), target=(0.0, 0.0, 0.0), roll_rad=0.0,
    focal_mm=36.0 * FAR_DM / FRAME_DM, focus_dm=FAR_DM, aperture_dm=0.0,
)  # fmt: skip
FROM, TO = np.array([-1.2, -0.7, 0.0]), np.array([1.1, 1.0, 0.0])
THICK, THIN = 0.7, 0.02
BEHIND = Mesh(
    points=np.array([[9.0, 9, 0], [9.1, 9, 0], [9, 9.1, 0]]), faces=np.array([[0, 1, 2]]),
    material="skin", part=Part.SKIN,
)  # fmt: skip


def feather(broad: bool) -> Scene:
    """One straight strand that tapers, alone in the picture."""
    share = np.linspace(0, 1, 3)[:, None]
    strand = Strands(
        points=(FROM + (TO - FROM) * share)[None], radius=(THICK + (THIN - THICK) * share).T,
        material="fur", part=Part.HAIR, broad=broad,
    )  # fmt: skip
    return Scene(
        meshes=(BEHIND,), strands=(strand,), materials={}, lamps=(), camera=CAMERA, landmarks={},
        world=World(panorama=np.zeros((2, 4, 3), np.float32), towards=(0.0, 0.0, 1.0)),
    )  # fmt: skip


def cut_straight_across() -> np.ndarray:
    """Share of each pixel within the trapezium, by its definition."""
    side = SIZE_PX * POINTS
    y, x = (np.indices((side, side)) + 0.5) / side
    places = np.stack([x - 0.5, 0.5 - y], axis=-1) * FRAME_DM
    along, length = (TO - FROM)[:2], float(np.linalg.norm(TO - FROM))
    t = (places - FROM[:2]) @ along / length**2
    off = np.abs((places - FROM[:2]) @ np.array([-along[1], along[0]])) / length
    inside = (t >= 0) & (t <= 1) & (off <= THICK + (THIN - THICK) * t)
    return inside.reshape(SIZE_PX, POINTS, SIZE_PX, POINTS).mean(axis=(1, 3))


def test_a_feather_is_cut_straight_across() -> None:
    """A hair is cut along pixels, which a broad ribbon would show."""

    def error(broad: bool) -> float:
        seen = SceneGeometry(feather(broad)).views(SIZE_PX, POINTS).seen()
        return float(np.abs(seen.covered() - cut_straight_across()).max())

    assert error(broad=True) < 0.04
    assert error(broad=False) > 0.5


def test_a_feather_keeps_its_part_and_faces_the_camera() -> None:
    geometry = SceneGeometry(feather(broad=True))
    seen = geometry.views(SIZE_PX, POINTS).seen()
    shown = np.unique(seen.primitives[seen.primitives >= 0])
    assert set(geometry.parts[shown]) == {Part.HAIR}
    np.testing.assert_allclose(geometry.normals[shown] @ [0, 0, 1], 1, atol=1e-3)


def test_each_curve_has_quads_of_its_own() -> None:
    rng = np.random.default_rng(3)
    curves = np.concatenate([rng.normal(size=(5, 4, 3)), np.full((5, 4, 1), 0.1)], axis=-1)
    points, quads = facing_ribbons(curves, np.array([0.0, 0.0, 50.0]))
    assert points.shape == (5 * 4 * 2, 3)
    assert quads.shape == (5 * 3, 4)
    assert (quads // 8 == np.repeat(np.arange(5), 3)[:, None]).all()
    width = np.linalg.norm(points[0::2] - points[1::2], axis=1)
    np.testing.assert_allclose(width, 0.2)
