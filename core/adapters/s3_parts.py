"""Uploading a file in parts, all or nothing."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError


def upload_parts(
    client: Any,
    path: Path,
    *,
    target: dict[str, str],
    attributes: dict[str, Any],
    conditions: dict[str, str],
    part_size_bytes: int,
) -> str:
    """Upload `path` to `target` {Bucket, Key} in parts and return the etag; `conditions` decide at
    completion.

    Whatever interrupts it (KeyboardInterrupt included) aborts the upload, so that no parts are left
    to be paid for. Raises botocore's errors.
    """
    upload = {
        **target,
        "UploadId": client.create_multipart_upload(**target, **attributes)["UploadId"],
    }
    parts: list[dict[str, Any]] = []
    try:
        with path.open("rb") as file:
            while chunk := file.read(part_size_bytes):
                number = len(parts) + 1
                answer = client.upload_part(**upload, PartNumber=number, Body=chunk)
                parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        completed = client.complete_multipart_upload(
            **upload, MultipartUpload={"Parts": parts}, **conditions
        )
    except BaseException:
        with suppress(BotoCoreError, ClientError):
            client.abort_multipart_upload(**upload)
        raise
    return str(completed["ETag"])
