"""Sheets put each picture where it belongs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.imaging.sheets import checkerboard, grey_rgb, in_rows, save_sheet, thumbnail, tile


def test_tiles_lie_in_rows_with_white_between() -> None:
    pictures = [np.full((2, 3, 3), level, np.uint8) for level in (10, 20, 30)]
    sheet = tile(in_rows(pictures, 2), gap=1)
    assert sheet.shape == (7, 9, 3)
    assert (sheet[1:3, 1:4] == 10).all()
    assert (sheet[1:3, 5:8] == 20).all()
    assert (sheet[4:6, 1:4] == 30).all()
    assert (sheet[4:6, 5:8] == 255).all(), "the last row is short"
    assert (sheet[[0, 3, 6]] == 255).all()


def test_a_sheet_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        tile([])


def test_a_sheet_is_saved_in_a_folder_that_is_made(tmp_path: Path) -> None:
    picture = grey_rgb(np.arange(12, dtype=np.uint8).reshape(3, 4))
    save_sheet(tmp_path / "grids" / "a.png", picture)
    with Image.open(tmp_path / "grids" / "a.png") as image:
        assert np.array_equal(np.asarray(image), picture)
    assert thumbnail(picture, 8).shape == (8, 8, 3)


def test_a_checkerboard_has_two_greys_in_equal_shares() -> None:
    board = checkerboard(64)
    assert sorted(set(board.ravel().tolist())) == pytest.approx([0.35, 0.65])
    assert board.mean() == pytest.approx(0.5)
    assert board[0, 0] != board[0, 8] != board[0, 16]
