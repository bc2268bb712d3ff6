"""Shards to disk: parallel, resumed where they broke off, checked against their sha256."""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import httpx

from matteforge.errors import DownloadCorrupt, MatteForgeRequestError, MatteForgeUnavailable
from matteforge.folder import check_complete, mark, stored, write_whole
from matteforge.part import fit_to_folder, split_of
from matteforge.schemas.datasets import DatasetOut, ShardOut
from matteforge.schemas.files import FileOut
from matteforge.transport import Transport, pauses, problem_of

FETCHES = 2  # of a shard whose bytes don't match


class Source(Protocol):
    """What a download asks for: a plain client's own methods."""

    transport: Transport

    def get(self, dataset_id: str) -> DatasetOut: ...
    def shards(self, dataset_id: str) -> Iterator[ShardOut]: ...
    def shard_url(self, dataset_id: str, name: str) -> str: ...
    def files(self, dataset_id: str) -> Sequence[FileOut]: ...
    def manifest(self, dataset_id: str) -> bytes: ...


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a download has got. What was on disk already counts as done."""

    shards_done: int
    shards_total: int
    bytes_done: int
    bytes_total: int


def download(
    client: Source,
    dataset_id: str,
    directory: Path,
    *,
    workers: int = 4,
    split: str | None = None,
    partial: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[Path]:
    """Fetch a dataset into its own folder, DIRECTORY/ID: its shards, those of one `split` if given,
    and the files beside them, whose card and index name what is in the folder. Returns the tars,
    in shard order.

    partial: take what there is of a dataset that failed, was cancelled, is damaged or still made,
    which raises DatasetIncomplete otherwise; of a damaged one, the shards that are whole. A shard
    appears under its name only once it is complete and its sha256 right; until then it is
    NAME.part, from which a later call goes on. Raises DownloadCorrupt, FolderTaken,
    LocalStorageError, MatteForgeUnavailable, MatteForgeRequestError.
    """
    dataset = client.get(dataset_id)
    if not partial:
        check_complete(dataset)
    every = list(client.shards(dataset_id))
    shards = [shard for shard in every if split in (None, split_of(shard.name))]
    with stored() as folder_of:
        folder = folder_of(directory, dataset_id)
        tally = _Tally(shards, on_progress)
        # Presigned URLs need no key, and a connection that never had it can't leak it. URLs of the
        # service itself (shards_by_api) do.
        with httpx.Client(timeout=client.transport.http.timeout) as http:
            fetches = [_Fetch(client, http, dataset_id, one, folder, tally) for one in shards]
            _fetch_all(fetches, workers, tally, lenient=dataset.damaged)
            if dataset.state.terminal:
                _fetch_files(client, http, dataset_id, folder)
                fit_to_folder(folder, [shard.name for shard in every])
        if dataset.state.terminal:
            write_whole(folder / "manifest.json", client.manifest(dataset_id))
        mark(folder, dataset_id, state=dataset.state)
    paths = [folder / shard.name for shard in shards]
    return [path for path in paths if path.exists()] if dataset.damaged else paths


def _fetch_files(client: Source, http: httpx.Client, dataset_id: str, folder: Path) -> None:
    """Card, tables and report: small beside the shards, fetched whole."""
    for file in client.files(dataset_id):
        try:
            answer = _connection_of(client, http, file.url).get(file.url)
        except httpx.TransportError as error:
            raise MatteForgeUnavailable(f"{file.name}: {error}") from error
        if answer.status_code != 200 or len(answer.content) != file.size_bytes:
            raise MatteForgeUnavailable(f"{file.name}: the store answered {answer.status_code}")
        write_whole(folder / file.name, answer.content)


def _connection_of(client: Source, keyless: httpx.Client, url: str) -> httpx.Client:
    """The connection with the key for addresses of the service, and for no other."""
    service, asked = client.transport.http.base_url, httpx.URL(url)
    same = (service.scheme, service.host, service.port) == (asked.scheme, asked.host, asked.port)
    return client.transport.http if same and asked.path.startswith("/v1/") else keyless


def _fetch_all(
    fetches: Sequence["_Fetch"], workers: int, tally: "_Tally", *, lenient: bool
) -> None:
    """The first failure, or Ctrl-C, stops the others; what they had stays as .part. lenient: shards
    that are missing, or have other bytes than listed, are left out."""

    def run(fetch: "_Fetch") -> None:
        with suppress(*((MatteForgeRequestError, DownloadCorrupt) if lenient else ())):
            fetch.run()

    with ThreadPoolExecutor(workers, thread_name_prefix="download") as pool:
        futures = [pool.submit(run, fetch) for fetch in fetches]
        try:
            finished, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in finished:
                future.result()
        finally:
            tally.stop.set()
            pool.shutdown(cancel_futures=True)


class _Tally:
    """What all fetches of one download share."""

    def __init__(
        self, shards: Sequence[ShardOut], on_progress: Callable[[Progress], None] | None
    ) -> None:
        self.stop = threading.Event()
        self._on_progress = on_progress
        self._shards_total = len(shards)
        self._bytes_total = sum(shard.size_bytes for shard in shards)
        self._shards_done = 0
        self._bytes: dict[str, int] = {}
        self._lock = threading.Lock()

    def tell(self, shard: ShardOut, size_bytes: int, *, done: bool = False) -> None:
        """Note how much of a shard is on disk."""
        with self._lock:
            self._bytes[shard.name] = size_bytes
            self._shards_done += done
            if self._on_progress:
                self._on_progress(
                    Progress(
                        shards_done=self._shards_done,
                        shards_total=self._shards_total,
                        bytes_done=sum(self._bytes.values()),
                        bytes_total=self._bytes_total,
                    )
                )


class _Fetch:
    """One shard on its way to disk."""

    def __init__(
        self,
        client: Source,
        http: httpx.Client,
        dataset_id: str,
        shard: ShardOut,
        directory: Path,
        tally: _Tally,
    ) -> None:
        self._client = client
        self._http = http
        self._dataset_id = dataset_id
        self._shard = shard
        self._url = shard.url
        self._target = directory / shard.name
        self._part = directory / f"{shard.name}.part"
        self._tally = tally

    def run(self) -> None:
        if not self._matches(self._target):
            for _ in range(FETCHES):
                self._complete()
                if self._tally.stop.is_set():
                    return
                if self._matches(self._part):
                    break
                self._part.unlink()
            else:
                raise DownloadCorrupt(
                    f"{self._shard.name} arrived {FETCHES} times with another sha256 than listed"
                )
            os.replace(self._part, self._target)
        self._tally.tell(self._shard, self._shard.size_bytes, done=True)

    def _matches(self, path: Path) -> bool:
        if not path.exists() or path.stat().st_size != self._shard.size_bytes:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self._shard.sha256

    def _complete(self) -> None:
        """Make the .part as long as the shard. Each byte that arrives renews the patience."""
        waits = pauses(self._client.transport.attempts)
        failure: Exception | None = None
        while (
            have := self._part.stat().st_size if self._part.exists() else 0
        ) < self._shard.size_bytes:
            try:
                self._receive(have)
            except (httpx.TransportError, MatteForgeUnavailable) as error:
                failure = error
            if self._tally.stop.is_set():
                return
            if self._part.exists() and self._part.stat().st_size > have:
                waits = pauses(self._client.transport.attempts)
                continue
            wait_s = next(waits, None)
            if wait_s is None:
                raise MatteForgeUnavailable(
                    f"{self._shard.name}: {failure or 'nothing arrives'}"
                ) from failure
            self._client.transport.sleep(wait_s)

    def _receive(self, have: int) -> None:
        """Append what one request brings; ask for a fresh URL when this one has expired."""
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        http = _connection_of(self._client, self._http, self._url)
        with http.stream("GET", self._url, headers=headers) as got:
            if got.status_code in (401, 403):
                self._url = self._client.shard_url(self._dataset_id, self._shard.name)
                return
            if got.status_code >= 500:
                raise MatteForgeUnavailable(f"the store answered {got.status_code}")
            if got.status_code not in (200, 206):
                got.read()
                raise MatteForgeRequestError(problem_of(got))
            resumed = have > 0 and got.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            with self._part.open("ab" if resumed else "wb") as file:
                self._write(got, file)

    def _write(self, got: httpx.Response, file: BinaryIO) -> None:
        for chunk in got.iter_raw():
            if self._tally.stop.is_set():
                return
            file.write(chunk[: self._shard.size_bytes - file.tell()])
            self._tally.tell(self._shard, file.tell())
