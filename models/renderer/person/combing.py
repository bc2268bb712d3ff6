"""The strands of a head: where guides leave the scalp in each style, and the hairs between them."""

import numpy as np

from models.renderer.mesh.geometry import Array, Weights, at_roots, random_roots, tangent, unit
from models.renderer.person.hair import Hair
from models.renderer.person.hair_growth import Comb, Scalp, grow_guides, interpolate
from models.renderer.person.makehuman import base_mesh
from models.renderer.scene.scene import Strands


def strands(
    hair: Hair, scalp: Scalp, grows: Weights, below_dm: float | None = None
) -> list[Strands]:
    """All strands. `below_dm`: only roots lower than this on the base mesh, for hair below a
    hat."""
    rng = np.random.default_rng(hair.seed)
    base = base_mesh()
    if below_dm is not None:
        grows = grows * (base.points[:, 1] < below_dm)
    if not hair.count or grows.max() <= 0:
        return []
    faces = base.faces("body")
    guide_roots = random_roots(rng, base.points, faces, grows, 700)
    roots = random_roots(rng, base.points, faces, grows, hair.count)
    guides = grow_guides(rng, hair, scalp, guide_roots, _comb(rng, hair, scalp, guide_roots))
    points = interpolate(rng, hair, scalp, guides, guide_roots, roots)
    if hair.style == "bun":
        points = np.concatenate([points, _bun(rng, hair, scalp, points.shape[1])])
    taper = np.interp(np.linspace(0, 1, points.shape[1]), [0, 0.7, 1], [1, 0.85, 0.3])
    radius = np.broadcast_to(hair.radius_dm * taper, points.shape[:2])
    return [Strands(points=points, radius=radius, material="hair")]


def _comb(rng: np.random.Generator, hair: Hair, scalp: Scalp, roots) -> Comb:  # type: ignore[no-untyped-def]
    """Directions in which guides leave the scalp, and where a tie pulls them."""
    base = base_mesh()
    root, normal = at_roots(scalp.points, roots), unit(at_roots(scalp.normals, roots))
    on_base = at_roots(base.points, roots)
    side = np.where(on_base[:, 0] > hair.parting_dm, 1.0, -1.0)
    one, left, up, front = np.ones(len(root)), *scalp.axes

    def direction(x, y, z):  # type: ignore[no-untyped-def]
        return tangent(np.outer(x, left) + np.outer(y, up) + np.outer(z, front), normal)

    parted = direction(side, -0.35 * one, rng.uniform(-0.3, 0.2) * one)
    back = direction(0.1 * side, 0.15 * one, -one)
    crown = scalp.top + left * hair.parting_dm * 0.5 - front * 0.25
    outward = tangent(root - crown, normal)
    forward = direction(0.2 * side, -0.2 * one, np.where(on_base[:, 2] > 0.1, 1.0, -0.3))
    messy = unit(outward + rng.normal(0, 0.5, 3))
    tie = scalp.joint + up * hair.tie_dm[0] + front * (hair.tie_dm[1] - 0.95)
    directions = {
        "crop": (forward, outward, parted)[hair.seed % 3],
        "side parting": parted,
        "slick": back,
        "messy": messy,
        "bob": parted,
        "fringe": unit(outward + 0.45 * forward),
        "wavy bob": parted,
        "straight": parted,
        "wavy": parted,
        "curls": (parted, outward)[hair.seed % 2],
        "afro": normal,
        "ponytail": tangent(tie - root, normal),
        "bun": tangent(tie - root, normal),
    }
    return Comb(
        directions=directions.get(hair.style, outward),
        side=side,
        tie=tie if hair.style in ("ponytail", "bun") else None,
    )


def _bun(rng: np.random.Generator, hair: Hair, scalp: Scalp, points: int) -> Array:
    """A knot of strands wound around the tie."""
    _, up, front = scalp.axes
    tie = scalp.joint + up * hair.tie_dm[0] + front * (hair.tie_dm[1] - 0.95)
    n, radius = 2200, rng.uniform(0.28, 0.45)
    start = unit(rng.normal(0, 1, (n, 3)))
    across = np.cross(unit(np.cross(start, rng.normal(0, 1, (n, 3)))), start)
    turn = np.linspace(0, rng.uniform(1.5, 2.6), points)[None, :, None]
    shell = radius * rng.uniform(0.85, 1.05, (n, 1, 1))
    wound: Array = tie + shell * (start[:, None] * np.cos(turn) + across[:, None] * np.sin(turn))
    return wound
