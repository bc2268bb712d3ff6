"""StyleMatte (arXiv 2305.02981): Mask2Former pixel decoder over Swin, pyramid fusion, guided
filter."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.mask2former.configuration_mask2former import Mask2FormerConfig
from transformers.models.mask2former.modeling_mask2former import (
    Mask2FormerPixelLevelModule,
    Mask2FormerPreTrainedModel,
)
from transformers.models.swin.configuration_swin import SwinConfig

from models.networks.stylematte.config import MattingConfig
from models.networks.stylematte.deformable_attention import DeformableAttention
from models.networks.stylematte.guided_filter import fast_guided_filter

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
STAGES = ("stage1", "stage2", "stage3", "stage4")


class PixelDecoder(Mask2FormerPreTrainedModel):
    """Swin and the multi-scale deformable attention decoder (arXiv 2112.01527, section 3.2),
    freshly initialised."""

    def __init__(self, config: Mask2FormerConfig) -> None:
        super().__init__(config)
        level = Mask2FormerPixelLevelModule(config)
        self.encoder, self.decoder = level.encoder, level.decoder
        for layer in self.decoder.encoder.layers:
            plain = layer.self_attn
            layer.self_attn = DeformableAttention(
                plain.d_model, plain.n_heads, plain.n_levels, plain.n_points
            )
        self.post_init()

    def forward(self, image: Tensor) -> list[Tensor]:
        """image: float32 [n, 3, h, w]. Returns features [n, c, ...] at 1/32, 1/16, 1/8 and 1/4 of
        its size."""
        output = self.decoder(self.encoder(image).feature_maps)
        return [*output.multi_scale_features, output.mask_features]


class PyramidFusion(nn.Module):
    """Top-down pyramid whose sum is fused with its finest input; one smoothing convolution serves
    all steps."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1x1 = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(3))
        self.smooth_conv = nn.ModuleList([nn.Conv2d(channels, channels, 3, padding=1)] * 3)
        self.conv_fusion = nn.Sequential(
            nn.Conv2d(2 * channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )

    def forward(self, pyramid: Sequence[Tensor]) -> Tensor:
        """pyramid: four float32 [n, c, ...], coarsest first. Returns [n, c, h, w] at the size of
        the last."""
        levels = [conv(level) for conv, level in zip(self.conv1x1, pyramid, strict=False)] + [
            pyramid[3]
        ]
        fused = levels[0]
        for smooth, finer in zip(self.smooth_conv, levels[1:], strict=True):
            fused = finer + resize(smooth(fused), finer)
        return self.conv_fusion(torch.cat([fused, levels[3]], dim=1))


class StyleMatte(nn.Module):
    """Portrait matting network."""

    def __init__(self, config: MattingConfig) -> None:
        super().__init__()
        self.config = config
        self.pixel_decoder = PixelDecoder(_mask2former_config(config))
        self.fpn = PyramidFusion(config.feature_size)
        self.conv = nn.Conv2d(config.feature_size, 1, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """image: float32 [n, 3, h, w], ImageNet-normalised, any size. Returns alpha: float32 [n, 1,
        h, w] in [0, 1]."""
        low = self.conv(
            self.fpn(self.pixel_decoder(image))
        ).float()  # the filter divides by small variances
        guide = image.mean(dim=1, keepdim=True)
        low_guide = F.interpolate(guide, size=low.shape[-2:], mode="bicubic", align_corners=True)
        logit = fast_guided_filter(
            low_guide, low, guide, radius=self.config.guided_radius, eps=self.config.guided_eps
        )
        return torch.sigmoid(logit)

    def load_reference_state(self, state: Mapping[str, Tensor]) -> None:
        """Loads weights by the reference's names. Raises RuntimeError on a missing, unknown or
        misshapen tensor."""
        self.load_state_dict(state, strict=True)


def resize(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear with aligned corners to the height and width of `like`. x: float32 [n, c, h, w]."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=True)


def build_stylematte(config: MattingConfig | Mapping[str, Any]) -> StyleMatte:
    """An untrained network in eval mode.

    config: a MattingConfig, its `to_dict`, or a reference network's description (see
    `MattingConfig.from_reference`). Raises ValueError or TypeError if it is none of them.
    """
    if not isinstance(config, MattingConfig):
        config = (
            MattingConfig.from_reference(config)
            if "fpn" in config
            else MattingConfig.from_dict(config)
        )
    return StyleMatte(config).eval()


def predict_alpha(matte: nn.Module, rgb_pm1: Tensor) -> Tensor:
    """rgb_pm1: float32 [n, 3, h, w] in [-1, 1]. Returns alpha: float32 [n, 1, h, w] in [0, 1]."""
    return matte(normalised(rgb_pm1))


def normalised(rgb_pm1: Tensor) -> Tensor:
    """[n, 3, h, w] in [-1, 1] -> with ImageNet's mean and deviation."""
    mean = rgb_pm1.new_tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
    std = rgb_pm1.new_tensor(IMAGENET_STD).view(1, 3, 1, 1)
    return ((rgb_pm1 + 1) / 2 - mean) / std


def _mask2former_config(config: MattingConfig) -> Mask2FormerConfig:
    backbone = SwinConfig(
        embed_dim=config.embed_dim,
        depths=list(config.depths),
        num_heads=list(config.num_heads),
        window_size=config.window_size,
        drop_path_rate=0.0,
        out_features=list(STAGES),
    )
    return Mask2FormerConfig(
        backbone_config=backbone,
        feature_size=config.feature_size,
        mask_feature_size=config.feature_size,
        hidden_dim=config.feature_size,
        encoder_layers=config.encoder_layers,
        encoder_feedforward_dim=config.encoder_feedforward_dim,
        num_attention_heads=config.num_attention_heads,
    )
