"""A bundle small enough to sample in milliseconds: both networks as built, untrained."""

from pathlib import Path

import pytest
import torch

from core.registry import Bundle, load_bundle_folder
from models.checkpoint import save_checkpoint
from models.generator import build_generator
from models.matting import build_stylematte
from models.matting.config import MattingConfig
from workers.bundles import assemble

GENERATOR = {
    "z_dim": 16, "w_dim": 16, "img_resolution": 32, "img_channels": 4, "channel_base": 512, "channel_max": 16,
    "num_layers": 4, "margin_size": 4, "mapping_kwargs": {"num_layers": 1},
}  # fmt: skip
STYLEMATTE = MattingConfig(
    embed_dim=8,
    depths=(1, 1, 1, 1),
    num_heads=(1, 1, 2, 2),
    window_size=4,
    feature_size=32,
    encoder_layers=1,
    encoder_feedforward_dim=32,
    num_attention_heads=2,
)


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle on disk, ready to be published."""
    folder = tmp_path_factory.mktemp("bundle")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator, matte = build_generator(GENERATOR), build_stylematte(STYLEMATTE)
    for network, kind, config in (
        (generator, "stylemattegan-generator", generator.config.to_dict()),
        (matte, "stylematte", STYLEMATTE.to_dict()),
    ):
        save_checkpoint(folder / f"{kind}.safetensors", kind=kind, config=config, state=network.state_dict())
    assemble(
        folder / "humans",
        name="humans",
        generator=folder / "stylemattegan-generator.safetensors",
        stylematte=folder / "stylematte.safetensors",
        thresholds={"coverage_min": 0.0, "mad": 1.0},
    )
    return folder / "humans"


@pytest.fixture(scope="session")
def bundle(bundle_folder: Path) -> Bundle:
    return load_bundle_folder(bundle_folder)
