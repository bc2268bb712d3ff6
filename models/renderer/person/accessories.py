"""What is worn on the head, and what it hides; models.renderer.person.headgear makes the meshes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.renderer.blender.nodes import Graph
from models.renderer.person.fabric import Fabric, draw_fabric

FRAMES = (
    (0.01, 0.01, 0.01),
    (0.12, 0.05, 0.02),
    (0.6, 0.5, 0.35),
    (0.45, 0.45, 0.47),
    (0.03, 0.04, 0.10),
)
HAT_LINE_DM = 7.62
SCARF_EDGE_DM = 5.45


@dataclass(frozen=True, kw_only=True)
class Accessories:
    """Lengths in decimetres."""

    glasses: bool
    lens_dm: tuple[float, float]  # half the width and half the height of a lens
    lens_squareness: float  # 2: an ellipse, more: a rounded box
    rim_dm: float
    frame_rgb: tuple[float, float, float]
    metal: bool
    sunglasses: bool
    headwear: str
    hat: str
    hat_room_dm: float
    brim_dm: float
    fabric: Fabric
    seed: int


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> Accessories:
    """The glasses and headwear in `labels`."""
    frame = int(rng.integers(len(FRAMES)))
    return Accessories(
        glasses=labels["glasses"] == "yes",
        lens_dm=(float(rng.uniform(0.23, 0.30)), float(rng.uniform(0.17, 0.25))),
        lens_squareness=float(rng.uniform(2, 4)),
        rim_dm=float(rng.uniform(0.010, 0.024)),
        frame_rgb=FRAMES[frame],
        metal=frame in (2, 3),
        sunglasses=bool(rng.random() < 0.12),
        headwear=labels["headwear"],
        hat=str(rng.choice(["beanie", "cap", "brimmed"])),
        hat_room_dm=float(rng.uniform(0.02, 0.16)),
        brim_dm=float(rng.uniform(0.45, 0.85)),
        fabric=draw_fabric(rng, knitted=False),
        seed=int(rng.integers(2**31)),
    )


def hair_limit(accessories: Accessories) -> float | None:
    """Hair with roots above this height on the base mesh is hidden; None: nothing is."""
    return {"hat": HAT_LINE_DM + 0.05, "headscarf": -1.0}.get(accessories.headwear)


def cloth_limit(accessories: Accessories) -> float:
    """Garments above this height on the base mesh lie below a headscarf; infinite where none is
    worn."""
    return SCARF_EDGE_DM + 0.3 if accessories.headwear == "headscarf" else np.inf


def lens_material(accessories: Accessories) -> Graph:
    """Glass that bends what the camera sees through it a little, mirrors at grazing angles and
    casts no shadow."""
    g = Graph()
    tint = (0.05, 0.05, 0.06, 1.0) if accessories.sunglasses else (0.96, 0.97, 0.97, 1.0)
    seen = g.node("ShaderNodeLightPath", output="Is Camera Ray")
    bent = g.node("ShaderNodeBsdfRefraction", {"Color": tint, "IOR": 1.03, "Roughness": 0.0})
    straight = g.node("ShaderNodeBsdfTransparent", {"Color": tint})
    through = g.node("ShaderNodeMixShader", {0: seen, 1: straight, 2: bent})
    mirror = g.node("ShaderNodeBsdfGlossy", {"Roughness": 0.01})
    fresnel = g.node("ShaderNodeFresnel", {"IOR": 1.4})
    return g.surface(
        g.node("ShaderNodeMixShader", {0: g.times(fresnel, seen), 1: through, 2: mirror})
    )
