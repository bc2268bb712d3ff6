"""Every call of the REST API: what is sent, and how the answer is read. No network.

`MatteForge` and `AsyncMatteForge` send the same calls; what a method means is written here, once.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypedDict, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from matteforge.errors import MatteForgeRequestError
from matteforge.schemas.attributes import Framing
from matteforge.schemas.corpora import CorpusPage
from matteforge.schemas.datasets import DatasetOut, DatasetPage, DatasetState, ShardPage
from matteforge.schemas.files import FileList
from matteforge.schemas.keys import KeyIn, KeyPage, NewKeyOut
from matteforge.schemas.mattes import MatteOut, Output
from matteforge.schemas.models import ModelOut, ModelPage, MovePage, VersionOut
from matteforge.schemas.orders import Member, Split
from matteforge.schemas.problems import Problem
from matteforge.schemas.samples import SamplePage
from matteforge.schemas.training import ScheduleOut, SchedulePage, TrainingRunOut, TrainingRunPage

DATASETS_A_PAGE = 100
RUNS_A_PAGE = 20
SAMPLES_A_PAGE = 200

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
    size: int
    framing: Framing
    attributes: dict[str, float | dict[str, float]]
    members: list[Member]
    background: str
    splits: dict[Split, float]


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
    files: Mapping[str, bytes] | None = None  # sent as a form, together with `form`
    form: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    gone_is_done: bool = False  # a 404 after a lost answer means that the first try did it

    def after(self, cursor: str) -> "Call[Answer]":
        """The same call for the page that begins at `cursor`."""
        return replace(self, params={**self.params, "cursor": cursor})


def path_of(*parts: str) -> str:
    """/v1/PART/…, each part quoted."""
    return "/".join(("/v1", *(quote(part, safe=":") for part in parts)))


def _call(
    method: str, *parts: str, schema: type[Schema], json: object = None, **params: str | int
) -> Call[Schema]:
    def read(response: httpx.Response) -> Schema:
        return schema.model_validate_json(response.content)

    return Call(method=method, path=path_of(*parts), read=read, json=json, params=params)


def _nothing(response: httpx.Response) -> None:
    """The answer says nothing beside its status."""


# Datasets


def order(count: int, idempotency_key: str | None, options: OrderOptions) -> Call[DatasetOut]:
    """Without a key of the caller's one is drawn, so that a retry never orders twice."""
    call = _call("POST", "datasets", schema=DatasetOut, json={"count": count, **options})
    return replace(call, headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())})


def get(dataset_id: str) -> Call[DatasetOut]:
    return _call("GET", "datasets", dataset_id, schema=DatasetOut)


def datasets(state: DatasetState | str | None) -> Call[DatasetPage]:
    only = {"state": str(state)} if state else {}
    return _call("GET", "datasets", schema=DatasetPage, limit=DATASETS_A_PAGE, **only)


def cancel(dataset_id: str) -> Call[DatasetOut]:
    return _call("POST", "datasets", dataset_id, "cancel", schema=DatasetOut)


def delete(dataset_id: str) -> Call[None]:
    path = path_of("datasets", dataset_id)
    return Call(method="DELETE", path=path, read=_nothing, gone_is_done=True)


def shards(dataset_id: str) -> Call[ShardPage]:
    parts = ("datasets", dataset_id, "shards")
    return _call("GET", *parts, schema=ShardPage, limit=DATASETS_A_PAGE)


def shard_url(dataset_id: str, name: str) -> Call[str]:
    path = path_of("datasets", dataset_id, "shards", name)
    return Call(method="GET", path=path, read=lambda response: response.headers["Location"])


def manifest(dataset_id: str) -> Call[bytes]:
    path = path_of("datasets", dataset_id, "manifest")
    return Call(method="GET", path=path, read=lambda response: response.content)


def files(dataset_id: str) -> Call[FileList]:
    return _call("GET", "datasets", dataset_id, "files", schema=FileList)


def samples(dataset_id: str, where: str | None, order: str, limit: int | None) -> Call[SamplePage]:
    only = {"where": where} if where else {}
    size = min(limit or SAMPLES_A_PAGE, SAMPLES_A_PAGE)
    parts = ("datasets", dataset_id, "samples")
    return _call("GET", *parts, schema=SamplePage, limit=size, order=order, **only)


def member(dataset_id: str, key: str, member: str) -> Call[bytes]:
    path = path_of("datasets", dataset_id, "samples", key, member)
    return Call(method="GET", path=path, read=lambda response: response.content)


def preview(dataset_id: str) -> Call[bytes]:
    path = path_of("datasets", dataset_id, "preview.webp")
    return Call(method="GET", path=path, read=lambda response: response.content)


# Models


def models() -> Call[ModelPage]:
    return _call("GET", "models", schema=ModelPage)


def model(name: str) -> Call[ModelOut]:
    return _call("GET", "models", name, schema=ModelOut)


def history(name: str) -> Call[MovePage]:
    return _call("GET", "models", name, "history", schema=MovePage)


def version(name: str, version: str) -> Call[VersionOut]:
    return _call("GET", "models", name, "versions", version, schema=VersionOut)


def promote(name: str, version: str, reason: str) -> Call[MovePage]:
    body = {"version": version, "reason": reason}
    return _call("POST", "models", name, "promote", schema=MovePage, json=body)


def rollback(name: str, reason: str, present: str) -> Call[MovePage]:
    body = {"reason": reason, "present": present}
    return _call("POST", "models", name, "rollback", schema=MovePage, json=body)


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
    return _call("GET", "mattes", matte_id, schema=MatteOut)


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


# Keys


def keys() -> Call[KeyPage]:
    return _call("GET", "keys", schema=KeyPage)


def create_key(wanted: KeyIn) -> Call[NewKeyOut]:
    return _call("POST", "keys", schema=NewKeyOut, json=wanted.model_dump(mode="json"))


def rotate_key(key_id: str) -> Call[NewKeyOut]:
    return _call("POST", "keys", key_id, "rotate", schema=NewKeyOut)


def revoke_key(key_id: str) -> Call[None]:
    path = path_of("keys", key_id)
    return Call(method="DELETE", path=path, read=_nothing, gone_is_done=True)


# Training


def _run_body(
    domain: str, labelled: Sequence[str], unlabelled: Sequence[str], options: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "domain": domain,
        "labelled": list(labelled),
        "unlabelled": list(unlabelled),
        **options,
    }


def order_run(
    domain: str,
    *,
    labelled: Sequence[str],
    unlabelled: Sequence[str],
    idempotency_key: str,
    options: Mapping[str, Any],
) -> Call[TrainingRunOut]:
    body = _run_body(domain, labelled, unlabelled, options)
    call = _call("POST", "training-runs", schema=TrainingRunOut, json=body)
    return replace(call, headers={"Idempotency-Key": idempotency_key})


def run(run_id: str) -> Call[TrainingRunOut]:
    return _call("GET", "training-runs", run_id, schema=TrainingRunOut)


def runs(domain: str | None) -> Call[TrainingRunPage]:
    only = {"domain": domain} if domain else {}
    return _call("GET", "training-runs", schema=TrainingRunPage, limit=RUNS_A_PAGE, **only)


def cancel_run(run_id: str) -> Call[TrainingRunOut]:
    return _call("POST", "training-runs", run_id, "cancel", schema=TrainingRunOut)


def corpora() -> Call[CorpusPage]:
    return _call("GET", "corpora", schema=CorpusPage)


def schedules() -> Call[SchedulePage]:
    return _call("GET", "training-schedules", schema=SchedulePage)


def set_schedule(
    domain: str,
    *,
    every_s: float,
    min_new_samples: int,
    labelled: Sequence[str],
    unlabelled: Sequence[str],
    options: Mapping[str, Any],
) -> Call[ScheduleOut]:
    run_body = _run_body(domain, labelled, unlabelled, options)
    body = {"every_s": every_s, "min_new_samples": min_new_samples, "run": run_body}
    return _call("PUT", "training-schedules", domain, schema=ScheduleOut, json=body)


def delete_schedule(domain: str) -> Call[None]:
    return Call(method="DELETE", path=path_of("training-schedules", domain), read=_nothing)
