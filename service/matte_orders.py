"""The form of POST /v1/mattes and /v1/matte-batches: what is to be made, of whatever pictures."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, File, Form, UploadFile
from starlette.concurrency import run_in_threadpool

from core.errors import InvalidSpec, NotFound
from core.mattes import BLUR, COLOUR, PICTURE, MatteOrder
from matteforge.schemas.mattes import Output
from service.dependencies import KeyDep, ServicesDep


@dataclass(frozen=True, kw_only=True)
class MatteWish:
    """An order without its pictures; `behind` is the picture that goes behind composites."""

    order: MatteOrder
    model: str  # as it was named: the bundle is what it meant at that time
    behind: bytes | None


async def _wish(
    services: ServicesDep,
    key: KeyDep,
    output: Annotated[
        Output, Form(description="grey alpha, straight RGBA, or RGB over a background; all PNG")
    ] = "cutout",
    background: Annotated[
        str | None, Form(max_length=20, description="of composites: #rrggbb or blur")
    ] = None,
    background_image: Annotated[
        UploadFile | None, File(description="of composites: a picture to put behind")
    ] = None,
    model: Annotated[
        str, Form(max_length=200, description="whose StyleMatte: name, name@alias or digest")
    ] = "humans",
    side: Annotated[
        int | None,
        Form(ge=32, le=4096, description="the longer side at which StyleMatte looks"),
    ] = None,
) -> MatteWish:
    """The form's fields, checked. Raises InvalidSpec."""
    behind = await background_image.read() if background_image else None
    named = _behind(output, background, behind)
    try:
        digest = await run_in_threadpool(services.registry.resolve, model, key.reads)
    except NotFound as error:
        raise InvalidSpec(f"model: {error.detail}") from error
    order = MatteOrder(owner=key.tenant, bundle=digest, output=output, background=named, side=side)
    return MatteWish(order=order, model=model, behind=behind)


WishDep = Annotated[MatteWish, Depends(_wish)]


def _behind(output: Output, background: str | None, picture: bytes | None) -> str | None:
    """What an order says of its background. Raises InvalidSpec."""
    if background is None and picture is None:
        return None
    if output != "composite":
        raise InvalidSpec("background: only output=composite has one")
    if picture is not None and background is not None:
        raise InvalidSpec("background: give either background or background_image")
    if picture is None and not (background == BLUR or COLOUR.fullmatch(str(background))):
        raise InvalidSpec(f"background: {background!r} is neither #rrggbb nor {BLUR}")
    return PICTURE if picture is not None else background
