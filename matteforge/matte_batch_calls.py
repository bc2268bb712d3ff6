"""Every call of the API about batches of mattes. As matteforge.calls."""

import uuid
from pathlib import Path

from matteforge.calls import Call, MatteOptions, call_of, no_answer, path_of
from matteforge.schemas.mattes import BatchPicturePage, MatteBatchOut, MatteBatchPage

BATCHES_A_PAGE = 20
PICTURES_A_PAGE = 1000
STORING_S = 300.0  # until the service has stored a large archive


def order_batch(
    archive: Path | bytes | None,
    prefix: str | None,
    idempotency_key: str | None,
    options: MatteOptions,
) -> Call[MatteBatchOut]:
    """Without a key of the caller's one is drawn, so that a retry never orders twice."""
    files: dict[str, Path | bytes] = {}
    if archive is not None:
        files["archive"] = archive
    if "background_image" in options:
        files["background_image"] = options["background_image"]
    form = {name: str(value) for name, value in options.items() if name not in files}
    return Call(
        method="POST",
        path=path_of("matte-batches"),
        read=lambda response: MatteBatchOut.model_validate_json(response.content),
        files=files,
        form=form if prefix is None else {**form, "prefix": prefix},
        headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())},
        timeout_s=STORING_S,
    )


def batch(batch_id: str) -> Call[MatteBatchOut]:
    return call_of("GET", "matte-batches", batch_id, schema=MatteBatchOut)


def batches() -> Call[MatteBatchPage]:
    return call_of("GET", "matte-batches", schema=MatteBatchPage, limit=BATCHES_A_PAGE)


def pictures(batch_id: str) -> Call[BatchPicturePage]:
    parts = ("matte-batches", batch_id, "pictures")
    return call_of("GET", *parts, schema=BatchPicturePage, limit=PICTURES_A_PAGE)


def result_url(batch_id: str) -> Call[str]:
    path = path_of("matte-batches", batch_id, "result")
    return Call(method="GET", path=path, read=lambda response: response.headers["Location"])


def cancel_batch(batch_id: str) -> Call[MatteBatchOut]:
    return call_of("POST", "matte-batches", batch_id, "cancel", schema=MatteBatchOut)


def delete_batch(batch_id: str) -> Call[None]:
    path = path_of("matte-batches", batch_id)
    return Call(method="DELETE", path=path, read=no_answer, gone_is_done=True)
