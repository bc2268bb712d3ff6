"""The experiment's own arithmetic: what it splits, mixes, weighs and prints."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from models.training.comparison import arms
from models.training.comparison.arms import disagreement, extras
from models.training.comparison.portraits import blurred, mix, shrink, split_portraits
from models.training.comparison.scores import MEASURES, table


def tar_of(path: Path, names: list[str]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = len(name)
            archive.addfile(entry, io.BytesIO(name.encode()))
    return path


def names_in(path: Path) -> set[str]:
    with tarfile.open(path) as archive:
        return set(archive.getnames())


def test_a_portrait_is_labelled_or_not_whatever_tar_it_came_in(tmp_path: Path) -> None:
    names = [f"{n:03}.rgba.png" for n in range(30)]
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    whole = tar_of(tmp_path / "whole.tar", [*names, "000.json"])
    halves = [tar_of(tmp_path / "a.tar", names[:11]), tar_of(tmp_path / "b.tar", names[11:])]
    split_portraits([whole], 7, tmp_path / "one")
    split_portraits(reversed(halves), 7, tmp_path / "two")
    labelled, unlabelled = (
        names_in(tmp_path / "one" / f"{name}.tar") for name in ("labelled", "unlabelled")
    )
    assert len(labelled) == 7
    assert labelled | unlabelled == set(names)
    assert not labelled & unlabelled
    assert names_in(tmp_path / "two" / "labelled.tar") == labelled


def test_a_portrait_keeps_its_scene(tmp_path: Path) -> None:
    names = ["a.image.jpg", "a.json", "a.rgba.webp", "b.rgba.png"]
    split_portraits([tar_of(tmp_path / "all.tar", names)], 1, tmp_path)
    found = [names_in(tmp_path / f"{name}.tar") for name in ("labelled", "unlabelled")]
    assert sorted(map(sorted, found)) == [["a.image.jpg", "a.rgba.webp"], ["b.rgba.png"]]


def test_arms_differ_in_whose_alpha_they_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All four samples are subject to the generator, every second one to the labeller."""
    drawn = torch.ones(4, 4, 8, 8)
    drawn[::2, :3] = -1.0
    monkeypatch.setattr(arms, "SIZE", 8)
    monkeypatch.setattr(arms, "sample_images", lambda generator, count, psi, seed: drawn[:count])
    monkeypatch.setattr(arms, "load_generator", lambda path: None)
    monkeypatch.setattr(
        arms, "stylematte_labeller", lambda path: lambda rgb: (rgb[:, :1] > 0).float()
    )
    monkeypatch.setattr(arms, "pictures", lambda tar, count=None: drawn[1:2])
    found = {
        arm: extras(arm, tmp_path, count=4, seed=0, agreement=99, generator=tmp_path)
        for arm in arms.GENERATOR_ARMS
    }
    means = {arm: rgba[..., 3].mean(axis=(1, 2)).tolist() for arm, rgba in found.items()}
    assert means == {
        "generated": [255, 255, 255, 255],
        "filtered": [255, 255],
        "relabelled": [0, 255, 0, 255],
    }
    assert extras("labelled", tmp_path, count=4, seed=0, agreement=99, generator=None) is None


def test_the_labelled_are_repeated_until_they_are_half_of_the_mixture() -> None:
    few, many = np.zeros((3, 2, 2, 4), np.uint8), np.ones((8, 2, 2, 4), np.uint8)
    mixed = mix(few, many)
    assert len(mixed) == 16
    assert mixed.mean() == 0.5


def test_a_smaller_share_of_the_others_takes_more_of_the_labelled() -> None:
    few, many = np.zeros((3, 2, 2, 4), np.uint8), np.ones((8, 2, 2, 4), np.uint8)
    mixed = mix(few, many, share=0.2)
    assert len(mixed) == 40
    assert mixed.mean() == pytest.approx(0.2)


def test_disagreement_is_the_mean_absolute_difference_of_alpha_in_0_1() -> None:
    rgba = torch.full((2, 4, 4, 4), -1.0)
    rgba[1, 3, :2] = 1.0
    found = disagreement(rgba, lambda rgb: torch.zeros(len(rgb), 1, 4, 4))
    assert found.tolist() == [0.0, 0.5]


def test_pictures_shrink_without_the_colour_under_alpha_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.training.comparison.portraits.SIZE", 1)
    portrait = np.zeros((1, 2, 2, 4), np.uint8)
    portrait[0, 0, 0] = (200, 100, 50, 255)
    portrait[0, 1, 1] = (0, 255, 0, 0)
    assert shrink(portrait).tolist() == [[[[200, 100, 50, 64]]]]


def test_the_table_pairs_each_arm_with_the_labelled_one(tmp_path: Path) -> None:
    for arm, offset in (("labelled", 0.0), ("generated", 0.25)):
        for seed in range(2):
            (tmp_path / f"{arm}-{seed}").mkdir()
            scores = {name: [1.0 + offset, 2.0 + offset, 9.0 + offset] for name in MEASURES}
            (tmp_path / f"{arm}-{seed}" / "scores-test.json").write_text(json.dumps(scores))
    lines = table(tmp_path, "test").splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        "| labelled",
        "| generated",
        "| … minus labelled",
    ]
    assert lines[2].startswith("| labelled | 2 | 4.0000 [")
    assert lines[4].endswith("| 0.2500 [0.2500, 0.2500] |")
    other = table(tmp_path, "test", "generated").splitlines()
    assert other[3].startswith("| … minus generated |")
    assert other[3].endswith("| -0.2500 [-0.2500, -0.2500] |")


def test_the_table_shows_each_share_of_an_arm_by_itself(tmp_path: Path) -> None:
    for name in ("labelled-0", "generated_20%-0", "generated-0", "generated-1"):
        (tmp_path / name).mkdir()
        scores = {measure: [1.0, 2.0] for measure in MEASURES}
        (tmp_path / name / "scores-test.json").write_text(json.dumps(scores))
    arms = [
        line.split("|")[1:3]
        for line in table(tmp_path, "test").splitlines()[2:]
        if "minus" not in line
    ]
    assert [(name.strip(), seeds.strip()) for name, seeds in arms] == [
        ("labelled", "1"),
        ("generated", "2"),
        ("generated_20%", "1"),
    ]


def test_arms_that_go_on_from_the_labeller_are_compared_with_their_like(tmp_path: Path) -> None:
    for name, value in {
        "labelled-0": 5.0,
        "labelled_tuned-0": 3.0,
        "generated_tuned_20%-0": 2.0,
    }.items():
        (tmp_path / name).mkdir()
        scores = {measure: [value, value] for measure in MEASURES}
        (tmp_path / name / "scores-test.json").write_text(json.dumps(scores))
    lines = table(tmp_path, "test").splitlines()[2:]
    arms = ["| labelled", "| labelled_tuned", "| generated_tuned_20%", "| … minus labelled_tuned"]
    assert [line.split(" | ")[0] for line in lines] == arms
    assert lines[3].endswith("| -1.0000 [-1.0000, -1.0000] |")


def test_blur_softens_alpha_and_leaves_the_subject_s_colour() -> None:
    portraits = np.zeros((1, 32, 32, 4), np.uint8)
    portraits[:, 8:24, 8:24] = (200, 100, 50, 255)
    soft = blurred(portraits)
    between = (soft[..., 3] > 12) & (soft[..., 3] < 243)
    assert not ((portraits[..., 3] > 12) & (portraits[..., 3] < 243)).any()
    assert between.sum() > 100
    np.testing.assert_allclose(soft[..., 3].sum(), portraits[..., 3].sum(), rtol=0.01)
    np.testing.assert_allclose(soft[between][:, :3], [[200, 100, 50]] * int(between.sum()), atol=3)
