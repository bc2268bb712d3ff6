"""Cutting a subject out of somebody's own picture: what is asked, and what came of it.

mattes/ID/order.json     who asked for what
mattes/ID/image          the picture as it came; `background` beside it if one was sent
mattes/ID/result.png     what was made, or
mattes/ID/outcome.json   how it ended (written last)

An id begins with the time it was made: old ones are found without reading them.
"""

import re
import secrets
import time

from pydantic import Field

from core import keys
from core.errors import NotFound
from core.ports import ObjectStore
from matteforge.schemas.base import Frozen
from matteforge.schemas.mattes import Output

COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
BLUR, PICTURE = "blur", "picture"
KEPT_S = 24 * 3600
IMAGE, BACKGROUND, RESULT = "image", "background", "result.png"


class MatteOrder(Frozen):
    """One picture to be cut out."""

    owner: str
    bundle: str = Field(description="digest of the bundle whose StyleMatte is used")
    output: Output = "cutout"
    background: str | None = Field(None, description="#rrggbb, blur or picture; of composites")
    side: int | None = Field(
        None, ge=32, le=4096, description="the longer side at which StyleMatte looks"
    )


class MatteOutcome(Frozen):
    """How it ended: `code` and `detail` of what went wrong, or none."""

    code: str | None = None
    detail: str | None = None
    width: int = 0
    height: int = 0
    side: int = Field(0, description="the longer side at which StyleMatte looked")
    seconds: float = 0
    notice: str | None = Field(None, description="what to know of the network that was used")


def new_matte_id(now_s: float | None = None) -> str:
    """`mt_` and 24 hexadecimal digits; the first ten are the time."""
    return f"mt_{int(time.time() if now_s is None else now_s):010x}{secrets.token_hex(7)}"


class MatteBook:
    """Pictures to be cut out, in one object store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def put(self, order: MatteOrder, image: bytes, background: bytes | None) -> str:
        """Keep an order and its pictures; returns its id."""
        matte_id = new_matte_id()
        self._store.put(keys.matte(matte_id, IMAGE), image)
        if background is not None:
            self._store.put(keys.matte(matte_id, BACKGROUND), background)
        self._put_json(matte_id, "order.json", order)
        return matte_id

    def order(self, matte_id: str) -> MatteOrder:
        """NotFound when there is none, or it was swept."""
        try:
            body, _ = self._store.get(keys.matte(matte_id, "order.json"))
        except NotFound:
            raise NotFound(f"there is no matte {matte_id}") from None
        return MatteOrder.model_validate_json(body)

    def picture(self, matte_id: str, name: str) -> bytes:
        """`name`: IMAGE, BACKGROUND or RESULT. NotFound."""
        return self._store.get(keys.matte(matte_id, name))[0]

    def outcome(self, matte_id: str) -> MatteOutcome | None:
        """How it ended, None as long as it has not."""
        try:
            body, _ = self._store.get(keys.matte(matte_id, "outcome.json"))
        except NotFound:
            return None
        return MatteOutcome.model_validate_json(body)

    def end(self, matte_id: str, outcome: MatteOutcome, result: bytes | None) -> None:
        """Write the result, then how it ended; the pictures that came are forgotten."""
        if result is not None:
            self._store.put(keys.matte(matte_id, RESULT), result, content_type="image/png")
        self._put_json(matte_id, "outcome.json", outcome)
        for name in (IMAGE, BACKGROUND):
            self._store.delete(keys.matte(matte_id, name))

    def sweep(self, now_s: float) -> None:
        """Remove what is older than a day."""
        oldest = new_matte_id(now_s - KEPT_S)[:13]
        for matte_id in self._store.list_folders(keys.MATTES):
            if matte_id[:13] >= oldest:
                return  # ids come in ascending order
            for name in list(self._store.list_names(keys.matte(matte_id, ""))):
                self._store.delete(keys.matte(matte_id, name))

    def _put_json(self, matte_id: str, name: str, record: MatteOrder | MatteOutcome) -> None:
        body = record.model_dump_json().encode()
        self._store.put(keys.matte(matte_id, name), body, content_type="application/json")
