"""What is around the subject as light: rooms, studios and skies, painted as panoramas.

Directions are those of `sphere.py`, colours linear radiance.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from models.renderer.scene.skies import clear_sky, clouds, dusk
from models.renderer.scene.sphere import (
    ROWS,
    Direction,
    Picture,
    Rng,
    directions,
    noise_at,
    towards,
)
from models.scenes.textures import colour

LUMA = np.array([0.2126, 0.7152, 0.0722])


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """A panorama by its kind and seed."""

    kind: str
    """room, night_room, studio, clouds, clear or dusk."""
    seed: int
    strength: float
    """Mean luminance over all directions."""
    rgb: tuple[float, float, float]
    """Tint of its light."""


def panorama(surroundings: Surroundings, lamps: Sequence[Direction], rows: int = ROWS) -> Picture:
    """Radiance [rows, 2 rows, 3], float32; what shines in it lies where the lamps are, the first of
    them the key."""
    seen = directions(rows)
    painted = (
        KINDS[surroundings.kind](np.random.default_rng(surroundings.seed), seen, lamps)
        * surroundings.rgb
    )
    weight = np.hypot(seen[..., 0], seen[..., 1])  # of a pixel's solid angle
    mean = np.average(painted @ LUMA, weights=weight)
    return np.asarray(painted * (surroundings.strength / mean), np.float32)


class _Room:
    """A box around the face, lit by what was painted bright in it. Lengths in metres."""

    def __init__(self, rng: Rng, seen: Picture, key: Direction) -> None:
        """The walls stand so that one of them is square to the key light's azimuth, give or
        take."""
        self.rng, turn = rng, key[0] + rng.normal(0, 0.15)
        cos, sin = np.cos(turn), np.sin(turn)
        self.axes = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
        ways = seen @ self.axes.T
        low = np.array(
            [rng.uniform(1.5, 4), rng.uniform(1.2, 4), rng.uniform(1.1, 1.6)]
        )  # floor below the face
        high = np.array([rng.uniform(1.6, 3), rng.uniform(1.2, 4), rng.uniform(0.9, 1.6)])
        self.low, self.high = -low, high
        with np.errstate(divide="ignore"):
            reach = np.where(ways > 0, high / ways, -low / ways)
        self.axis = reach.argmin(axis=2)
        self.positive = np.take_along_axis(ways, self.axis[..., None], 2)[..., 0] > 0
        self.points = ways * reach.min(axis=2)[..., None]
        self.radiance = np.zeros(seen.shape)
        wall, ceiling = (
            colour(rng, np.full(3, rng.uniform(0.3, 0.8)), 0.1),
            colour(rng, np.full(3, 0.8), 0.05),
        )
        floor = colour(rng, np.array([0.4, 0.28, 0.18]) * rng.uniform(0.4, 1.4), 0.06)
        self.radiance[:] = wall
        if rng.random() < 0.4:
            self.radiance[(self.axis == 1) & self.positive] = colour(
                rng
            )  # a wall of another colour
        self.radiance[(self.axis == 2) & self.positive] = ceiling
        self.radiance[(self.axis == 2) & ~self.positive] = floor
        grain = noise_at(
            rng, self.points[..., 0] * 3, self.points[..., 1] * 3 + self.points[..., 2], 1.2
        )
        self.radiance *= (1 + 0.08 * grain)[..., None]

    def rectangle(
        self, axis: int, positive: bool, centre: tuple[float, float], half: tuple[float, float]
    ) -> Picture:
        """Where the wall across `axis` shows a rectangle; centre and half sides along its other
        axes, in order."""
        across, along = [other for other in range(3) if other != axis]
        inside = (np.abs(self.points[..., across] - centre[0]) < half[0]) & (
            np.abs(self.points[..., along] - centre[1]) < half[1]
        )
        return np.asarray(inside & (self.axis == axis) & (self.positive == positive))

    def furnish(self) -> None:
        """Things that stand along the walls, and a picture or two on them."""
        rng = self.rng
        for _ in range(int(rng.integers(2, 6))):
            axis, positive = int(rng.integers(2)), bool(rng.random() < 0.5)
            top, half = rng.uniform(-0.8, 0.4), rng.uniform(0.3, 1.0)
            middle = (self.low[2] + top) / 2
            place = self.rectangle(
                axis, positive, (rng.uniform(-2, 2), middle), (half, top - middle)
            )
            self.radiance[place] = colour(rng) * rng.uniform(0.2, 0.8)
        for _ in range(int(rng.integers(0, 3))):
            side = rng.uniform(0.2, 0.5), rng.uniform(0.2, 0.4)
            place = self.rectangle(
                1, bool(rng.random() < 0.5), (rng.uniform(-1.5, 1.5), rng.uniform(0, 0.5)), side
            )
            self.radiance[place] = colour(rng)

    def shade(self, source: tuple[float, float, float]) -> None:
        """Falls off with the distance from a source of light, and into the edges of the room."""
        distance = np.linalg.norm(self.points - source, axis=2)
        self.radiance *= (0.35 + 1.6 / (1 + (distance / 1.5) ** 2))[..., None]
        gaps = np.minimum(self.points - self.low, self.high - self.points)
        corner = np.sort(gaps, axis=2)[..., 1]  # the smallest is 0: the wall itself
        self.radiance *= (1 - 0.35 * np.exp(-corner / 0.25))[..., None]

    def window(self, elevation: float, outside: Picture) -> None:
        """One or two windows with panes in the wall of the key light, which show `outside`."""
        rng, wall = self.rng, float(self.high[0])
        half = rng.uniform(0.45, 1.0), rng.uniform(0.5, 0.85)
        height = float(np.clip(wall * np.tan(elevation), -0.3, self.high[2] - half[1] - 0.1))
        panes = int(rng.integers(1, 4)), int(rng.integers(1, 3))
        self.shade((wall, 0.0, height))
        for place in (0.0, (2 * half[0] + rng.uniform(0.2, 0.8)) * rng.choice([-1, 1]))[
            : int(rng.integers(1, 3))
        ]:
            frame = self.rectangle(0, True, (place, height), (half[0] + 0.07, half[1] + 0.07))
            self.radiance[frame] = rng.uniform(0.3, 0.9)
            across = (self.points[..., 1] - place + half[0]) / (2 * half[0]) * panes[0] % 1
            along = (self.points[..., 2] - height + half[1]) / (2 * half[1]) * panes[1] % 1
            glass = np.minimum(np.minimum(across, 1 - across), np.minimum(along, 1 - along)) > 0.05
            open_ = self.rectangle(0, True, (place, height), half) & glass
            self.radiance[open_] = outside[open_]

    def ceiling_lights(self, rgb: Picture, brightness: float) -> None:
        """A grid of square lights."""
        rng = self.rng
        side, apart = rng.uniform(0.08, 0.3), rng.uniform(0.9, 1.6)
        x, y = (np.abs((self.points[..., i] + 0.4) % apart - apart / 2) for i in (0, 1))
        lit = (self.axis == 2) & self.positive & (np.maximum(x, y) < side)
        self.radiance[lit] = rgb * brightness


def _room(rng: Rng, seen: Picture, lamps: Sequence[Direction]) -> Picture:
    room = _Room(rng, seen, lamps[0])
    room.furnish()
    room.window(lamps[0][1], 5 * clouds(rng, seen, lamps))
    if rng.random() < 0.4:
        room.ceiling_lights(np.array([1.0, 0.9, 0.75]), rng.uniform(2, 6))
    return room.radiance


def _night_room(rng: Rng, seen: Picture, lamps: Sequence[Direction]) -> Picture:
    """A warm lamp that stands in the room, a dark window."""
    room = _Room(rng, seen, lamps[0])
    room.furnish()
    room.window(0.0, 0.04 * dusk(rng, seen, lamps))
    lamp = towards(lamps[0]) @ room.axes.T * rng.uniform(1.0, 1.5)
    room.shade((float(lamp[0]), float(lamp[1]), float(lamp[2])))
    if rng.random() < 0.5:
        room.ceiling_lights(np.array([1.0, 0.9, 0.8]), rng.uniform(2, 5))
    room.radiance[seen @ towards(lamps[0]) > np.cos(rng.uniform(0.1, 0.25))] = 12.0  # its shade
    return room.radiance * np.array([1.0, 0.82, 0.62])


def _studio(rng: Rng, seen: Picture, lamps: Sequence[Direction]) -> Picture:
    """A dim hall, light walls or dark, with a soft box around each lamp and perhaps a reflector."""
    room = _Room(rng, seen, lamps[0])
    paint = rng.uniform(0.05, 0.6)
    room.radiance = room.radiance * 0.3 + 0.7 * room.radiance.mean(axis=2, keepdims=True)
    room.radiance *= paint
    room.shade((0.0, 0.0, float(room.high[2])))
    radiance = room.radiance
    for number, lamp in enumerate(lamps):
        half = rng.uniform(0.25, 0.5) if number else rng.uniform(0.35, 0.6)
        across, along = _on_screen(seen, lamp)
        edge = np.maximum(np.abs(across) / half, np.abs(along) / (half * rng.choice([1.0, 1.5])))
        radiance[edge < 1.12] = 0.01  # the black cloth of the box
        radiance = np.where((edge < 1)[..., None], (4.0 - 2.0 * edge**2)[..., None], radiance)
    if rng.random() < 0.5:
        across, along = _on_screen(seen, (-lamps[0][0] + rng.normal(0, 0.2), rng.normal(-0.3, 0.2)))
        board = (np.abs(across) < 0.5) & (np.abs(along) < 0.8)
        radiance[board] = rng.choice([0.02, 0.9])
    return np.asarray(radiance)


def _on_screen(seen: Picture, direction: Direction) -> tuple[Picture, Picture]:
    """Places on a plane square to a direction, at distance 1; far away behind."""
    ahead = towards(direction)
    right = np.array([-np.sin(direction[0]), np.cos(direction[0]), 0.0])
    up = np.cross(ahead, right)
    depth = seen @ ahead
    depth = np.where(depth > 0.05, depth, 1e-3)
    return seen @ right / depth, seen @ up / depth


KINDS: dict[str, Callable[[Rng, Picture, Sequence[Direction]], Picture]] = {
    "room": _room,
    "night_room": _night_room,
    "studio": _studio,
    "clouds": clouds,
    "clear": clear_sky,
    "dusk": dusk,
}
