"""Portraits from nothing, with exact alpha, rendered by Blender in a process of its own: shared
parts here, each kind of subject in a folder."""
