"""What goes with an object, in S3's words and in ours."""

from collections.abc import Mapping
from typing import Any

from core.ports import ObjectInfo


def attributes_of(content_type: str, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    return {"ContentType": content_type, "Metadata": dict(metadata or {})}


def conditions_of(if_none_match: bool) -> dict[str, str]:
    return {"IfNoneMatch": "*"} if if_none_match else {}


def info_of(key: str, answer: Any) -> ObjectInfo:
    metadata = {name.lower(): value for name, value in answer.get("Metadata", {}).items()}
    return ObjectInfo(
        key=key, size_bytes=answer["ContentLength"], etag=answer["ETag"], metadata=metadata
    )
