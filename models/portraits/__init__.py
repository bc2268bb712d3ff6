"""People from nothing: portraits with exact alpha, rendered from CC0 shapes by Blender's Cycles in a process of its own."""
