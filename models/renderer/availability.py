"""Whether this machine can render, told without importing what renders where it can't."""

import importlib.util

INSTALL = "pip install '.[portraits]'"


def available(domain: str | None = None) -> str | None:
    """None where portraits of a domain, or of every one, can be rendered, else what is missing, in
    words. Raises InvalidSpec for an unknown domain."""
    if importlib.util.find_spec("bpy") is None:
        return f"Blender's package `bpy` is not installed: {INSTALL}"
    from models.renderer.subjects import SUBJECTS, subject_of  # a second, for scipy and numba

    for subject in [subject_of(domain)] if domain else SUBJECTS.values():
        if missing := subject.missing():
            return f"{missing}: {INSTALL}"
    return None
