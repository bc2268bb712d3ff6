"""Backgrounds: painted scenes, photographs, panoramas."""
