"""Checkpoint files: written, loaded, imported from foreign formats."""
