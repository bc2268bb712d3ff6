"""What quality control finds when something is wrong on purpose."""

from dataclasses import replace

import numpy as np
import pytest

from models.renderer.labels import quality_control
from models.renderer.labels.views import SceneGeometry
from models.renderer.mesh.geometry import vertex_normals
from models.renderer.person.portrait import build_scene
from models.renderer.person.subject import PERSON
from models.renderer.scene.scene import Scene

pytestmark = pytest.mark.portraits  # needs MakeHuman's shapes
SEED = 3


def swollen(scene: Scene, material: str, by_dm: float) -> Scene:
    """The scene with one material's surface pushed outwards."""
    return replace(
        scene,
        meshes=tuple(
            replace(mesh, points=mesh.points + by_dm * vertex_normals(mesh.points, mesh.faces))
            if mesh.material == material
            else mesh
            for mesh in scene.meshes
        ),
    )


@pytest.mark.parametrize(
    ("labels", "material"),
    [
        ({"headwear": "headscarf", "hand": "no"}, "cloth"),
        ({"headwear": "none", "hair": "short"}, "skin"),
    ],
)
def test_a_surface_that_pierces_another_is_found(labels: dict[str, str], material: str) -> None:
    scene = build_scene(PERSON.draw(SEED, {"pose": "frontal", "clothes": "tshirt", **labels}))
    assert quality_control.defects(scene, SceneGeometry(scene), PERSON.face) == ()
    pierced = swollen(scene, material, 0.5)
    assert "poke_through" in quality_control.defects(pierced, SceneGeometry(pierced), PERSON.face)


def test_a_head_beyond_the_frame_is_found() -> None:
    scene = build_scene(PERSON.draw(SEED, {"pose": "frontal", "hand": "no"}))
    aside = np.array([6.0, 0.0, 0.0])
    camera = replace(
        scene.camera,
        position=tuple(scene.camera.position + aside),
        target=tuple(scene.camera.target + aside),
    )
    moved = replace(scene, camera=camera)
    assert "out_of_frame" in quality_control.defects(moved, SceneGeometry(moved), PERSON.face)
