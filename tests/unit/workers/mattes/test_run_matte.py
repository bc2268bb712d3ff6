"""From an uploaded picture to its matte: what is refused, what is repeated. Awkward kinds are in
test_three_ways.py."""

import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from core import keys
from core.errors import StoreUnavailable
from core.mattes import KEPT_S, MatteBook, MatteOrder, new_matte_id
from workers.mattes.cut_out import blurred_surroundings, composite_rows, covering, cutout_rgba
from workers.mattes.run_matte import run_matte


def test_alpha_follows_the_upright_picture_and_its_brightness(cut, pictures):
    _, upright = cut(pictures.saved(pictures.ramp(), "PNG"), output="alpha")
    assert upright.mode == "L"
    alpha = np.asarray(upright).astype(int)
    assert alpha[30, 55] > alpha[30, 30] > alpha[30, 5]
    _, turned = cut(pictures.awkward["turned-6.jpg"][0], output="alpha")
    back = np.asarray(turned.transpose(Image.Transpose.ROTATE_90)).astype(int)
    assert np.abs(back - alpha).mean() < 5


def test_sixteen_bits_are_not_clipped(cut, pictures):
    _, result = cut(pictures.awkward["sixteen.png"][0], output="alpha")
    row = np.asarray(result)[20].astype(int)
    assert row[0] < 60
    assert row[-1] > 200
    assert (np.diff(row) >= 0).all()


def test_what_is_transparent_stays_so(cut, pictures):
    image = pictures.ramp().convert("RGBA")
    image.putalpha(Image.fromarray(np.repeat([[0, 255]], [30, 30], 1).repeat(40, 0).astype("u1")))
    _, result = cut(pictures.saved(image, "PNG"), output="alpha")
    assert np.asarray(result)[:, :30].max() == 0
    assert np.asarray(result)[:, 30:].min() > 0


def test_composites_over_a_colour_a_blur_and_a_picture(cut, pictures):
    black = pictures.saved(Image.new("RGB", (64, 64), "black"), "PNG")
    _, red = cut(black, output="composite", background="#ff0000")
    assert np.asarray(red)[32, 32, 0] > 200
    _, over = cut(black, pictures.saved(Image.new("RGB", (9, 5), "lime"), "PNG"),
                  output="composite", background="picture")  # fmt: skip
    assert np.asarray(over)[32, 32, 1] > 200
    _, blurred = cut(pictures.saved(pictures.ramp(), "PNG"), output="composite", background="blur")
    assert blurred.mode == "RGB"
    outcome, _ = cut(black, b"no picture", output="composite", background="picture")
    assert (outcome.code, outcome.detail[:14]) == ("picture_rejected", "the background")


def test_too_many_pixels_are_refused_before_they_are_decoded(cut, pictures):
    began_s = time.monotonic()
    outcome, _ = cut(pictures.saved(Image.new("1", (1001, 1000)), "PNG"))
    assert outcome.code == "picture_rejected"
    assert "1001 x 1000" in outcome.detail
    assert time.monotonic() - began_s < 5


def test_a_small_network_says_so_and_looks_at_its_own_size(cut, bright, pictures):
    content = pictures.saved(pictures.ramp(400, 600), "PNG")
    outcome, _ = cut(content)
    assert (outcome.notice, outcome.side, bright.seen[-1]) == (None, 600, (400, 600))
    bright.config.embed_dim = 32
    outcome, _ = cut(content)
    assert "photograph" in outcome.notice
    assert (outcome.side, bright.seen[-1]) == (128, (85, 128))
    outcome, _ = cut(content, side=300)
    assert (outcome.side, bright.seen[-1]) == (300, (200, 300))


def test_a_message_twice_or_for_nothing_does_nothing(bench, bright, pictures):
    context = replace(bench.context, stylematte=lambda digest: bright)
    book = MatteBook(bench.store)
    run_matte(context, new_matte_id())
    matte_id = book.put(
        MatteOrder(owner="o", bundle="b"), pictures.saved(pictures.ramp(), "PNG"), None
    )
    run_matte(context, matte_id)
    run_matte(context, matte_id)
    assert len(bright.seen) == 1


def test_a_picture_that_kills_its_workers_is_given_up(bench, bright, pictures):
    """A worker that is killed tells nobody: what it leaves is a try that was begun."""
    context = replace(bench.context, stylematte=lambda digest: bright)
    book = MatteBook(bench.store)
    png = pictures.saved(pictures.ramp(), "PNG")
    matte_id = book.put(MatteOrder(owner="o", bundle="b"), png, None)
    for _ in range(3):
        bench.leases.begin_try(f"matte:{matte_id}", 3600)
    run_matte(context, matte_id)
    assert book.outcome(matte_id).code == "picture_rejected"
    assert "3 workers ended" in book.outcome(matte_id).detail
    assert bright.seen == []


def test_an_outage_is_no_try_and_no_end(bench, pictures):
    def away(digest: str):
        raise StoreUnavailable

    context = replace(bench.context, stylematte=away)
    book = MatteBook(bench.store)
    png = pictures.saved(pictures.ramp(), "PNG")
    matte_id = book.put(MatteOrder(owner="o", bundle="b"), png, None)
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            run_matte(context, matte_id)
    assert book.outcome(matte_id) is None


def test_an_unloadable_network_ends_the_matte_with_its_code(bench, pictures):
    book = MatteBook(bench.store)
    matte_id = book.put(
        MatteOrder(owner="o", bundle="b"), pictures.saved(pictures.ramp(), "PNG"), None
    )
    run_matte(bench.context, matte_id)
    assert book.outcome(matte_id).code == "source_unavailable"


def test_old_ones_are_swept(bench):
    book = MatteBook(bench.store)
    now_s = time.time()
    for age_s in (KEPT_S + 60, 60):
        bench.store.put(keys.matte(new_matte_id(now_s - age_s), "image"), b"x")
    book.sweep(now_s)
    assert len(list(bench.store.list_folders("mattes/"))) == 1


def test_a_cutout_has_no_halo_of_its_old_background():
    """A red disc with soft edges over white: composited over black, no pixel may be pink."""
    y, x = np.mgrid[-1:1:200j, -1:1:200j]
    alpha = np.clip((0.6 - np.hypot(x, y)) * 6 + 0.5, 0, 1)[..., None]
    truth = np.array([200.0, 10, 10]) * alpha
    rgb = (truth + 255 * (1 - alpha) + 0.5).astype(np.uint8)
    alpha_u8 = (alpha[..., 0] * 255 + 0.5).astype(np.uint8)
    naive = np.dstack([rgb, alpha_u8])
    black = np.zeros(3, np.uint8)
    error = {
        name: np.abs(composite_rows(rgba, black).astype(float) - truth).max()
        for name, rgba in {"ours": cutout_rgba(rgb, alpha_u8), "naive": naive}.items()
    }
    assert error["naive"] > 50
    assert error["ours"] < 0.3 * error["naive"]


def test_a_large_picture_s_foreground_is_estimated_in_a_smaller_copy(monkeypatch):
    y, x = np.mgrid[-1:1:400j, -1:1:400j]
    alpha = np.clip((0.6 - np.hypot(x, y)) * 6 + 0.5, 0, 1)
    alpha_u8 = (alpha * 255 + 0.5).astype(np.uint8)
    rgb = np.dstack([200 * alpha + 255 * (1 - alpha), *[10 * alpha + 255 * (1 - alpha)] * 2])
    rgb = (rgb + 0.5).astype(np.uint8)
    whole = cutout_rgba(rgb, alpha_u8)
    monkeypatch.setattr("workers.mattes.cut_out.ESTIMATED_PIXELS", 20_000)
    reduced = cutout_rgba(rgb, alpha_u8)
    black = np.zeros(3, np.uint8)
    difference = np.abs(composite_rows(whole, black).astype(int) - composite_rows(reduced, black))
    assert difference.mean() < 1
    assert difference.max() < 40


def test_backgrounds_cover_and_blurs_leave_the_subject_out():
    wide = np.zeros((10, 100, 3), np.uint8)
    wide[:, 45:55] = 255
    assert covering(wide, 50, 50)[:, 5:-5].min() == 255, "its middle"
    assert covering(wide, 7, 90).shape == (7, 90, 3)
    rgb = np.full((100, 100, 3), 20, np.uint8)
    rgb[30:70, 30:70] = 255
    alpha = np.zeros((100, 100), np.uint8)
    alpha[30:70, 30:70] = 255
    assert blurred_surroundings(rgb, alpha).max() < 40
