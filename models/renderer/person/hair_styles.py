"""What makes a hair style: figures of `models.renderer.person.hair.Hair`, lengths in decimetres."""

from collections.abc import Callable

Figures = dict[str, float | bool | int]


def figures(style: str, u: Callable[[float, float], float]) -> Figures:
    """The figures in which a style differs from plain hair; `u(low, high)` draws one."""
    return STYLES[style](u)


STYLES: dict[str, Callable[[Callable[[float, float], float]], Figures]] = {
    "bald": lambda u: {"count": 0},
    "buzz": lambda u: {
        "length_dm": u(0.06, 0.14),
        "lift": 0.6,
        "gravity": 0.0,
        "clump": 0.0,
        "volume_dm": 0.01,
        "count": 11000,
    },
    "crop": lambda u: {
        "length_dm": u(0.3, 0.55),
        "lift": u(0.3, 0.6),
        "gravity": 0.08,
        "nape_dm": u(6.6, 6.9),
    },
    "side parting": lambda u: {
        "length_dm": u(0.6, 1.0),
        "lift": u(0.15, 0.4),
        "gravity": 0.2,
        "nape_dm": u(6.6, 6.9),
    },
    "slick": lambda u: {
        "length_dm": u(0.8, 1.4),
        "lift": u(0.05, 0.25),
        "gravity": 0.15,
        "volume_dm": u(0.05, 0.15),
    },
    "messy": lambda u: {
        "length_dm": u(0.5, 1.0),
        "lift": u(0.4, 0.7),
        "frizz": 0.15,
        "volume_dm": 0.25,
        "clump": 0.75,
        "gravity": 0.12,
    },
    "bob": lambda u: {
        "length_dm": u(1.9, 2.7),
        "lift": u(0.1, 0.25),
        "gravity": 0.55,
        "stiffness": 0.75,
        "volume_dm": u(0.1, 0.2),
    },
    "fringe": lambda u: {
        "length_dm": u(1.7, 2.5),
        "lift": 0.22,
        "gravity": 0.5,
        "stiffness": 0.78,
        "fringe": True,
        "volume_dm": 0.18,
    },
    "wavy bob": lambda u: {
        "length_dm": u(1.9, 2.6),
        "gravity": 0.5,
        "curl_dm": u(0.04, 0.08),
        "curls_per_dm": u(0.5, 0.9),
        "volume_dm": 0.22,
    },
    "straight": lambda u: {
        "length_dm": u(3.2, 5.0),
        "lift": u(0.05, 0.2),
        "gravity": 0.7,
        "stiffness": 0.7,
        "count": 15000,
        "frizz": 0.03,
    },
    "wavy": lambda u: {
        "length_dm": u(2.6, 4.6),
        "lift": u(0.08, 0.25),
        "gravity": 0.65,
        "stiffness": 0.7,
        "curl_dm": u(0.04, 0.1),
        "curls_per_dm": u(0.45, 0.8),
        "volume_dm": 0.2,
        "count": 15000,
    },
    "curls": lambda u: {
        "length_dm": u(1.2, 2.6),
        "lift": 0.55,
        "gravity": 0.25,
        "curl_dm": u(0.07, 0.12),
        "curls_per_dm": u(1.2, 1.9),
        "frizz": 0.1,
        "volume_dm": u(0.25, 0.45),
        "clump": 0.75,
    },
    "afro": lambda u: {
        "length_dm": u(0.4, 1.2),
        "lift": 0.9,
        "gravity": 0.0,
        "curl_dm": u(0.04, 0.07),
        "curls_per_dm": u(2.5, 3.6),
        "frizz": 0.16,
        "clump": 0.35,
    },
    "ponytail": lambda u: {
        "length_dm": u(3.0, 4.8),
        "lift": 0.12,
        "clump": 0.25,
        "volume_dm": 0.08,
    },
    "bun": lambda u: {"length_dm": 2.4, "lift": 0.12, "clump": 0.25, "volume_dm": 0.08},
}
