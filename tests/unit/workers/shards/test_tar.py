import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.datasets.sample import GeneratedSample
from core.errors import ShardCorrupt
from models.imaging.png import encode_png
from workers.shards.encode import encode_alpha, encode_image
from workers.shards.read import read_shard
from workers.shards.tar import ShardTar

SAMPLES = {
    f"00000000{n:03d}": {"json": b"{}", "alpha.png": b"a" * (n * 700), "image.png": b"b"}
    for n in range(3)
}


def write(path: Path, samples: dict[str, dict[str, bytes]]) -> ShardTar:
    with ShardTar(path) as tar:
        for key, members in samples.items():
            tar.add(key, members)
    return tar


def record(key: str, **changes: object) -> GeneratedSample:
    fields = {
        "key": key,
        "shard": 0,
        "index": 0,
        "attempt": 0,
        "seed": 1,
        "dataset_seed": 1,
        "truncation_psi": 0.7,
        "transform": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        "batch_size": 8,
        "bundle": "b",
        "generator": "g",
        "stylematte": "s",
        "format_version": 1,
        "width": 8,
        "height": 6,
        "scores": {},
        "thresholds": {},
    }
    return GeneratedSample(**(fields | changes))


def sample(key: str, **changes: object) -> dict[str, bytes]:
    rgb_u8 = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    alpha = np.linspace(0, 65535, 48).astype(np.uint16).reshape(6, 8)
    return {
        "alpha.png": encode_alpha(alpha),
        "image.png": encode_image(rgb_u8, "png"),
        "json": record(key, **changes).model_dump_json().encode(),
    }


def test_equal_samples_give_equal_bytes(tmp_path: Path) -> None:
    first, second = write(tmp_path / "1.tar", SAMPLES), write(tmp_path / "2.tar", dict(SAMPLES))
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    assert first.sha256 == second.sha256


def test_hash_and_size_are_those_of_the_file(tmp_path: Path) -> None:
    import hashlib

    tar = write(tmp_path / "t.tar", SAMPLES)
    body = (tmp_path / "t.tar").read_bytes()
    assert (tar.sha256, tar.size_bytes, tar.samples) == (
        hashlib.sha256(body).hexdigest(),
        len(body),
        3,
    )


def test_members_have_fixed_order_time_owner_and_format(tmp_path: Path) -> None:
    write(tmp_path / "t.tar", SAMPLES)
    with tarfile.open(tmp_path / "t.tar") as tar:
        members = tar.getmembers()
    assert [m.name for m in members[:3]] == [
        "00000000000.alpha.png",
        "00000000000.image.png",
        "00000000000.json",
    ]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {
        (0, 0, 0, "", "", 0o644)
    }
    assert (tmp_path / "t.tar").read_bytes()[257:265] == b"ustar  \0", "GNU, not PAX"


def test_an_interrupted_tar_is_not_closed_as_if_whole(tmp_path: Path) -> None:
    def crash() -> None:
        with ShardTar(tmp_path / "t.tar") as tar:
            tar.add("00000000000", {"json": b"{}"})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        crash()
    assert not (tmp_path / "t.tar").read_bytes().endswith(b"\0" * 1024)


@pytest.mark.parametrize("image_format", ["png", "webp"])
def test_lossless_formats_keep_every_pixel(image_format: str) -> None:
    rgb_u8 = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    encoded = encode_image(rgb_u8, image_format)
    assert (np.asarray(Image.open(io.BytesIO(encoded))) == rgb_u8).all()
    assert encoded == encode_image(rgb_u8.copy(), image_format)


def test_jpeg_keeps_full_colour_resolution() -> None:
    image = Image.open(io.BytesIO(encode_image(np.zeros((16, 16, 3), np.uint8), "jpeg")))
    assert image.format == "JPEG"
    assert {component[1:3] for component in image.layer} == {(1, 1)}, "no chroma subsampling"


def test_unknown_format_is_named() -> None:
    with pytest.raises(ValueError, match="tiff"):
        encode_image(np.zeros((1, 1, 3), np.uint8), "tiff")


@pytest.mark.parametrize(
    ("shape", "mode"), [((5, 3), "L"), ((5, 3, 1), "L"), ((5, 3, 3), "RGB"), ((5, 3, 4), "RGBA")]
)
def test_png_of_each_number_of_channels_reads_back(shape: tuple[int, ...], mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    image = Image.open(io.BytesIO(encode_png(pixels)))
    assert image.mode == mode
    assert (np.asarray(image).reshape(shape) == pixels).all()


def test_png_of_two_channels_is_refused() -> None:
    with pytest.raises(ValueError, match="1, 3 or 4 channels"):
        encode_png(np.zeros((4, 4, 2), np.uint8))


@pytest.mark.parametrize(("kind", "mode"), [(np.uint8, "L"), (np.uint16, "I;16")])
def test_alpha_is_grey_and_keeps_its_depth(
    kind: type[np.uint8] | type[np.uint16], mode: str
) -> None:
    alpha = np.array([[0, 128, np.iinfo(kind).max]], kind)
    image = Image.open(io.BytesIO(encode_alpha(alpha)))
    assert image.mode == mode
    assert np.asarray(image).tolist() == alpha.tolist()


def test_samples_are_read_back(tmp_path: Path) -> None:
    write(
        tmp_path / "t.tar",
        {"00000000000": sample("00000000000"), "00000000001": sample("00000000001", index=1)},
    )
    first, second = read_shard(tmp_path / "t.tar")
    assert (first.record.key, second.record.index) == ("00000000000", 1)
    assert first.rgb_u8.shape == (6, 8, 3)
    np.testing.assert_allclose(first.alpha.ravel(), np.linspace(0, 1, 48), atol=2e-5)


@pytest.mark.parametrize(
    "damage",
    [
        lambda members: members.pop("alpha.png"),
        lambda members: members.pop("image.png"),
        lambda members: members.update(json=b"{"),
        lambda members: members.update({"alpha.png": members["alpha.png"][:20]}),
        lambda members: members.update(
            json=json.dumps(json.loads(members["json"]) | {"width": 9}).encode()
        ),
    ],
)
def test_a_damaged_sample_is_refused_by_key(tmp_path: Path, damage: object) -> None:
    members = sample("00000000000")
    damage(members)  # type: ignore[operator]
    write(tmp_path / "t.tar", {"00000000000": members})
    with pytest.raises(ShardCorrupt, match="00000000000"):
        list(read_shard(tmp_path / "t.tar"))


def test_what_is_no_tar_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.tar").write_bytes(b"no tar" * 200)
    with pytest.raises(ShardCorrupt, match=r"t\.tar"):
        list(read_shard(tmp_path / "t.tar"))
