"""What makes a picture unfit: a covered face, a head out of the frame, one surface through
another."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.renderer.labels import ground_truth
from models.renderer.labels.views import SceneGeometry, Seen
from models.renderer.scene.scene import Part, Scene
from models.renderer.subject import Face

SIZE_PX, PER_PIXEL = 128, 2
"""Size of the views that are judged: whether a subject is fit does not depend on the picture's
size."""
FACE_VISIBLE = 0.55
"""Least share of the face's middle, as it would be without hair and accessories, in which the face
is seen."""
POKE_SHARE = 0.004
"""Largest share of the subject's pixels in which hidden skin, or cloth below a headscarf, shows."""
FRAME_MARGIN = 0.01


def defects(scene: Scene, geometry: SceneGeometry, face: Face) -> tuple[str, ...]:
    """Names of what is wrong, from a pinhole's view of the geometry; nothing needs to be rendered
    for it."""
    seen, bare = geometry.views(SIZE_PX, PER_PIXEL).seen(), geometry.views(SIZE_PX, 1).bare()
    points = ground_truth.landmarks(scene, SIZE_PX)
    found = []
    if face_visible(geometry, seen, bare, points, face) < FACE_VISIBLE:
        found.append("face_covered")
    if out_of_frame([points[name] for name in face.in_frame], seen.covered()):
        found.append("out_of_frame")
    if poking(geometry, seen) > POKE_SHARE:
        found.append("poke_through")
    return tuple(found)


def face_visible(
    geometry: SceneGeometry,
    seen: Seen,
    bare: Seen,
    points: Mapping[str, tuple[float, float]],
    face: Face,
) -> float:
    """Share of the bare face's middle, brows to chin, that is still one of the parts that may lie
    there, in the picture."""
    eyes, mouth = (
        np.mean([points[name] for name in names], axis=0) for names in (face.eyes, face.mouth)
    )
    middle_x, middle_y = (eyes + mouth) / 2
    y, x = np.indices(bare.primitives.shape) + 0.5
    inner = np.hypot(x - middle_x, y - middle_y) < np.hypot(*(eyes - mouth))
    whole = (_parts(geometry, bare.primitives) == Part.FACE) & inner
    middle = seen.per_pixel // 2
    at_middles = seen.primitives[middle :: seen.per_pixel, middle :: seen.per_pixel]
    still = np.isin(_parts(geometry, at_middles), face.shown)
    return float((whole & still).sum() / max(whole.sum(), 1))


def out_of_frame(points: Sequence[tuple[float, float]], alpha: NDArray[np.float32]) -> bool:
    """Whether part of the face is outside, or the top of the head or hair touches the upper
    edge."""
    size = len(alpha)
    places = np.array(points) / size
    outside = (places < FRAME_MARGIN) | (places > 1 - FRAME_MARGIN)
    return bool(outside.any() or (alpha[0] > 0.5).mean() > 0.05)


def poking(geometry: SceneGeometry, seen: Seen) -> float:
    """Share of the subject's points at which a surface shows that should lie below another."""
    there = seen.primitives[seen.primitives >= 0]
    return float((geometry.hidden[there] > 0).mean()) if len(there) else 0.0


def _parts(geometry: SceneGeometry, primitives: NDArray[np.int32]) -> NDArray[np.int64]:
    return np.where(primitives >= 0, geometry.parts[primitives], 0)
