"""StyleMatteGAN in its sizes: what each trains and how.

The portrait presets are what a minute of a GPU or a night of a CPU can use: the nonlinearity at its
layer's own rate (`lrelu_upsampling` 1; arXiv 2106.12423 shows what that costs in equivariance,
which a matting corpus doesn't need), channels in multiples of 16, bfloat16 on CUDA. The paper's are
StyleGAN3-T (appendix G) with the discriminator of arXiv 1912.04958.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GROWTH = 1.5  # of the cutoff from layer to layer: keeps channels in multiples of 16


@dataclass(frozen=True, kw_only=True)
class AdversarialSettings:
    """Settings of adversarial training; kimg: thousand images."""

    batch: int = 32  # images, over all processes
    lr: float = 0.002  # of the generator
    lr_rgba: float = 0.002
    lr_features: float = 0.0002  # of the projected discriminator's heads (arXiv 2111.01007)
    total_kimg: float = 2000.0
    final_rate: float = 0.02  # factor of the learning rates at the end
    anneal: float = 0.2  # share of the stage in which they fall to that
    ratio_features: float = 1.0  # norm of the heads' gradient at the images relative to the RGBA's
    features_px: int = 128  # the projected discriminator sees pictures of at least this size
    blur_px: float = 2.5  # sigma at first of the blur in front of the discriminators
    blur_kimg: float = 50.0  # in which it fades
    gamma: float = 0.5  # of R1
    r1_every: int = 16  # steps
    augment_kimg: float = 100.0  # that p takes from 0 to 1; 500 in arXiv 2006.06676
    augment_start: float = 0.2
    augment_least: float = 0.1
    augment_limit: float = 0.65
    ema_kimg: float = 10.0  # half-life of the generator's average
    ema_rampup: float = 0.05  # the half-life is at most this share of the images seen so far
    magnitude_kimg: float = 2.0  # half-life of the layers' magnitudes


@dataclass(frozen=True, kw_only=True)
class GanPreset:
    generator: Mapping[str, Any]  # what build_generator takes
    critic: Mapping[str, int]  # what Critic takes, but for the resolution
    adversarial: AdversarialSettings
    reference_discriminator: bool = False  # that of arXiv 1912.04958 instead of Critic

    @property
    def resolution(self) -> int:
        return int(self.generator["img_resolution"])


def r1_gamma(resolution: int, batch: int) -> float:
    """The heuristic of arXiv 2006.06676, appendix: 0.0002 pixels / batch."""
    return 0.0002 * resolution**2 / batch


def _portrait(resolution: int, layers: int, settings: AdversarialSettings) -> GanPreset:
    generator = {
        "z_dim": 128,
        "c_dim": 0,
        "w_dim": 256,
        "img_resolution": resolution,
        "img_channels": 4,
        "mapping_kwargs": {"num_layers": 2, "lr_multiplier": 0.05},
        "num_layers": layers,
        "num_critical": 2,
        "margin_size": 4,
        "channel_base": max(8192, 64 * resolution),  # at least 64 at the top
        "channel_max": 192,
        "first_cutoff": resolution / 2 / GROWTH ** (layers - 2),
        "first_stopband": 2**2.1,
        "last_stopband_rel": 2**0.3,
        "filter_size": 6,
        "lrelu_upsampling": 1,
        "num_fp16_res": 0,
    }
    critic = {"channel_base": 8192, "channel_max": 192}
    return GanPreset(generator=generator, critic=critic, adversarial=settings)


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
        "num_fp16_res": 0,
    }
    adversarial = AdversarialSettings(
        batch=batch, lr=0.0025, total_kimg=25_000, final_rate=1.0, blur_px=10, blur_kimg=200,
        gamma=r1_gamma(resolution, batch), augment_kimg=500, augment_start=0, augment_least=0,
        augment_limit=0.8, magnitude_kimg=20,
    )  # fmt: skip
    critic = {"channel_base": 32768, "channel_max": 512}
    return GanPreset(
        generator=generator, critic=critic, adversarial=adversarial, reference_discriminator=True
    )


def _tiny() -> GanPreset:
    settings = AdversarialSettings(
        batch=8, features_px=32, blur_kimg=0.016, ema_kimg=0.1, magnitude_kimg=0.1, r1_every=2,
        augment_kimg=20,
    )  # fmt: skip
    preset = _portrait(32, 4, settings)
    small = {"z_dim": 16, "w_dim": 16, "channel_base": 256, "channel_max": 16, "first_cutoff": 2.0}
    return GanPreset(
        generator={**preset.generator, **small},
        critic={"channel_base": 512, "channel_max": 32},
        adversarial=settings,
    )


def _small() -> GanPreset:
    """What a core trains in hours: a quarter of portrait-64's parameters."""
    settings = AdversarialSettings(
        batch=16, features_px=64, gamma=0.2, blur_px=1.0, blur_kimg=15.0, lr=0.001, lr_rgba=0.001,
        augment_kimg=20.0, ema_kimg=5.0, magnitude_kimg=0.5,
    )  # fmt: skip
    preset = _portrait(64, 8, settings)
    small = {"w_dim": 192, "channel_base": 3072, "channel_max": 96}
    mapping = {"num_layers": 5, "lr_multiplier": 0.05}
    return GanPreset(
        generator={**preset.generator, **small, "mapping_kwargs": mapping},
        critic={"channel_base": 2048, "channel_max": 96},
        adversarial=settings,
    )


PRESETS: dict[str, GanPreset] = {
    "portrait-64-small": _small(),
    "portrait-64": _portrait(64, 8, AdversarialSettings(gamma=0.2, blur_px=1.5)),
    "portrait-128": _portrait(128, 10, AdversarialSettings()),
    "portrait-256": _portrait(256, 12, AdversarialSettings(gamma=1.0, blur_px=5.0, batch=16)),
    "paper-512": _paper(512),
    "paper-1024": _paper(1024),
    "tiny-32": _tiny(),
}
