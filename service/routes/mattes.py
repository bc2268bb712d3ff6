"""/v1/mattes: a subject cut out of one's own picture."""

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, File, Form, Response, UploadFile
from starlette.concurrency import run_in_threadpool

from core.errors import InvalidSpec, NotFound, StateConflict
from core.mattes import BLUR, COLOUR, PICTURE, RESULT, MatteBook, MatteOrder, MatteOutcome
from core.messages import RunMatte
from matteforge.schemas.datasets import ErrorInfo
from matteforge.schemas.mattes import MatteOut, Output
from service.dependencies import MatteId, OwnerDep, Services, ServicesDep, bearer
from service.problems import documented, located

router = APIRouter(prefix="/v1/mattes", tags=["mattes"], dependencies=[bearer])

FIRST_POLL_S, LONGEST_POLL_S = 0.1, 1.0
LONGEST_WAIT_S = 60.0


@router.post(
    "",
    status_code=202,
    response_model=MatteOut,
    responses=documented(400, 413) | located(202, "Ordered; Location is the matte"),
    summary="Cut a picture out",
)
async def make(
    image: Annotated[UploadFile, File(description="PNG, JPEG, WebP, TIFF, GIF, BMP or AVIF")],
    services: ServicesDep,
    owner: OwnerDep,
    response: Response,
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
    wait_s: Annotated[
        float, Form(ge=0, le=LONGEST_WAIT_S, description="how long to wait for the end")
    ] = 0,
) -> MatteOut:
    """Upload a picture; its matte is at `links.result` once `state` is done. Orientation (EXIF) and
    colours (ICC) are set right, and of an animation the first frame is taken."""
    content = await image.read()
    behind = await background_image.read() if background_image else None
    if not content:
        raise InvalidSpec("image: the file is empty")
    order = await run_in_threadpool(
        _order, services, owner, output, _behind(output, background, behind), model, side
    )
    book = MatteBook(services.store)
    matte_id = await run_in_threadpool(_begin, services, book, order, content, behind)
    outcome = await _wait(book, matte_id, wait_s)
    out = _out(matte_id, order, outcome)
    response.headers["Location"] = out.links["self"]
    return out


@router.get(
    "/{matte_id}", response_model=MatteOut, responses=documented(404), summary="Look at a matte"
)
def get_matte(matte_id: MatteId, services: ServicesDep, owner: OwnerDep) -> MatteOut:
    """Whether it is done. Only its tenant may look."""
    book = MatteBook(services.store)
    return _out(matte_id, _owned(book, matte_id, owner), book.outcome(matte_id))


@router.get(
    "/{matte_id}/result",
    response_class=Response,
    responses=documented(404, 409) | {200: {"content": {"image/png": {}}}},
    summary="Fetch a matte",
)
def get_result(matte_id: MatteId, services: ServicesDep, owner: OwnerDep) -> Response:
    """The PNG. 409 until it is done, and when it failed."""
    book = MatteBook(services.store)
    _owned(book, matte_id, owner)
    outcome = book.outcome(matte_id)
    if outcome is None or outcome.code:
        raise StateConflict(outcome.detail if outcome else f"{matte_id} is not done yet")
    return Response(
        book.picture(matte_id, RESULT),
        media_type="image/png",
        headers={"Cache-Control": "private, max-age=86400, immutable"},
    )


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


def _order(
    services: Services,
    owner: str,
    output: Output,
    background: str | None,
    model: str,
    side: int | None,
) -> MatteOrder:
    try:
        digest = services.registry.resolve(model)
    except NotFound as error:
        raise InvalidSpec(f"model: {error.detail}") from error
    return MatteOrder(owner=owner, bundle=digest, output=output, background=background, side=side)


def _begin(
    services: Services, book: MatteBook, order: MatteOrder, image: bytes, behind: bytes | None
) -> str:
    book.sweep(time.time())
    matte_id = book.put(order, image, behind)
    services.doorbell.ring(RunMatte(matte_id=matte_id))
    return matte_id


async def _wait(book: MatteBook, matte_id: str, wait_s: float) -> MatteOutcome | None:
    """How it ended, None when it had not after `wait_s`. No thread is held while nothing
    happens."""
    deadline_s, pause_s = time.monotonic() + wait_s, FIRST_POLL_S
    while time.monotonic() < deadline_s:
        await asyncio.sleep(pause_s)
        if outcome := await run_in_threadpool(book.outcome, matte_id):
            return outcome
        pause_s = min(1.5 * pause_s, LONGEST_POLL_S)
    return None


def _owned(book: MatteBook, matte_id: str, owner: str) -> MatteOrder:
    order = book.order(matte_id)
    if order.owner != owner:
        raise NotFound(f"there is no matte {matte_id}")
    return order


def _out(matte_id: str, order: MatteOrder, outcome: MatteOutcome | None) -> MatteOut:
    path = f"/v1/mattes/{matte_id}"
    failed = outcome is not None and outcome.code is not None
    done = outcome is not None and not failed
    return MatteOut(
        id=matte_id,
        state="failed" if failed else "done" if done else "waiting",
        output=order.output,
        bundle=order.bundle,
        width=outcome.width if outcome and done else None,
        height=outcome.height if outcome and done else None,
        side=outcome.side if outcome and done else None,
        seconds=outcome.seconds if outcome and done else None,
        notice=outcome.notice if outcome else None,
        error=ErrorInfo(code=outcome.code, detail=outcome.detail or "")
        if outcome and outcome.code
        else None,
        links={"self": path} | ({"result": f"{path}/result"} if done else {}),
    )
