"""StyleMatte on pictures of any size: tiles, small ones, edges."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.networks.stylematte import build_stylematte, preset
from models.networks.stylematte.whole_picture import _fade, _spans, alpha_of_picture


class Bright(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(Tensor([1.0]))
        self.largest = 0

    def forward(self, image: Tensor) -> Tensor:
        self.largest = max(self.largest, *image.shape[-2:])
        return (image.mean(1, keepdim=True) * 0.23 + 0.45).clamp(0, 1) * self.scale


@pytest.mark.parametrize(("length", "tile", "overlap"), [(64, 64, 8), (65, 64, 8), (1000, 64, 16)])
def test_spans_cover_everything_and_overlap(length, tile, overlap):
    spans = list(_spans(length, tile, overlap))
    assert spans[0].start == 0
    assert spans[-1].stop == length
    assert all(span.stop - span.start == min(tile, length) for span in spans)
    for one, other in pairwise(spans):
        assert one.stop - other.start >= overlap
    assert len(_fade(tile, overlap)) == tile
    assert _fade(tile, overlap).min() > 0


def test_a_network_without_context_sees_no_tiles():
    rgb = np.random.default_rng(0).integers(0, 256, (150, 230, 3), dtype=np.uint8)
    network = Bright()
    tiled = alpha_of_picture(network, rgb, side=230, tile=64, overlap=16)
    assert network.largest == 64
    whole = alpha_of_picture(network, rgb, side=230)
    np.testing.assert_allclose(tiled, whole, atol=1e-6)


def test_edges_come_from_the_picture_itself_not_from_the_smaller_one():
    rgb = np.zeros((512, 512, 3), np.uint8)
    rgb[:, 201:] = 255
    alpha = alpha_of_picture(Bright(), rgb, side=64)
    assert alpha.shape == (512, 512)
    assert (alpha[:, :199] < 0.15).all()
    assert (alpha[:, 203:] > 0.85).all(), "a blurred edge would reach some 8 px to both sides"


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (33, 65), (70, 3)])
def test_the_smallest_pictures_pass_through_a_real_network(shape):
    torch.manual_seed(0)
    network = build_stylematte(preset("micro"))
    rgb = np.full((*shape, 3), 128, np.uint8)
    alpha = alpha_of_picture(network, rgb, side=128)
    assert (alpha.shape, alpha.dtype) == (shape, np.float32)
    assert np.isfinite(alpha).all()
