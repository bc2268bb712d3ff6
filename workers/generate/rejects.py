"""Examples of what is rejected while a shard is made: a few a reason, drawn small."""

import base64
import io
from collections import Counter

import numpy as np
from PIL import Image

from core.datasets.rejects import KEPT_A_REASON, SHARDS_WITH_EXAMPLES, RejectedExample
from models.imaging.pixels import U8, to_u8, to_unit
from models.imaging.sheets import fitted, grey_rgb
from workers.generate.candidate import Candidate

SIDE = 128  # pixels of the image, and of the alpha beside it; smaller pictures stay as they are
QUALITY = 80


class Rejects:
    """Keeps the first KEPT_A_REASON candidates of each reason; of later shards none."""

    def __init__(self, shard: int) -> None:
        self._shard = shard
        self._kept: Counter[str] = Counter()
        self.examples: list[RejectedExample] = []

    def look(self, candidate: Candidate, reason: str) -> None:
        """Keep a rejected candidate if there is room. One that was never drawn has no picture."""
        if (
            self._shard >= SHARDS_WITH_EXAMPLES
            or self._kept[reason] >= KEPT_A_REASON
            or not candidate.alpha.size
        ):
            return
        self._kept[reason] += 1
        self.examples.append(
            RejectedExample(
                shard=self._shard,
                attempt=candidate.attempt,
                seed=candidate.seed,
                reason=reason,
                scores={name: round(score, 6) for name, score in candidate.scores.items()},
                attributes=dict(candidate.attributes),
                webp_base64=base64.b64encode(_webp(_pair(candidate))).decode(),
            )
        )


def _pair(candidate: Candidate) -> U8:
    """Image and alpha side by side, uint8 [side, 2 * side, 3]."""
    alpha = grey_rgb(to_u8(to_unit(candidate.alpha)))
    side = min(SIDE, max(candidate.alpha.shape))
    return np.concatenate([fitted(candidate.rgb_u8, side), fitted(alpha, side)], axis=1)


def _webp(pixels: U8) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=QUALITY)
    return buffer.getvalue()
