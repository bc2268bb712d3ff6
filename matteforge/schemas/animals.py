"""Attributes of rendered animals."""

from matteforge.schemas.vocabulary import Vocabulary

ANIMALS = Vocabulary(
    values={
        "kind": (
            "cat",
            "dog_short",  # by the length of their coats
            "dog_long",
            "dog_curly",
            "fox",
            "wolf",
            "bear",
            "panda",
            "rabbit",
            "lion",
            "tiger",
            "horse",
            "goat",
            "sheep",
            "owl",
        ),
        "pattern": ("natural", "solid", "tabby", "spotted", "bicolour", "mask"),
        "colour": ("natural", "black", "brown", "ginger", "grey", "white"),
        "fur": ("natural", "short", "long"),
        "ears": ("alert", "relaxed", "back", "one_turned"),
        "pose": ("frontal", "half_left", "half_right", "down", "up"),
        "collar": ("no", "yes"),
        "light": ("studio", "window", "overcast", "sun", "evening"),
        "background": ("plain", "room", "street", "foliage", "bokeh"),
    },
    defaults={
        "pattern": {"natural": 0.75},
        "colour": {"natural": 0.75},
        "fur": {"natural": 0.8},
        "ears": {"alert": 0.5},
        "pose": {"frontal": 0.4},
        "collar": 0.12,
        "background": {"plain": 0.1},
    },
    crossed=("kind",),
    spread="pose",
)
"""`natural`: as the kind has it in nature, or as its breeds have it."""
