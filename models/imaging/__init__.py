"""Pixels: conversions, encodings, sheets."""
