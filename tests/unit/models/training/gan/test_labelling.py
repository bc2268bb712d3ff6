"""The RGBA corpus of pictures that StyleMatte labels."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.corpora.pairs import read_portraits
from models.training.gan.labelling import label_corpus

DATA = Path(__file__).parents[4] / "data"


def tar_of(
    path: Path, portraits: dict[str, np.ndarray], folders: dict[str, str] | None = None
) -> Path:
    """Straight RGBA pictures as KEY.rgba.png, each with the folder it came from."""
    with tarfile.open(path, "w") as tar:
        for key, rgba in portraits.items():
            file = io.BytesIO()
            Image.fromarray(rgba).save(file, "PNG")
            record = json.dumps({"part": (folders or {}).get(key, "")}).encode()
            for name, content in (("json", record), ("rgba.png", file.getvalue())):
                entry = tarfile.TarInfo(f"{key}.{name}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return path


def test_pictures_of_one_folder_are_one_group(tmp_path: Path) -> None:
    rgba = np.zeros((8, 8, 4), np.uint8)
    tar = tar_of(tmp_path / "p.tar", {"a": rgba, "b": rgba, "c": rgba}, {"a": "owls", "c": "owls"})
    corpus = label_corpus([tar], brightness_of_background, size=8, scenes=2)
    assert corpus.keys == ("a", "b", "c")
    assert corpus.groups == (1, 1, 0, 0, 1, 1)


def brightness_of_background(scene: torch.Tensor) -> torch.Tensor:
    """A stand-in for StyleMatte: the label does not matter here but for its top row."""
    return torch.ones_like(scene[:, :1])


def test_a_head_cut_off_by_the_picture_is_left_out_of_an_aligned_corpus(tmp_path: Path) -> None:
    portraits = read_portraits(sorted(DATA.glob("portraits-*.tar")))[:12]
    whole = {f"{i:02}": rgba for i, rgba in enumerate(portraits) if rgba[:12, :, 3].max() == 0}
    assert len(whole) >= 4
    cut = np.concatenate([portraits[0][30:], portraits[0][-30:]])
    tar = tar_of(tmp_path / "p.tar", {**whole, "cut": cut})

    def exact(scene: torch.Tensor) -> torch.Tensor:
        alphas = [rgba[..., 3] for rgba in (*whole.values(), cut)]
        return torch.from_numpy(np.stack(alphas))[:, None].repeat_interleave(2, 0).float() / 255

    corpus = label_corpus([tar], exact, size=32, aligned=True, scenes=2)
    assert "cut" not in corpus.keys
    assert set(corpus.keys) == set(whole)
    assert len(corpus) == 2 * len(whole)
    assert "cut" in label_corpus([tar], exact, size=32, scenes=2).keys
    with pytest.raises(ValueError, match="cut off"):
        label_corpus([tar], brightness_of_background, size=32, aligned=True)
