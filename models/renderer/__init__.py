"""People from nothing: portraits with exact alpha, from CC0 shapes, rendered by Blender in a
process of its own."""
