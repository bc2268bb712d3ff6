"""Attributes of rendered animals."""

from matteforge.schemas.vocabulary import Limit, Vocabulary

KINDS = (
    "cat",
    "dog_short",
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
)
"""Values of `kind`; dogs by the length of their coats."""
THICK = ("dog_curly",)
"""Kinds whose fur, were it longer, would hide their faces."""

ANIMALS = Vocabulary(
    values={
        "kind": KINDS,
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
    limits={
        "fur": Limit(
            where={"kind": tuple(kind for kind in KINDS if kind not in THICK)}, otherwise="natural"
        )
    },
)
"""`natural`: as the kind has it in nature, or as its breeds have it."""
