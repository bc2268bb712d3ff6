"""Released StyleMatte weights: their names in older transformers releases, and the config that
their shapes imply."""

import math
import re
from collections.abc import Mapping

import torch

from models.networks.stylematte.config import MattingConfig

BACKBONE = "pixel_decoder.encoder.swin."
OLD_BACKBONE = "pixel_decoder.encoder.embeddings."
DECODER = "pixel_decoder.decoder.encoder.layers"
POINTS_PER_HEAD = 3 * 4  # three feature levels, four sampling points on each
RENAMES = (  # transformers 4.26 to 5
    (r"^pixel_decoder\.encoder\.(embeddings|encoder)\.", BACKBONE + r"\1."),
    (r"\.attention\.self\.query\.", ".attention.q_proj."),
    (r"\.attention\.self\.key\.", ".attention.k_proj."),
    (r"\.attention\.self\.value\.", ".attention.v_proj."),
    (r"\.attention\.output\.dense\.", ".attention.o_proj."),
    (
        r"\.attention\.self\.(relative_position_bias_table)$",
        r".attention.relative_position_bias.\1",
    ),
    (r"(\.blocks\.\d+)\.intermediate\.dense\.", r"\1.mlp.fc1."),
    (r"(\.blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
)


def rename(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state under today's names.

    Position indices, which are constants, are left out. The backbone's final norm, which no feature
    passes through and old files lack, is added as identity.
    """
    renamed = {
        _rename(name): tensor
        for name, tensor in state.items()
        if not name.endswith("relative_position_index")
    }
    if any(name.startswith(OLD_BACKBONE) for name in state):
        last = max(
            name for name in renamed if re.search(r"\.hidden_states_norms\.\w+\.weight$", name)
        )
        renamed.setdefault(f"{BACKBONE}layernorm.weight", torch.ones_like(renamed[last]))
        renamed.setdefault(f"{BACKBONE}layernorm.bias", torch.zeros_like(renamed[last]))
    return renamed


def _rename(name: str) -> str:
    for pattern, replacement in RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


def infer_config(state: Mapping[str, torch.Tensor]) -> MattingConfig:
    """The config of a network with these tensors, under today's names. Raises KeyError for one that
    is missing."""
    stages = range(_count(state, rf"{re.escape(BACKBONE)}encoder\.layers\.(\d+)\."))
    blocks = [f"{BACKBONE}encoder.layers.{stage}.blocks" for stage in stages]
    tables = [
        state[f"{block}.0.attention.relative_position_bias.relative_position_bias_table"].shape
        for block in blocks
    ]
    return MattingConfig(
        embed_dim=state[f"{BACKBONE}embeddings.patch_embeddings.projection.weight"].shape[0],
        depths=tuple(_count(state, rf"{re.escape(block)}\.(\d+)\.") for block in blocks),
        num_heads=tuple(heads for _, heads in tables),
        window_size=(math.isqrt(tables[0][0]) + 1) // 2,
        feature_size=state["conv.weight"].shape[1],
        encoder_layers=_count(state, rf"{re.escape(DECODER)}\.(\d+)\."),
        encoder_feedforward_dim=state[f"{DECODER}.0.fc1.weight"].shape[0],
        num_attention_heads=state[f"{DECODER}.0.self_attn.attention_weights.weight"].shape[0]
        // POINTS_PER_HEAD,
    )


def _count(state: Mapping[str, torch.Tensor], pattern: str) -> int:
    return len({match[1] for name in state if (match := re.match(pattern, name))})
