"""From an animal's spec to the scene that is rendered."""

from functools import partial

import numpy as np

from models.renderer.animals import (
    collar,
    ears,
    eyes,
    fur,
    horns,
    nose_mouth,
    whiskers,
)
from models.renderer.animals.head import skull
from models.renderer.animals.hide import Hide
from models.renderer.animals.landmarks import animal_landmarks
from models.renderer.animals.pelt import pelt
from models.renderer.animals.pose import PosedAnimal
from models.renderer.animals.spec import AnimalSpec
from models.renderer.blender.nodes import Graph, plain_material
from models.renderer.mesh.geometry import Array, Faces, Points, unit
from models.renderer.scene import light
from models.renderer.scene.camera import placed
from models.renderer.scene.scene import Camera, Mesh, Part, Scene, Strands
from models.renderer.scene.surroundings import LUMA

HEADROOM = 0.04
"""Least share of the picture above fur, ears and horns."""
ALPHA_POINTS = 12
"""On one dog's edges, alpha at 8 a side was off by .0304 (RMSE), at 12 by .0284."""
USUAL_COAT = 0.2
"""Share of light that a coat reflects which the meter exposes as it is; paler ones get more."""
EAR_SHARE = 0.45
"""How much of what stands above the skull counts as head where the camera frames."""


def build_animal(spec: AnimalSpec) -> Scene:
    """Everything that the renderer and the ground truth need; the skull's middle is the origin."""
    posed, bare = PosedAnimal(spec.head, spec.pose), partial(skull, spec.head)
    both_eyes = eyes.eye_pair(spec.eyes, bare)
    both_ears = ears.ear_pair(spec.ears, bare)
    nose = nose_mouth.tip(spec.nose_mouth, spec.head, bare)
    lips = nose_mouth.mouth_line(spec.nose_mouth, nose, bare)
    hide = Hide(spec, both_eyes, both_ears, nose, lips)
    grown = horns.horn_pair(spec.horns, bare)
    solid = [posed(hide.fur_surface()), *(posed(points) for points, _ in grown)]
    landmarks = animal_landmarks(spec.head, both_eyes, both_ears, nose, _corners(lips, nose))
    landmarks = {name: posed(at[None])[0] for name, at in landmarks.items()}
    camera = _framed(spec, posed(hide.points[hide.is_head]), landmarks, np.concatenate(solid))
    meshes = [
        hide.mesh(posed),
        *_eyes(spec, both_eyes, posed, camera),
        *_nose(spec, nose, posed, bare),
        *(_mesh("mouth", *part, posed) for part in nose_mouth.mouth(lips)),
        *(_mesh("horn", *part, posed, Part.ACCESSORIES) for part in grown),
        *(
            _mesh(name, points, faces, posed, Part.ACCESSORIES)
            for name, points, faces in collar.collar_parts(
                spec.collar, spec.head, bare, hide.over_fur_dm
            )
        ),
    ]
    coat = pelt(spec, hide, posed, camera)
    axes, between = camera.axes(), (landmarks["eye_left"] + landmarks["eye_right"]) / 2
    return Scene(
        meshes=tuple(meshes),
        strands=(*coat, *_whiskers(spec, posed)),
        materials=_materials(spec),
        world=light.world(spec.light, axes),
        lamps=light.lamps(spec.light, axes, between),
        camera=camera,
        landmarks=landmarks,
        alpha_points=ALPHA_POINTS,
        meter_aim=_meter_aim(coat),
    )


def _meter_aim(coat: list[Strands]) -> float:
    """More than 1 where the hairs that the camera may see are pale."""
    rgb = np.concatenate([hair.rgb for hair in coat if hair.rgb is not None])
    reflects = float(np.sqrt(rgb @ LUMA).mean()) ** 2
    return max(1.0, reflects / USUAL_COAT)


def _framed(spec: AnimalSpec, head: Points, landmarks: dict[str, Points], solid: Points) -> Camera:
    """The camera around the head and part of its ears, raised where it would cut them off."""
    top = max(landmarks[f"ear_tip_{side}"][1] for side in ("left", "right"))
    high = head[:, 1].max()
    head = np.concatenate([head, [[head[0, 0], high + max(top - high, 0) * EAR_SHARE, 0.0]]])
    between = (landmarks["eye_left"] + landmarks["eye_right"]) / 2
    camera = placed(spec.camera, head, between, spec.pose.body_yaw_rad)
    return camera.raised(solid, HEADROOM)


def _mesh(  # type: ignore[no-untyped-def]
    material: str, points: Points, faces: Faces, posed: PosedAnimal, part: Part = Part.FACE, **more
) -> Mesh:
    return Mesh(points=posed(points), faces=faces, material=material, part=part, **more)


def _eyes(
    spec: AnimalSpec, both: tuple[eyes.Eye, eyes.Eye], posed: PosedAnimal, camera: Camera
) -> list[Mesh]:
    right, up, forward = camera.axes()
    key = spec.light.lamps[0]
    level = np.sin(key.azimuth_rad) * right - np.cos(key.azimuth_rad) * forward
    shine = unit(np.cos(key.elevation_rad) * level + np.sin(key.elevation_rad) * up - forward)
    made = []
    for eye in both:
        way = posed.resting(np.array(camera.position) - posed(eye.middle[None])[0])
        aim = eyes.gaze(eye, eye.middle + way, (spec.pose.gaze_yaw_rad, spec.pose.gaze_pitch_rad))
        points, faces, angles = eyes.ball(eye, aim, posed.resting(shine))
        made.append(_mesh("eyes", points, faces, posed, attributes=angles))
    return made


def _nose(spec: AnimalSpec, nose: Points, posed: PosedAnimal, bare) -> list[Mesh]:  # type: ignore[no-untyped-def]
    pad = nose_mouth.pad(spec.nose_mouth, nose)
    made = [_mesh("nose", *pad, posed)] if pad else []
    holes = nose_mouth.nostrils(spec.nose_mouth, nose, bare)
    return made + [_mesh("nostrils", *hole, posed) for hole in holes]


def _corners(lips: list[Points], nose: Points) -> Array:
    """The left and the right corner of the mouth [2, 3]; where there is none, below the nose."""
    if not lips:
        return nose + np.array([[0.1, -0.15, -0.1], [-0.1, -0.15, -0.1]])
    return np.stack([lips[0][-1], lips[0][0]])


def _whiskers(spec: AnimalSpec, posed: PosedAnimal) -> list[Strands]:
    hairs = whiskers.hairs(spec.whiskers, spec.head, partial(skull, spec.head))
    if hairs is None:
        return []
    taper = np.linspace(1, 0.25, hairs.shape[1])
    radius = np.broadcast_to(spec.whiskers.radius_dm * taper, hairs.shape[:2])
    return [Strands(points=posed(hairs), radius=radius, material="whiskers")]


def _materials(spec: AnimalSpec) -> dict[str, Graph]:
    whisker = (0.75, 0.73, 0.7) if spec.whiskers.white else (0.02, 0.018, 0.017)
    return {
        "skin": fur.skin_material(),
        "fur": fur.material(spec.fur.gloss, spec.coat.ticking, spec.coat.variety),
        "eyes": eyes.material(spec.eyes),
        "nose": nose_mouth.material(spec.nose_mouth),
        "nostrils": plain_material((0.006, 0.005, 0.005), 0.7, 0.1),
        "mouth": plain_material((0.015, 0.009, 0.008), 0.55),
        "horn": horns.material(),
        "collar": plain_material(spec.collar.rgb, 0.6),
        "tag": plain_material((0.72, 0.56, 0.2), 0.3, metallic=1.0),
        "whiskers": plain_material(whisker, 0.4),
    }
