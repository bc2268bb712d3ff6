"""A call of the REST API: what is sent, and how the answer is read. No network."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypedDict, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from matteforge.schemas.attributes import Framing
from matteforge.schemas.mattes import Output
from matteforge.schemas.orders import Member, Split

Answer = TypeVar("Answer", covariant=True)
Item = TypeVar("Item", covariant=True)
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
    on_bytes: Callable[[int, int], object] | None = None  # told the bytes of a file: sent, in all
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float | None = None  # of one try; None: the client's own
    gone_is_done: bool = False  # a 404 after a lost answer means that the first try did it

    def after(self, cursor: str) -> "Call[Answer]":
        """The same call for the page that begins at `cursor`."""
        return replace(self, params={**self.params, "cursor": cursor})

    def once(self, idempotency_key: str | None = None) -> "Call[Answer]":
        """The same call under a key, by which the service knows a repetition. Without a key of the
        caller's one is drawn, so that a retry never orders twice."""
        headers = {**self.headers, "Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return replace(self, headers=headers)


def path_of(*parts: str) -> str:
    """/v1/PART/…, each part quoted."""
    return "/".join(("/v1", *(quote(part, safe=":") for part in parts)))


def call_of(
    method: str, *parts: str, schema: type[Schema], json: object = None, **params: str | int
) -> Call[Schema]:
    def read(response: httpx.Response) -> Schema:
        return schema.model_validate_json(response.content)

    return Call(method=method, path=path_of(*parts), read=read, json=json, params=params)


class _List(Protocol[Item]):
    """What the API answers where all items fit into one page."""

    @property
    def items(self) -> Sequence[Item]: ...


def items_of(call: Call[_List[Item]]) -> Call[Sequence[Item]]:
    """The same call, whose answer is the list's items."""
    unread: Call[Any] = call
    return replace(unread, read=lambda response: call.read(response).items)


def bytes_of(*parts: str) -> Call[bytes]:
    """A file, fetched whole."""
    return Call(method="GET", path=path_of(*parts), read=lambda response: response.content)


def delete(*parts: str, gone_is_done: bool = True) -> Call[None]:
    """Remove something."""
    return Call(method="DELETE", path=path_of(*parts), read=no_answer, gone_is_done=gone_is_done)


def given(**values: object) -> dict[str, str]:
    """Parameters of a request, without those that are None or empty."""
    return {name: str(value) for name, value in values.items() if value}


def no_answer(response: httpx.Response) -> None:
    """The answer says nothing beside its status."""
