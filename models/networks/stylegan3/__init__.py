"""The StyleMatteGAN generator."""

from models.networks.stylegan3.config import (
    GeneratorConfig,
    LayerSpec,
    MappingConfig,
    layer_schedule,
)
from models.networks.stylegan3.network import Generator, build_generator

__all__ = [
    "Generator",
    "GeneratorConfig",
    "LayerSpec",
    "MappingConfig",
    "build_generator",
    "layer_schedule",
]
