"""A finished portrait with its labels."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.imaging.pixels import to_u16

MEMBERS = ("alpha", "fg", "trimap", "depth", "normals", "parts", "landmarks")


@dataclass(frozen=True, kw_only=True)
class RenderedPicture:
    """Arrays [h, w, ...]; members that were not asked for are None."""

    rgb_u8: NDArray[np.uint8]
    """The scene as photographed: the subject before a background, with sensor noise."""
    alpha: NDArray[np.float32]
    """Share of the subject in each pixel, 0 to 1."""
    fg_u8: NDArray[np.uint8] | None = None
    """Straight colour of the subject, without noise; filled in around it."""
    trimap_u8: NDArray[np.uint8] | None = None
    """0 background, 128 unknown, 255 foreground."""
    depth_mm: NDArray[np.uint16] | None = None
    """From the camera's plane; 0 where alpha is 0."""
    normals_u8: NDArray[np.uint8] | None = None
    """(right, up, towards the camera) as (n + 1) * 127.5; 0 where alpha is 0."""
    parts_u8: NDArray[np.uint8] | None = None
    """`models.renderer.scene.scene.Part`."""
    landmarks: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Points of the face as (x, y) in pixels from the top left corner, hidden ones too."""
    camera: dict[str, Any] = field(default_factory=dict)
    defects: tuple[str, ...] = ()
    """What quality control found; empty: fine."""

    @property
    def alpha_u16(self) -> NDArray[np.uint16]:
        """alpha times 65535, rounded."""
        return to_u16(self.alpha)
