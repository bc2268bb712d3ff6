"""Cutting subjects out of people's own pictures."""
