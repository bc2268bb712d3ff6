"""What lies beside image and alpha, as ordered: made here where the source has no exact one."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from core.datasets.plan import Plan
from models.imaging.blur_fusion import estimate_foreground
from models.imaging.compositing import over
from models.imaging.pixels import to_u8, to_unit
from models.imaging.trimap import trimap
from models.scenes.backgrounds import render_background
from workers.generate.backdrops import BACKGROUND_STREAM, Backdrops
from workers.generate.candidate import Candidate, Member
from workers.shards.encode import ALPHA_SUFFIX, SUFFIX, encode_alpha, encode_image, encode_member

FOREGROUND, TRIMAP = "fg.png", "trimap.png"
DRAWN_SLACK = 0.05  # StyleMatteGAN's alpha is seldom 0 or 1 to the last bit


def encode_members(
    candidate: Candidate,
    facts: Mapping[str, object],
    plan: Plan,
    backdrops: Backdrops | None = None,
) -> dict[str, bytes]:
    """Every member of an accepted candidate, by suffix; `facts` are its `.json`. backdrops: what is
    behind composites where the plan names a corpus."""
    alpha_unit = to_unit(candidate.alpha)
    made: dict[str, Member] = dict(candidate.members)
    if "trimap" in plan.members and TRIMAP not in made:
        made[TRIMAP] = trimap(alpha_unit, slack=DRAWN_SLACK)
    if {"fg", "composite"} & set(plan.members) and FOREGROUND not in made:
        made[FOREGROUND] = estimate_foreground(candidate.rgb_u8, alpha_unit)
    members = {
        ALPHA_SUFFIX: encode_alpha(candidate.alpha),
        SUFFIX[plan.image_format]: encode_image(candidate.rgb_u8, plan.image_format),
        "json": encode_member(facts),
    }
    if "composite" in plan.members:
        background = backdrops or plan.background
        scene = composite(np.asarray(made[FOREGROUND]), alpha_unit, background, candidate.seed)
        suffix = SUFFIX[plan.image_format].replace("image", "composite")
        members[suffix] = encode_image(scene, plan.image_format)
    if "fg" not in plan.members:
        made.pop(FOREGROUND, None)
    return members | {suffix: encode_member(member) for suffix, member in made.items()}


def composite(
    fg_u8: NDArray[np.uint8],
    alpha_unit: NDArray[np.float32],
    background: str | Backdrops,
    seed: int,
) -> NDArray[np.uint8]:
    """The subject over a colour `#rrggbb`, or over one of the built-in backgrounds or of a
    corpus', drawn from its seed; uint8 [h, w, 3]."""
    height, width = alpha_unit.shape
    if isinstance(background, Backdrops):
        behind = background.draw(seed, max(height, width))[:height, :width]
    elif background.startswith("#"):
        behind = np.array(list(bytes.fromhex(background[1:])), np.float32) / np.float32(255)
    else:
        rng = np.random.default_rng((seed, BACKGROUND_STREAM))
        behind = render_background(rng, max(height, width))[:height, :width]
    return to_u8(over(to_unit(fg_u8), alpha_unit[..., None], behind))
