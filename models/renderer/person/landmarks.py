"""Points of the face that other tools know by name."""

from functools import cache

import numpy as np

from models.renderer.mesh.geometry import Points
from models.renderer.person.makehuman import base_mesh
from models.renderer.person.pose import Posed


@cache
def vertices() -> dict[str, int]:
    """Vertex of the base mesh for each landmark; left and right are the person's."""
    mesh = base_mesh()
    x, y, z = mesh.points.T
    body = mesh.is_body

    def extreme(where, score):  # type: ignore[no-untyped-def]
        return int(np.argmax(np.where(where & body, score, -np.inf)))

    lips, middle = mesh.lips > 0.5, np.abs(x) < 0.03
    found = {
        "nose_tip": extreme(middle & (y > 6.8) & (y < 7.3), z),
        "chin": extreme(middle & (z > 1.0) & (y > 5.9) & (y < 6.6), z - 0.6 * y),
        "mouth_left": extreme(lips, x),
        "mouth_right": extreme(lips, -x),
        "lip_top": extreme(lips & middle & (z > 1.3), y),
        "lip_bottom": extreme(lips & middle & (z > 1.3), -y),
        "nose_bridge": extreme(middle & (np.abs(y - 7.3) < 0.06), z),
        "forehead": extreme(middle & (np.abs(y - 7.9) < 0.1), z),
    }
    for side, sign in (("left", 1), ("right", -1)):
        lid, flank = mesh.group(f"joint-{side[0]}-eye"), x * sign > 0
        eye = mesh.points[lid].mean(axis=0)
        around = flank & (np.abs(y - eye[1]) < 0.12) & (np.abs(x - eye[0]) < 0.3) & (z > 0.8)
        found[f"eye_outer_{side}"] = extreme(around & (mesh.lids > 0.2), x * sign)
        found[f"eye_inner_{side}"] = extreme(around & (mesh.lids > 0.2), -x * sign)
        found[f"ear_{side}"] = extreme(flank & (mesh.ears > 0.5), x * sign)
        found[f"jaw_{side}"] = extreme(
            flank & (np.abs(y - 6.5) < 0.1) & (z < 0.7) & (z > 0.1), x * sign
        )
        brow = flank & (np.abs(y - 7.48) < 0.06) & (z > 0.9)
        found[f"brow_inner_{side}"] = extreme(brow, -np.abs(x - sign * 0.12))
        found[f"brow_outer_{side}"] = extreme(brow, -np.abs(x - sign * 0.5))
    return found


def places(posed: Posed) -> dict[str, Points]:
    """Where each landmark and both eyeballs' middles are in MakeHuman's frame, dm: [3] each."""
    found = {name: posed.points[vertex] for name, vertex in vertices().items()}
    for side in ("left", "right"):
        found[f"eye_{side}"] = posed.points[base_mesh().group(f"helper-{side[0]}-eye")].mean(axis=0)
    return found
