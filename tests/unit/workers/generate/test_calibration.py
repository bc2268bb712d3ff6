"""Pairs that thresholds are calibrated on, from any layout."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.tars import read_samples
from models.corpora.pairs import straight_rgba
from workers.generate.calibration import aligned_pairs

TAR = Path(__file__).parents[3] / "data" / "portraits-000000.tar"


@pytest.mark.thorough
def test_aligned_pairs_of_cut_outs_in_a_folder_are_those_of_a_tar(tmp_path):
    tar = aligned_pairs([TAR], resolution=32, backgrounds=2, seed=1)
    for key, members in read_samples(TAR):
        rgba = straight_rgba(members)
        assert rgba is not None
        Image.fromarray(rgba).save(tmp_path / f"{key}.png")
    folder = list(aligned_pairs([tmp_path], resolution=32, backgrounds=2, seed=1))
    assert folder
    for mine, theirs in zip(folder, tar, strict=True):
        assert mine[0].shape == (32, 32, 3)
        for one, other in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(one, other)


def test_scenes_with_alphas_are_aligned_too(tmp_path):
    refused = []
    _, members = next(iter(read_samples(TAR)))
    rgba = straight_rgba(members)
    assert rgba is not None
    for folder, picture in {"image": rgba[..., :3], "alpha": rgba[..., 3]}.items():
        (tmp_path / folder).mkdir()
        Image.fromarray(picture).save(tmp_path / folder / "one.png")
    Image.fromarray(rgba[..., :3]).save(tmp_path / "image" / "two.png")
    pairs = aligned_pairs(
        [tmp_path],
        resolution=32,
        backgrounds=3,
        seed=1,
        on_refused=lambda entry, reason: refused.append((entry.name, reason)),
    )
    assert len(list(pairs)) == 3
    assert refused == [("image/two.png", "no_alpha")]
