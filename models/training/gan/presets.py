"""StyleMatteGAN in four sizes, and one for tests: what each trains and how.

The embedded ones are cut down for one CPU core: fewer layers, a small margin, few channels at the
top. The paper's are StyleGAN3-T (arXiv 2106.12423, appendix G) with the discriminator of arXiv
1912.04958, for CUDA.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class AdversarialSettings:
    """Settings of adversarial training; kimg: thousand images of this stage."""

    batch: int = 8  # images, over all processes
    anchored: bool = (
        True  # half of each batch is reconstructed from real images, after a warm start
    )
    lr: float = 0.001  # of the generator; the encoder's is half of it
    lr_rgba: float = 0.001
    lr_features: float = 0.002
    total_kimg: float = 40.0
    final_rate: float = 0.1  # factor of the learning rates at the end; they decay linearly
    lead_kimg: float = 0.8  # of the discriminators, before the generator follows
    ratio_rgba: float = (
        0.4  # norm of the adversarial gradient at the images relative to the anchor's
    )
    # the same of the frozen-feature discriminator; without an anchor relative to the RGBA's
    ratio_features: float = 0.8
    ratio_energy: float = 0.0  # the same of the energy distance (gan_energy.py)
    energy_bank: int = 1500  # real images that it compares with
    beta1: float = 0.0  # of Adam, for generator and encoder
    warm_up_kimg: float = 0.5  # in which the ratios rise from 0, counted from the end of the lead
    blur_px: float = 1.5  # sigma at first of the blur in front of the discriminators
    blur_kimg: float = 1.0  # in which it fades, counted from the end of the lead
    gamma: float = 0.5  # of R1
    augment_kimg: float = 20.0  # that p takes from 0 to 1; 500 in arXiv 2006.06676
    augment_start: float = 0.2
    augment_limit: float = 0.4
    ema_kimg: float = 1.0  # half-life of the generator's average
    ema_rampup: float = 0.05  # the half-life is at most this share of the images seen so far
    magnitude_kimg: float = 0.5  # half-life of the layers' magnitudes


@dataclass(frozen=True, kw_only=True)
class GanPreset:
    generator: Mapping[str, Any]  # what build_generator takes
    discriminator: Mapping[str, Any]  # what build_discriminator takes, but for size and channels
    unshuffle: (
        int  # the discriminator sees blocks of so many pixels a side as channels: cheap on a CPU
    )
    adversarial: AdversarialSettings

    @property
    def resolution(self) -> int:
        return int(self.generator["img_resolution"])


def r1_gamma(resolution: int, batch: int) -> float:
    """The heuristic of arXiv 2006.06676, appendix: 0.0002 pixels / batch."""
    return 0.0002 * resolution**2 / batch


def _embedded(
    resolution: int, layers: int, settings: AdversarialSettings, **changes: Any
) -> GanPreset:
    generator = {
        "z_dim": 64,
        "c_dim": 0,
        "w_dim": 128,
        "img_resolution": resolution,
        "img_channels": 4,
        "mapping_kwargs": {"num_layers": 2, "lr_multiplier": 0.1},
        "num_layers": layers,
        "num_critical": 2,
        "margin_size": 4,
        "channel_base": 1024,
        "channel_max": 128,
        "first_stopband": 4.0,
        "last_stopband_rel": 2**0.3,
        "filter_size": 6,
    }
    return GanPreset(
        generator=generator | changes,
        discriminator={"channel_base": 2048, "channel_max": 128},
        unshuffle=2,
        adversarial=settings,
    )


def _paper(resolution: int, batch: int = 32) -> GanPreset:
    generator = {
        "z_dim": 512,
        "c_dim": 0,
        "w_dim": 512,
        "img_resolution": resolution,
        "img_channels": 4,
        "mapping_kwargs": {"num_layers": 2, "lr_multiplier": 0.01},
        "channel_base": 32768,
        "channel_max": 512,
        "num_layers": 14,
        "num_critical": 2,
        "margin_size": 10,
        "num_fp16_res": 4,
    }
    adversarial = AdversarialSettings(
        batch=batch,
        anchored=False,
        lr=0.0025,
        lr_rgba=0.002,
        total_kimg=25_000,
        final_rate=1.0,
        lead_kimg=0,
        warm_up_kimg=200,
        blur_px=10,
        blur_kimg=200,
        gamma=r1_gamma(resolution, batch),
        augment_kimg=500,
        augment_start=0,
        augment_limit=0.8,
        ema_kimg=10,
        magnitude_kimg=20,
    )
    discriminator = {"channel_base": 32768, "channel_max": 512, "num_fp16_res": 4}
    return GanPreset(
        generator=generator, discriminator=discriminator, unshuffle=1, adversarial=adversarial
    )


# What helped in an hour of one CPU core, where discriminators won too easily
# (docs/reports/training.md): they are off.
MATCHING = AdversarialSettings(
    batch=16,
    ratio_rgba=0,
    ratio_features=0,
    ratio_energy=2,
    beta1=0.5,
    lead_kimg=0,
    warm_up_kimg=0.3,
    blur_kimg=0,
    augment_start=0,
    augment_limit=0,
    ema_kimg=0.5,
)
PRESETS: dict[str, GanPreset] = {
    "embedded-64": _embedded(64, 6, MATCHING),
    "embedded-128": _embedded(128, 8, MATCHING),
    "paper-512": _paper(512),
    "paper-1024": _paper(1024),
    "tiny-32": _embedded(
        32, 4, AdversarialSettings(lead_kimg=0, warm_up_kimg=0.016, blur_kimg=0.016),
        z_dim=16, w_dim=16, channel_base=256, channel_max=16,
    ),
}  # fmt: skip
