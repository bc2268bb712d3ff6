"""Parameters and checks that several routes share."""

from typing import Annotated

from fastapi import Header, Query, Request
from starlette.exceptions import HTTPException

from matteforge.schemas.datasets import MAX_IDEMPOTENCY_KEY

Cursor = Annotated[str | None, Query(max_length=100, description="next_cursor of the page before")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=MAX_IDEMPOTENCY_KEY,
        pattern=r"^[\x21-\x7e]+$",
        description="makes the order safe to repeat: the same key and body answer with the same "
        "dataset",
        examples=["5b7d3a52-6c1c-4a43-9d0c-3f0f0f7a2f11"],
    ),
]
LastEventId = Annotated[str | None, Header(max_length=100, description="resume after this event")]


def json_only(request: Request) -> None:
    """Refuses a body of another media type with 415."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise HTTPException(415, "send the order as application/json")
