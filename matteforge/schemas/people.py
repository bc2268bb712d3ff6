"""Attributes of rendered people."""

from matteforge.schemas.vocabulary import Limit, Vocabulary

PEOPLE = Vocabulary(
    values={
        "sex": ("female", "male"),
        "age": ("child", "young", "middle", "old"),
        "skin": ("tone1", "tone2", "tone3", "tone4", "tone5", "tone6"),  # light to dark
        "hair": ("bald", "short", "medium", "long", "curly", "tied"),
        "glasses": ("no", "yes"),
        "headwear": ("none", "hat", "headscarf", "headphones"),
        "beard": ("none", "stubble", "full"),
        "expression": ("neutral", "smile", "open_mouth", "frown", "surprise"),
        "pose": ("frontal", "half_left", "half_right", "down", "up"),
        "hand": ("no", "yes"),  # near the face
        "light": ("studio", "window", "overcast", "sun", "evening"),
        "clothes": ("tshirt", "shirt", "sweater", "jacket", "dress"),
        "background": ("plain", "room", "street", "foliage", "bokeh"),
    },
    defaults={
        "hair": {"bald": 0.1},
        "glasses": 0.25,
        "headwear": {"none": 0.7},
        "beard": {"none": 0.5},
        "expression": {"neutral": 0.4, "smile": 0.3},
        "pose": {"frontal": 0.4},
        "hand": 0.1,
        "background": {"plain": 0.1},
    },
    crossed=("sex", "age"),
    spread="skin",
    limits={
        "beard": Limit(
            where={"sex": ("male",), "age": ("young", "middle", "old")}, otherwise="none"
        )
    },
)
