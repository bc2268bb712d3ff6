"""Memory and time of cutting out a square picture with a StyleMatte of the paper's size.

    python tests/benchmarks/matte_memory.py 2048 --side 1024

The weights are random: they change neither. A process of its own, so that the peak is this one's.
"""

import argparse
import resource
import time

import numpy as np
import torch

from core.mattes import MatteOrder
from models.imaging.decode import DecodedPicture
from models.networks.stylematte import build_stylematte, preset
from workers.mattes.cut_out import cut_out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pixels", type=int, help="height and width of the picture")
    parser.add_argument("--side", type=int, default=1024, help="at which StyleMatte looks")
    parser.add_argument("--network", default="swin-t")
    given = parser.parse_args()
    torch.set_num_threads(1)
    matte = build_stylematte(preset(given.network))
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    repeats = -(-given.pixels // 32)
    rgb = np.tile(noise, (repeats, repeats, 1))[: given.pixels, : given.pixels]
    before_mib = peak_mib()
    began_s = time.perf_counter()
    order = MatteOrder(owner="", bundle="", output="cutout")
    made = cut_out(matte, DecodedPicture(rgb=rgb, alpha=None), order, None, side=given.side)
    seconds = time.perf_counter() - began_s
    print(
        f"{given.network}, {given.pixels} px, side {given.side}: peak {peak_mib():.0f} MiB "
        f"({before_mib:.0f} before), {seconds:.1f} s, {len(made) / 1e6:.1f} MB of PNG"
    )


def peak_mib() -> float:
    """The most memory that this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
