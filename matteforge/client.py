"""The MatteForge API as Python methods."""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypedDict, Unpack
from urllib.parse import quote

import httpx

from matteforge.download import Progress, download
from matteforge.errors import MatteForgeRequestError, MatteForgeUnavailable
from matteforge.schemas.attributes import Framing
from matteforge.schemas.datasets import DatasetOut, DatasetPage, DatasetState, ShardOut, ShardPage
from matteforge.schemas.models import ModelOut, ModelPage
from matteforge.schemas.orders import Member
from matteforge.training import Training
from matteforge.transport import Transport, pauses, problem_of

PAGE = 100
SILENCE_S = 60.0  # an event stream speaks every 15 s


class OrderOptions(TypedDict, total=False):
    """Fields of matteforge.schemas.orders.AnySpec beside count; what is left out, the service
    decides."""

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


class EventOut(TypedDict):
    """A server-sent event: snapshot, shard or state."""

    id: str | None
    kind: str
    data: dict[str, Any]


class MatteForge:
    """One service, one key. Thread-safe; close it, or use it as a context manager.

    Every method raises MatteForgeRequestError when the service refuses and MatteForgeUnavailable
    when it stays silent.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout_s: float = 30,
        attempts: int = 5,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {api_key}"}
        http = httpx.Client(base_url=url, headers=headers, timeout=timeout_s, transport=transport)
        self.transport = Transport(http, attempts=attempts)
        self.training = Training(self.transport)

    def close(self) -> None:
        self.transport.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Datasets

    def order(
        self, count: int, *, idempotency_key: str | None = None, **options: Unpack[OrderOptions]
    ) -> DatasetOut:
        """Order `count` image-alpha pairs. Without a key of yours one is drawn, so that a retry
        never orders twice."""
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        body = {"count": count, **options}
        return DatasetOut.model_validate_json(
            self.transport.request("POST", "/v1/datasets", json=body, headers=headers).content
        )

    def get(self, dataset_id: str) -> DatasetOut:
        return DatasetOut.model_validate_json(
            self.transport.request("GET", _path(dataset_id)).content
        )

    def list(self, *, state: DatasetState | str | None = None) -> Iterator[DatasetOut]:
        """Newest first, all pages."""
        params: dict[str, str | int] = {"limit": PAGE} | ({"state": str(state)} if state else {})
        while True:
            answer = self.transport.request("GET", "/v1/datasets", params=params)
            page = DatasetPage.model_validate_json(answer.content)
            yield from page.items
            if page.next_cursor is None:
                return
            params["cursor"] = page.next_cursor

    def cancel(self, dataset_id: str) -> DatasetOut:
        """No further shards; what is committed stays."""
        return DatasetOut.model_validate_json(
            self.transport.request("POST", _path(dataset_id, "cancel")).content
        )

    def delete(self, dataset_id: str) -> None:
        self.transport.request("DELETE", _path(dataset_id), gone_is_done=True)

    def wait(
        self,
        dataset_id: str,
        on_progress: Callable[[DatasetOut], None] | None = None,
        *,
        poll_s: float = 1.0,
        timeout_s: float | None = None,
    ) -> DatasetOut:
        """Poll until the dataset has ended, however it ended. TimeoutError after `timeout_s`."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            dataset = self.get(dataset_id)
            if on_progress:
                on_progress(dataset)
            if dataset.state.terminal:
                return dataset
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"{dataset_id} is still {dataset.state} after {timeout_s} s")
            self.transport.sleep(poll_s)

    def events(self, dataset_id: str, *, last_event_id: str | None = None) -> Iterator[EventOut]:
        """Progress as it happens, reconnecting where it broke off, until the dataset has ended or
        was deleted."""
        waits = pauses(self.transport.attempts)
        while True:
            try:
                for event in self._stream(dataset_id, last_event_id):
                    waits = pauses(self.transport.attempts)
                    last_event_id = event["id"] or last_event_id
                    yield event
                    if DatasetState(event["data"].get("state", "queued")).terminal:
                        return
            except (httpx.TransportError, MatteForgeUnavailable) as error:
                failure: Exception | None = error
            except MatteForgeRequestError as error:
                if error.code == "not_found" and last_event_id is not None:
                    return
                raise
            else:
                failure = None
            wait_s = next(waits, None)
            if wait_s is None:
                raise MatteForgeUnavailable(
                    f"the events of {dataset_id} broke off: {failure}"
                ) from failure
            self.transport.sleep(wait_s)

    def _stream(self, dataset_id: str, last_event_id: str | None) -> Iterator[EventOut]:
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        with self.transport.http.stream(
            "GET", _path(dataset_id, "events"), headers=headers, timeout=SILENCE_S
        ) as got:
            if got.status_code >= 400:
                got.read()
                refusal = MatteForgeRequestError(problem_of(got))
                raise refusal if got.status_code < 500 else MatteForgeUnavailable(str(refusal))
            fields: dict[str, str] = {}
            for line in got.iter_lines():
                if line:
                    name, _, value = line.partition(":")
                    fields[name] = value.removeprefix(" ")
                elif "data" in fields:
                    yield EventOut(
                        id=fields.get("id"), kind=fields["event"], data=json.loads(fields["data"])
                    )
                    fields = {}

    # Shards

    def shards(self, dataset_id: str) -> Iterator[ShardOut]:
        """Committed shards in order, all pages."""
        params: dict[str, str | int] = {"limit": PAGE}
        while True:
            answer = self.transport.request("GET", _path(dataset_id, "shards"), params=params)
            page = ShardPage.model_validate_json(answer.content)
            yield from page.items
            if page.next_cursor is None:
                return
            params["cursor"] = page.next_cursor

    def shard_url(self, dataset_id: str, name: str) -> str:
        """A fresh presigned URL of one shard."""
        return self.transport.request("GET", _path(dataset_id, "shards", name)).headers["Location"]

    def manifest(self, dataset_id: str) -> bytes:
        """manifest.json as it is stored; only a dataset that has ended has one."""
        return self.transport.request("GET", _path(dataset_id, "manifest")).content

    def download(
        self,
        dataset_id: str,
        directory: Path | str,
        *,
        workers: int = 4,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Sequence[Path]:
        """As client.download.download."""
        return download(self, dataset_id, Path(directory), workers=workers, on_progress=on_progress)

    # Models

    def models(self) -> Sequence[ModelOut]:
        return ModelPage.model_validate_json(
            self.transport.request("GET", "/v1/models").content
        ).items

    def model(self, name: str) -> ModelOut:
        answer = self.transport.request("GET", f"/v1/models/{quote(name, safe='')}")
        return ModelOut.model_validate_json(answer.content)


def _path(dataset_id: str, *rest: str) -> str:
    return "/".join(
        ("/v1/datasets", quote(dataset_id, safe=""), *(quote(part, safe="") for part in rest))
    )
