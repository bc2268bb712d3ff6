"""The StyleMatteGAN generator."""

from models.generator.config import GeneratorConfig, LayerSpec, MappingConfig, layer_schedule
from models.generator.network import Generator, build_generator

__all__ = ["Generator", "GeneratorConfig", "LayerSpec", "MappingConfig", "build_generator", "layer_schedule"]
