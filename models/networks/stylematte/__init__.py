"""StyleMatte: an image in, its alpha out (arXiv 2305.02981)."""

from models.networks.stylematte.config import MattingConfig, preset
from models.networks.stylematte.network import StyleMatte, build_stylematte, predict_alpha

__all__ = ["MattingConfig", "StyleMatte", "build_stylematte", "predict_alpha", "preset"]
