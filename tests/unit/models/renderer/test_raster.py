"""The z-buffer that alpha is counted from."""

import numpy as np

from models.renderer.mesh import raster

PINHOLE = np.zeros(4, np.float32)
SQUARE = np.array([[[2, 2], [10, 2], [2, 10]], [[10, 2], [10, 10], [2, 10]]], np.float32)


def drawn(squares: list[tuple[float, float]], lens: np.ndarray = PINHOLE) -> np.ndarray:
    """Primitives [16, 16] of squares of (shift to the right, depth)."""
    depths, primitives = raster.empty(16)
    corners = np.concatenate(
        [
            np.dstack([SQUARE + np.array([shift, 0]), np.full((2, 3), depth)])
            for shift, depth in squares
        ],
        dtype=np.float32,
    )
    raster.draw_triangles(
        corners, np.ones(corners.shape[:2], np.float32), lens, 0, depths, primitives
    )
    return primitives


def test_a_square_covers_its_pixels() -> None:
    seen = drawn([(0, 15)]) >= 0
    assert seen.sum() == 64
    assert seen[2:10, 2:10].all()


def test_what_was_drawn_before_moves_nothing() -> None:
    """Out of focus through a pinhole, behind a square that is drawn first: still in its place."""
    alone, after = drawn([(4, 5)]) >= 0, drawn([(4, 15), (4, 5)])
    np.testing.assert_array_equal(alone, np.isin(after, (2, 3)))
    assert alone[2:10, 6:14].all()


def test_the_nearer_square_is_seen() -> None:
    np.testing.assert_array_equal(drawn([(0, 15), (0, 5)]) >= 2, drawn([(0, 15)]) >= 0)
    assert (drawn([(0, 5), (0, 15)]) < 2).all()


def test_through_the_lens_only_what_is_out_of_focus_moves() -> None:
    lens = np.array([30, 0, 30 / 15, 0], np.float32)
    np.testing.assert_array_equal(drawn([(0, 15)], lens), drawn([(0, 15)]))
    np.testing.assert_array_equal(drawn([(4, 7.5)], lens) >= 0, drawn([(2, 7.5)]) >= 0)


def test_covering_marks_the_points_that_drawing_fills() -> None:
    """Random triangles, some cut, and strands through a lens; `room` hides what lies among covered
    pixels alone."""
    rng, side, per_pixel = np.random.default_rng(0), 64, 4
    corners = np.concatenate(
        [
            rng.uniform(-10, 74, (60, 1, 2)) + rng.normal(0, 9, (60, 3, 2)),
            rng.uniform(5, 15, (60, 3, 1)),
        ],
        axis=2,
    ).astype(np.float32)
    cut = rng.normal(0.3, 1, (60, 3)).astype(np.float32)
    places = rng.uniform(0, 64, (80, 1, 2)) + np.cumsum(rng.normal(0, 4, (80, 6, 2)), axis=1)
    keys = np.concatenate(
        [places, rng.uniform(5, 15, (80, 6, 1)), rng.uniform(0.2, 2, (80, 6, 1))],
        axis=2,
        dtype=np.float32,
    )
    lens = np.array([8, -5, 0.8, -0.5], np.float32)
    depths, primitives = raster.empty(side)
    raster.draw_triangles(corners, cut, lens, 0, depths, primitives)
    raster.draw_strands(keys, lens, len(corners), depths, primitives)

    def covered(room: np.ndarray) -> np.ndarray:
        points = np.zeros((side, side), np.bool_)
        raster.cover_triangles(corners, cut, lens, room, per_pixel, points)
        raster.cover_strands(keys, lens, room, per_pixel, points)
        return points

    nothing_known = np.zeros((side // per_pixel,) * 2, np.int32)
    np.testing.assert_array_equal(covered(nothing_known), primitives >= 0)
    room = nothing_known.copy()
    room[4:12, 4:12] = np.minimum.outer([1, 2, 3, 4, 4, 3, 2, 1], [1, 2, 3, 4, 4, 3, 2, 1])
    outside = np.kron(room == 0, np.ones((per_pixel, per_pixel), bool))
    np.testing.assert_array_equal(covered(room)[outside], (primitives >= 0)[outside])
    assert (covered(room)[~outside] != (primitives >= 0)[~outside]).any()
