"""From a spec to the scene that is rendered."""

import numpy as np

from models.renderer.blender.nodes import Graph, plain_material
from models.renderer.mesh.geometry import Faces, Subdivision, vertex_normals
from models.renderer.person import (
    accessories,
    clothes,
    combing,
    eyes,
    fabric,
    facial_hair,
    hair,
    headgear,
    skin,
)
from models.renderer.person.expression import express
from models.renderer.person.hair_growth import Scalp
from models.renderer.person.hand import Hand
from models.renderer.person.landmarks import places
from models.renderer.person.makehuman import base_mesh
from models.renderer.person.pose import Posed
from models.renderer.person.shape import shaped
from models.renderer.person.spec import PortraitSpec
from models.renderer.scene import light
from models.renderer.scene.camera import placed
from models.renderer.scene.scene import Camera, Mesh, Part, Scene, Strands

LOWEST_SKIN_DM = 3.6
HEAD_DM = 6.2
"""The head begins at this height of the base mesh."""
COVERED_DM = 0.4
"""Skin this far below a neckline is left out; what shows of a strip above it pokes through."""
HEADROOM = 0.03
"""Least share of the picture above hair and hats."""
STRAY = 0.002
"""Share of the hair's points that may stick out further."""
_FINER: dict[str, Subdivision] = {}


def build_scene(spec: PortraitSpec) -> Scene:
    """Everything that the renderer and the ground truth need, in MakeHuman's frame."""
    points = shaped(spec.shape)
    express(points, spec.expression)
    posed = Posed(points, spec.pose, spec.hand)
    scalp = Scalp(
        posed.points, vertex_normals(posed.points, base_mesh().faces("body")), posed.head_axes()
    )
    grows = hair.density(spec.hair)
    limit = accessories.hair_limit(spec.accessories)
    strands = [
        *combing.strands(spec.hair, scalp, grows, limit),
        *facial_hair.brow_strands(spec.brows, scalp),
        *facial_hair.beard_strands(spec.beard, scalp),
    ]
    worn = headgear.meshes(spec.accessories, posed)
    head = posed.points[base_mesh().is_body & (base_mesh().points[:, 1] > HEAD_DM)]
    camera = placed(spec.camera, head, scalp.eyes, spec.pose.body_yaw_rad)
    camera = _framed(camera, posed, strands, worn)
    meshes = [
        _skin(spec, posed, grows),
        *eyes.meshes(posed, np.array(camera.position)),
        *_mouth(posed),
        *clothes.meshes(spec.clothes, posed.points, accessories.cloth_limit(spec.accessories)),
        *worn,
    ]
    axes = camera.axes()
    return Scene(
        meshes=tuple(meshes),
        strands=tuple(strands),
        materials=_materials(spec),
        world=light.world(spec.light, axes),
        lamps=light.lamps(spec.light, axes, scalp.eyes),
        camera=camera,
        landmarks=places(posed),
    )


def _framed(camera: Camera, posed: Posed, strands: list[Strands], worn: list[Mesh]) -> Camera:
    """The camera, raised where it would cut off the top of the head, of the hair or of a hat."""
    solid = [posed.points[base_mesh().is_body], *(mesh.points for mesh in worn)]
    camera = camera.raised(np.concatenate(solid), HEADROOM)
    if not strands:
        return camera
    return camera.raised(
        np.concatenate([hair.points.reshape(-1, 3) for hair in strands]), HEADROOM, STRAY
    )


def _skin(spec: PortraitSpec, posed: Posed, grows: np.ndarray) -> Mesh:
    base = base_mesh()
    finer = _subdivided(f"skin {spec.hand.side}", _skin_faces(spec.hand))
    below = clothes.covered(spec.clothes)
    on_chin = facial_hair.beard_density(spec.beard)
    attributes = {
        **skin.masks(),
        "scalp": grows,
        "stubble": np.maximum(on_chin, 0.5 * facial_hair.brow_density(spec.brows)),
        "cut": COVERED_DM - below,
    }
    x, y, z = base.points.T
    face = (
        (y > 6.25 + 0.35 * np.clip(np.abs(x) - 0.2, 0, 1))
        & (z > 0.35)
        & (y < 8.05)
        & (base.ears < 0.3)
        & (grows < 0.5)
    )
    return Mesh(
        points=finer.refine(posed.points), faces=finer.faces, material="skin", part=Part.SKIN,
        attributes={name: finer.refine(values) for name, values in attributes.items()},
        face_weight=finer.refine(face.astype(float)), hidden=finer.refine(below - 0.08),
    )  # fmt: skip


def _skin_faces(hand: Hand) -> Faces:
    """Faces of head and chest, and of a raised hand."""
    base = base_mesh()
    faces = base.faces("body")
    shown = base.points[:, 1] > LOWEST_SKIN_DM
    if hand.side:
        mine = (base.points[:, 0] > 0) == (hand.side == "left")
        shown |= mine & (clothes.inside_sleeves() < COVERED_DM)
    return faces[shown[faces].all(axis=1)]


def _mouth(posed: Posed) -> list[Mesh]:
    made = []
    for name, groups in (
        ("teeth", ("helper-upper-teeth", "helper-lower-teeth")),
        ("tongue", ("helper-tongue",)),
    ):
        finer = _subdivided(name, base_mesh().faces(*groups))
        made.append(
            Mesh(
                points=finer.refine(posed.points), faces=finer.faces, material=name, part=Part.FACE
            )
        )
    return made


def _subdivided(name: str, faces: Faces) -> Subdivision:
    if name not in _FINER:
        _FINER[name] = Subdivision(faces, len(base_mesh().points))
    return _FINER[name]


def _materials(spec: PortraitSpec) -> dict[str, Graph]:
    worn, beard = spec.accessories, spec.beard
    rgb = np.array(spec.hair.rgb) * (1 - spec.hair.grey) + hair.GREY * spec.hair.grey
    shade = 0.0 if spec.hair.style == "bald" else 0.9
    return {
        "skin": skin.material(
            spec.skin, hair_rgb=rgb, scalp_shade=shade, stubble=max(beard.shade, 0.35)
        ),
        "eyes": eyes.material(spec.eyes),
        "lashes": eyes.lash_material(spec.eyes),
        "teeth": plain_material((0.62, 0.56, 0.47), 0.25),
        "tongue": plain_material((0.36, 0.11, 0.10), 0.4),
        "hair": hair.material(spec.hair),
        "brows": hair.material(spec.hair, darker=0.8, grey=0.6),
        "beard": hair.material(spec.hair, darker=0.85),
        "cloth": fabric.material(spec.clothes.fabric),
        "hem": fabric.material(spec.clothes.fabric, holes=False),
        "collar": fabric.material(spec.clothes.fabric, holes=False),
        "jacket": fabric.material(spec.clothes.jacket),
        "hat": fabric.material(worn.fabric),
        "scarf": fabric.material(worn.fabric),
        "brim": fabric.material(worn.fabric, holes=False),
        "headphones": plain_material((0.02, 0.02, 0.022), 0.35),
        "frame": plain_material(worn.frame_rgb, 0.3, metallic=1.0 if worn.metal else 0.0),
        "lens": accessories.lens_material(worn),
    }
