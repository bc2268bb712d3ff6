"""S3-compatible object storage through boto3."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import boto3
import botocore.session
from botocore.config import Config

from core import keys
from core.adapters.s3_bucket import make_bucket, signed_url
from core.adapters.s3_errors import translated_s3
from core.adapters.s3_objects import attributes_of, conditions_of, info_of
from core.adapters.s3_parts import upload_parts
from core.errors import NotFound, PreconditionFailed, StoreUnavailable, StoreUnfit
from core.ports import ObjectInfo
from core.settings import Settings


class S3Store:
    """One bucket. Thread-safe, but not across fork(): make it in the process that uses it.

    Connecting and reading are bounded in time; a failed call is made `attempts` times at most, with
    jitter between. Files above `part_size_bytes` go up in parts. Empty keys: botocore looks for
    credentials where it always does.
    """

    def __init__(
        self,
        *,
        endpoint_url: str | None,
        bucket: str,
        access_key: str,
        secret_key: str,
        public_endpoint_url: str | None = None,
        region: str = "us-east-1",
        part_size_bytes: int = 64 << 20,
        connect_timeout_s: float = 3,
        read_timeout_s: float = 30,
        attempts: int = 4,
    ) -> None:
        self._bucket = bucket
        self._region = region
        self._part_size_bytes = part_size_bytes
        config = Config(
            connect_timeout=connect_timeout_s,
            read_timeout=read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": attempts},
            s3={"addressing_style": "path"},
            signature_version="s3v4",
            max_pool_connections=32,
            proxies={},
        )
        inner = botocore.session.get_session()
        # Nobody asks when an object was written, and a listing spends two thirds of its time on
        # parsing that.
        inner.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=str)
        keys = access_key or None, secret_key or None
        self._session = boto3.session.Session(*keys, region_name=region, botocore_session=inner)
        self._client: Any = self._session.client("s3", endpoint_url=endpoint_url, config=config)
        self._public: Any = self._session.client(
            "s3", endpoint_url=public_endpoint_url or endpoint_url, config=config
        )

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        *,
        connect_timeout_s: float = 3,
        read_timeout_s: float = 30,
        attempts: int = 4,
    ) -> Self:
        """The bucket that MATTEFORGE_S3_* name."""
        return cls(
            endpoint_url=settings.s3_endpoint,
            public_endpoint_url=settings.s3_public_endpoint,
            bucket=settings.s3_bucket,
            region=settings.s3_region,
            access_key=settings.s3_access_key.get_secret_value(),
            secret_key=settings.s3_secret_key.get_secret_value(),
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
            attempts=attempts,
        )

    def close(self) -> None:
        """Close pooled connections."""
        self._client.close()
        self._public.close()

    def put(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
        if_none_match: bool = False,
        if_match: str | None = None,
    ) -> str:
        """Puts as ObjectStore.put says. A 412 may answer an own earlier attempt whose reply was
        lost: callers read back."""
        conditions = conditions_of(if_none_match) | ({"IfMatch": if_match} if if_match else {})
        try:
            with translated_s3(key):
                answer = self._client.put_object(
                    **self._target(key),
                    **attributes_of(content_type, metadata),
                    Body=body,
                    **conditions,
                )
        except NotFound as error:
            if if_match:
                raise PreconditionFailed(f"{key} is gone since it was read") from error
            raise StoreUnavailable(f"there is no bucket {self._bucket}") from error
        return str(answer["ETag"])

    def upload(
        self,
        key: str,
        path: Path,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
        if_none_match: bool = False,
    ) -> str:
        """Uploads as ObjectStore.upload says."""
        attributes, conditions = attributes_of(content_type, metadata), conditions_of(if_none_match)
        if path.stat().st_size <= self._part_size_bytes:
            with translated_s3(key), path.open("rb") as file:
                answer = self._client.put_object(
                    **self._target(key), **attributes, Body=file, **conditions
                )
            return str(answer["ETag"])
        try:
            with translated_s3(key):
                return upload_parts(
                    self._client,
                    path,
                    target=self._target(key),
                    attributes=attributes,
                    conditions=conditions,
                    part_size_bytes=self._part_size_bytes,
                )
        except (
            NotFound
        ) as error:  # the upload is gone: completed by an attempt whose answer was lost, or removed
            if if_none_match and self.head(key):
                raise PreconditionFailed(f"{key} exists already") from error
            raise StoreUnavailable(f"the upload of {key} was lost") from error

    def get(self, key: str) -> tuple[bytes, ObjectInfo]:
        with translated_s3(key):
            answer = self._client.get_object(**self._target(key))
            with closing(answer["Body"]) as body:
                return body.read(), info_of(key, answer)

    def get_range(self, key: str, start: int, size_bytes: int) -> bytes:
        """Reads as ObjectStore.get_range; size_bytes is at least 1."""
        wanted = f"bytes={start}-{start + size_bytes - 1}"
        with translated_s3(key):
            answer = self._client.get_object(**self._target(key), Range=wanted)
            with closing(answer["Body"]) as body:
                return bytes(body.read())

    def head(self, key: str) -> ObjectInfo | None:
        try:
            with translated_s3(key):
                return info_of(key, self._client.head_object(**self._target(key)))
        except NotFound:
            return None

    def stream(self, key: str, *, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        """Streams as ObjectStore.stream says; NotFound is raised by the call itself."""
        with translated_s3(key):
            body = self._client.get_object(**self._target(key))["Body"]

        def chunks() -> Iterator[bytes]:
            with translated_s3(key), closing(body):
                yield from body.iter_chunks(chunk_bytes)

        return chunks()

    def list_keys(
        self, prefix: str, *, start_after: str = "", page_size: int = 1000
    ) -> Iterator[str]:
        for page in self._pages(Prefix=prefix, StartAfter=start_after, MaxKeys=page_size):
            yield from (entry["Key"] for entry in page.get("Contents", []))

    def list_names(self, prefix: str) -> Iterator[str]:
        return (name for name, _ in self.list_etags(prefix))

    def list_etags(self, prefix: str) -> Iterator[tuple[str, str]]:
        for page in self._pages(Prefix=prefix, Delimiter="/"):
            for entry in page.get("Contents", []):
                yield entry["Key"].removeprefix(prefix), entry["ETag"]

    def list_folders(self, prefix: str) -> Iterator[str]:
        """Lists as ObjectStore.list_folders says; SeaweedFS names a folder for some time after its
        last object was deleted."""
        for page in self._pages(Prefix=prefix, Delimiter="/"):
            yield from (
                entry["Prefix"].removeprefix(prefix)[:-1]
                for entry in page.get("CommonPrefixes", [])
            )

    def delete(self, key: str) -> None:
        with translated_s3(key):
            self._client.delete_object(**self._target(key))

    def presign_get(self, key: str, *, expires_s: int) -> str:
        """Gives what the client's generate_presigned_url gives, in a third of its time."""
        path = quote(f"/{self._bucket}/{key}", safe="/-_.~")
        url = self._public.meta.endpoint_url.rstrip("/") + path
        return signed_url(self._session.get_credentials(), url, self._region, expires_s)

    def probe(self) -> None:
        """Probes as ObjectStore.probe says."""
        make_bucket(self._client, self._bucket, self._region)
        key = f"{keys.PROBES}{secrets.token_hex(16)}"
        self.put(key, b"probe", if_none_match=True)
        try:
            self.put(key, b"again", if_none_match=True)
        except PreconditionFailed:
            return
        finally:
            self.delete(key)
        raise StoreUnfit

    def _pages(self, **query: str | int) -> Iterator[Any]:
        with translated_s3(str(query["Prefix"])):
            yield from self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, **query
            )

    def _target(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": key}
