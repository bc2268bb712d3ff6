"""Sizes of a StyleMatte network, as stored in its checkpoint."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class MattingConfig:
    """Swin backbone, Mask2Former pixel decoder, fusion and guided filter."""

    embed_dim: int
    """Channels of the first Swin stage; they double with each stage."""
    depths: tuple[int, ...]
    """Swin blocks per stage."""
    num_heads: tuple[int, ...]
    """Attention heads per Swin stage."""
    window_size: int
    """Side of a Swin attention window, in 4-pixel patches."""
    feature_size: int
    """Channels of the pixel decoder and of the fusion; a multiple of 32 (GroupNorm)."""
    encoder_layers: int
    """Deformable attention layers of the pixel decoder."""
    encoder_feedforward_dim: int
    """Hidden channels of their feed-forward blocks."""
    num_attention_heads: int
    """Heads of the deformable attention."""
    guided_radius: int = 1
    """Radius of the guided filter's box window, in pixels of the low resolution."""
    guided_eps: float = 1e-4
    """Regularisation of the guided filter's slopes."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-compatible fields."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`. Raises ValueError on keys that are no field."""
        unknown = values.keys() - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"unknown keys in a StyleMatte config: {', '.join(sorted(unknown))}")
        fitted: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in values.items()
        }
        return cls(**fitted)

    @classmethod
    def from_reference(cls, info: Mapping[str, Any]) -> Self:
        """The config of a reference network, from its Mask2Former config, `fpn` and `fgf` entries.

        Raises ValueError if its widths are not the one width this network supports.
        """
        decoder, backbone = info["config"], info["config"]["backbone_config"]
        widths = {
            decoder["feature_size"],
            decoder["mask_feature_size"],
            decoder["hidden_dim"],
            info["fpn"]["fpn_out"],
        }
        if len(widths | set(info["fpn"]["feature_channels"])) != 1:
            raise ValueError("decoder and fusion must have the same number of channels")
        return cls(
            embed_dim=backbone["embed_dim"],
            depths=tuple(backbone["depths"]),
            num_heads=tuple(backbone["num_heads"]),
            window_size=backbone["window_size"],
            feature_size=decoder["feature_size"],
            encoder_layers=decoder["encoder_layers"],
            encoder_feedforward_dim=decoder["encoder_feedforward_dim"],
            num_attention_heads=decoder["num_attention_heads"],
            guided_radius=info["fgf"]["r"],
            guided_eps=info["fgf"]["eps"],
        )


PRESETS = {
    "swin-t": MattingConfig(
        embed_dim=96, depths=(2, 2, 6, 2), num_heads=(3, 6, 12, 24), window_size=7,
        feature_size=256, encoder_layers=6, encoder_feedforward_dim=1024, num_attention_heads=8,
    ),
    "tiny": MattingConfig(
        embed_dim=32, depths=(2, 2, 2, 1), num_heads=(1, 2, 4, 8), window_size=4,
        feature_size=64, encoder_layers=2, encoder_feedforward_dim=128, num_attention_heads=4,
    ),
    "micro": MattingConfig(
        embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2), window_size=4,
        # its norms have 32 groups, and one value in each is refused: a picture of 32 px alone
        feature_size=64, encoder_layers=1, encoder_feedforward_dim=32, num_attention_heads=2,
    ),
}  # fmt: skip


def preset(name: str) -> MattingConfig:
    """`swin-t`: the paper's 34.9 M parameters; `tiny`: for 64 to 160 px on a CPU; `micro`: for
    tests.

    Raises ValueError on other names.
    """
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}: expected one of {', '.join(PRESETS)}")
    return PRESETS[name]
