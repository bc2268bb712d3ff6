"""Geometry and rasterisation."""
