"""Every call of the REST API: what is sent, and how the answer is read. No network.

`MatteForge` and `AsyncMatteForge` send the same calls; what a method means is written here, once.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Generic, Literal, TypedDict, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from matteforge.errors import MatteForgeRequestError
from matteforge.schemas.attributes import Framing
from matteforge.schemas.audit import AuditPage
from matteforge.schemas.datasets import DatasetOut, DatasetPage, DatasetState, ShardPage
from matteforge.schemas.files import FileList
from matteforge.schemas.mattes import MatteOut, Output
from matteforge.schemas.models import ModelOut, ModelPage
from matteforge.schemas.orders import Member, Split
from matteforge.schemas.problems import Problem

DATASETS_A_PAGE = 100
AUDIT_LINES_A_PAGE = 500

Answer = TypeVar("Answer")
Schema = TypeVar("Schema", bound=BaseModel)


class OrderOptions(TypedDict, total=False):
    """Fields of an order beside `count` (matteforge.schemas.orders); the service decides the
    rest."""

    source: Literal["generated", "rendered"]

    model: str
    seed: int | None
    truncation_psi: float
    shard_size: int
    image_format: Literal["png", "webp", "jpeg"]
    alpha_bits: Literal[8, 16]
    filter: dict[str, float]
    labels: dict[str, str]
    expires_at: str  # ISO 8601 with a time zone
    expires_in_s: int
    domain: str
    size: int
    framing: Framing
    attributes: dict[str, float | dict[str, float]]
    members: list[Member]
    background: str
    splits: dict[Split, float]
    webhook_url: str
    webhook_events: list[str]


class MatteOptions(TypedDict, total=False):
    """Fields of POST /v1/mattes beside the picture; the service decides the rest."""

    output: Output
    background: str
    background_image: bytes
    model: str
    side: int


@dataclass(frozen=True, kw_only=True)
class Call(Generic[Answer]):
    """One request, safe to repeat."""

    method: str
    path: str
    read: Callable[[httpx.Response], Answer]
    params: Mapping[str, str | int] = field(default_factory=dict)
    json: object = None
    files: Mapping[str, bytes | Path] | None = None  # sent as a form, together with `form`
    form: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float | None = None  # of one try; None: the client's own
    gone_is_done: bool = False  # a 404 after a lost answer means that the first try did it

    def after(self, cursor: str) -> "Call[Answer]":
        """The same call for the page that begins at `cursor`."""
        return replace(self, params={**self.params, "cursor": cursor})


def path_of(*parts: str) -> str:
    """/v1/PART/…, each part quoted."""
    return "/".join(("/v1", *(quote(part, safe=":") for part in parts)))


def call_of(
    method: str, *parts: str, schema: type[Schema], json: object = None, **params: str | int
) -> Call[Schema]:
    def read(response: httpx.Response) -> Schema:
        return schema.model_validate_json(response.content)

    return Call(method=method, path=path_of(*parts), read=read, json=json, params=params)


def no_answer(response: httpx.Response) -> None:
    """The answer says nothing beside its status."""


# Datasets


def order(count: int, idempotency_key: str | None, options: OrderOptions) -> Call[DatasetOut]:
    """Without a key of the caller's one is drawn, so that a retry never orders twice."""
    call = call_of("POST", "datasets", schema=DatasetOut, json={"count": count, **options})
    return replace(call, headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())})


def get(dataset_id: str) -> Call[DatasetOut]:
    return call_of("GET", "datasets", dataset_id, schema=DatasetOut)


def datasets(state: DatasetState | str | None) -> Call[DatasetPage]:
    only = {"state": str(state)} if state else {}
    return call_of("GET", "datasets", schema=DatasetPage, limit=DATASETS_A_PAGE, **only)


def cancel(dataset_id: str) -> Call[DatasetOut]:
    return call_of("POST", "datasets", dataset_id, "cancel", schema=DatasetOut)


def set_expiry(dataset_id: str, expires_at: datetime | None) -> Call[DatasetOut]:
    body = {"expires_at": expires_at.isoformat() if expires_at else None}
    return call_of("PUT", "datasets", dataset_id, "expiry", schema=DatasetOut, json=body)


def delete(dataset_id: str) -> Call[None]:
    path = path_of("datasets", dataset_id)
    return Call(method="DELETE", path=path, read=no_answer, gone_is_done=True)


def shards(dataset_id: str) -> Call[ShardPage]:
    parts = ("datasets", dataset_id, "shards")
    return call_of("GET", *parts, schema=ShardPage, limit=DATASETS_A_PAGE)


def shard_url(dataset_id: str, name: str) -> Call[str]:
    path = path_of("datasets", dataset_id, "shards", name)

    def read(response: httpx.Response) -> str:
        return str(response.headers.get("Location", response.request.url))

    # A service that sends shards itself redirects to nobody: one byte is enough to know.
    return Call(method="GET", path=path, read=read, headers={"Range": "bytes=0-0"})


def manifest(dataset_id: str) -> Call[bytes]:
    path = path_of("datasets", dataset_id, "manifest")
    return Call(method="GET", path=path, read=lambda response: response.content)


def files(dataset_id: str) -> Call[FileList]:
    return call_of("GET", "datasets", dataset_id, "files", schema=FileList)


# Models


def models() -> Call[ModelPage]:
    return call_of("GET", "models", schema=ModelPage)


def model(name: str) -> Call[ModelOut]:
    return call_of("GET", "models", name, schema=ModelOut)


# Mattes


def matte(image: bytes, options: MatteOptions) -> Call[MatteOut]:
    files = {"image": image}
    if "background_image" in options:
        files["background_image"] = options["background_image"]
    return Call(
        method="POST",
        path=path_of("mattes"),
        read=lambda response: MatteOut.model_validate_json(response.content),
        files=files,
        form={name: str(value) for name, value in options.items() if name not in files},
    )


def get_matte(matte_id: str) -> Call[MatteOut]:
    return call_of("GET", "mattes", matte_id, schema=MatteOut)


def matte_result(matte_id: str) -> Call[bytes]:
    path = path_of("mattes", matte_id, "result")
    return Call(method="GET", path=path, read=lambda response: response.content)


def matte_pauses() -> Iterator[float]:
    """Seconds between looks at a matte: short at first."""
    pause_s = 0.1
    while True:
        yield pause_s
        pause_s = min(1.5 * pause_s, 2.0)


def finished(made: MatteOut) -> MatteOut:
    """The same. Raises MatteForgeRequestError when it failed."""
    if made.error is None:
        return made
    raise MatteForgeRequestError(
        Problem(
            type=f"urn:matteforge:problem:{made.error.code}", title="", status=422,
            detail=made.error.detail, code=made.error.code,
        )
    )  # fmt: skip


def audit(
    key: str | None, tenant: str | None, since: datetime | None, until: datetime | None
) -> Call[AuditPage]:
    times = {"since": since, "until": until}
    only = {name: value for name, value in (("key", key), ("tenant", tenant)) if value}
    only |= {name: at.isoformat() for name, at in times.items() if at}
    return call_of("GET", "audit", schema=AuditPage, limit=AUDIT_LINES_A_PAGE, **only)
