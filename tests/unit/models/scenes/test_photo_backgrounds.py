"""Photographs as training backgrounds: views of panoramas, crops, and what is refused."""

from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from click.testing import CliRunner
from PIL import Image

from models.scenes.backgrounds import list_photos, photo_bank
from models.scenes.panoramas import main, read_panorama, view


def longitude_and_latitude(height: int = 256) -> np.ndarray:
    """A panorama whose red is the longitude's cosine, green its sine and blue the height above the
    horizon."""
    y, x = np.mgrid[0:height, 0 : 2 * height] + 0.5
    longitude, latitude = x / height * np.pi, (0.5 - y / height) * np.pi
    return np.stack([np.cos(longitude), np.sin(longitude), np.sin(latitude)], axis=-1).astype(
        np.float32
    )


def write_exr(path: Path, pixels: np.ndarray) -> Path:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, {"RGB": np.ascontiguousarray(pixels, np.float32)}) as file:
        file.write(str(path))
    return path


@pytest.mark.parametrize("yaw", [0.0, 1.0, 3.1, 6.2])
@pytest.mark.parametrize("pitch", [-0.4, 0.0, 0.4])
def test_the_middle_of_a_view_lies_where_the_camera_points(yaw, pitch):
    seen = view(longitude_and_latitude(), size=33, yaw=yaw, pitch=pitch, field_of_view=1.0)[16, 16]
    np.testing.assert_allclose(seen, [np.cos(yaw), np.sin(yaw), np.sin(pitch)], atol=0.01)


def test_a_view_is_as_wide_as_its_field_and_upright():
    seen = view(longitude_and_latitude(), size=201, yaw=0.5, pitch=0.0, field_of_view=1.2)
    angle = np.arctan2(seen[100, :, 1], seen[100, :, 0])
    assert angle[-1] - angle[0] == pytest.approx(1.2, abs=0.02)
    assert seen[0, 100, 2] > 0.5 > -0.5 > seen[-1, 100, 2]


def test_views_of_a_panorama_become_photographs(tmp_path):
    source = write_exr(tmp_path / "room.exr", np.abs(longitude_and_latitude(64)) * 5)
    result = CliRunner().invoke(
        main, [str(source), "--out", str(tmp_path / "photos"), "--views", "3"]
    )
    assert result.exit_code == 0, result.output
    photos = list_photos([tmp_path / "photos"])
    assert [photo.name for photo in photos] == [f"000-room-{index:03d}.png" for index in range(3)]
    pictures = [np.asarray(Image.open(photo)) for photo in photos]
    assert all(
        picture.shape[0] == picture.shape[1] and 60 < picture.mean() < 220 for picture in pictures
    )


def test_a_picture_that_is_no_panorama_is_refused(tmp_path):
    with pytest.raises(ValueError, match="twice as wide as high, got 64 x 64"):
        read_panorama(write_exr(tmp_path / "square.exr", np.ones((64, 64, 3))))


def test_photo_bank_holds_crops_of_each_photo(tmp_path):
    for name, colour in (("a.png", (250, 0, 0)), ("b.jpg", (0, 250, 0))):
        Image.new("RGB", (90, 50), colour).save(tmp_path / name)
    bank = photo_bank(tmp_path / "bank.npy", list_photos([tmp_path]), count=4, size=32, seed=1)
    assert bank.shape == (4, 32, 32, 3)
    assert [int(entry.mean(axis=(0, 1)).argmax()) for entry in bank] == [0, 1, 0, 1]


def test_a_folder_without_photos_is_named(tmp_path):
    with pytest.raises(ValueError, match="holds no PNG, JPEG or WebP"):
        list_photos([tmp_path])
