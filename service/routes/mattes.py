"""/v1/mattes: a subject cut out of one's own picture."""

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, File, Form, Response, UploadFile
from starlette.concurrency import run_in_threadpool

from core.errors import InvalidSpec, NotFound, StateConflict
from core.keyring import ApiKey
from core.mattes import RESULT, MatteBook, MatteOrder, MatteOutcome
from core.messages import RunMatte
from matteforge.schemas.datasets import ErrorInfo
from matteforge.schemas.mattes import MatteOut
from service.dependencies import KeyDep, MatteId, Services, ServicesDep, bearer
from service.matte_orders import MatteWish, WishDep
from service.problems import documented, located

router = APIRouter(prefix="/v1/mattes", tags=["mattes"], dependencies=[bearer])

FIRST_POLL_S, LONGEST_POLL_S = 0.1, 1.0
LONGEST_WAIT_S = 60.0


@router.post(
    "", status_code=202, response_model=MatteOut,
    responses=documented(400, 413) | located(202, "Ordered; Location is the matte"),
    summary="Cut a picture out",
)  # fmt: skip
async def make(
    image: Annotated[UploadFile, File(description="PNG, JPEG, WebP, TIFF, GIF, BMP or AVIF")],
    wish: WishDep,
    services: ServicesDep,
    response: Response,
    wait_s: Annotated[
        float, Form(ge=0, le=LONGEST_WAIT_S, description="how long to wait for the end")
    ] = 0,
) -> MatteOut:
    """Upload a picture; its matte is at `links.result` once `state` is done. Orientation (EXIF) and
    colours (ICC) are set right, and of an animation the first frame is taken."""
    content = await image.read()
    if not content:
        raise InvalidSpec("image: the file is empty")
    book = MatteBook(services.store)
    matte_id = await run_in_threadpool(_begin, services, book, wish, content)
    outcome = await _wait(book, matte_id, wait_s)
    out = _out(matte_id, wish.order, outcome)
    response.headers["Location"] = out.links["self"]
    return out


@router.get(
    "/{matte_id}", response_model=MatteOut, responses=documented(404), summary="Look at a matte"
)
def get_matte(matte_id: MatteId, services: ServicesDep, key: KeyDep) -> MatteOut:
    """Whether it is done. Only its tenant, and admins, may look."""
    book = MatteBook(services.store)
    return _out(matte_id, _owned(book, matte_id, key), book.outcome(matte_id))


@router.get(
    "/{matte_id}/result", response_class=Response,
    responses=documented(404, 409) | {200: {"content": {"image/png": {}}}}, summary="Fetch a matte",
)  # fmt: skip
def get_result(matte_id: MatteId, services: ServicesDep, key: KeyDep) -> Response:
    """The PNG. 409 until it is done, and when it failed."""
    book = MatteBook(services.store)
    _owned(book, matte_id, key)
    outcome = book.outcome(matte_id)
    if outcome is None or outcome.code:
        raise StateConflict(outcome.detail if outcome else f"{matte_id} is not done yet")
    return Response(
        book.picture(matte_id, RESULT),
        media_type="image/png",
        headers={"Cache-Control": "private, max-age=86400, immutable"},
    )


def _begin(services: Services, book: MatteBook, wish: MatteWish, image: bytes) -> str:
    book.sweep(time.time())
    matte_id = book.put(wish.order, image, wish.behind)
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


def _owned(book: MatteBook, matte_id: str, key: ApiKey) -> MatteOrder:
    order = book.order(matte_id)
    if not key.sees(order.owner):
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
