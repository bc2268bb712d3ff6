"""An S3 that fails in the middle of calls: what is read is right or refused, and no parts of an
upload are left."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from proxies import Proxies

from core.adapters.s3 import S3Store
from core.errors import NotFound, PreconditionFailed, StoreUnavailable
from deploy.local.ports import free_ports

PART_BYTES = 1 << 20
ROUNDS = 6


@pytest.fixture
def between(s3: Any, valkey: str) -> Iterator[Any]:
    s3_port, redis_port = free_ports(2)
    ports = urlsplit(s3.url).port, urlsplit(valkey).port
    made = Proxies(1, s3=(s3_port, ports[0]), redis=(redis_port, ports[1]))
    made.s3_url = f"http://127.0.0.1:{s3_port}"
    yield made
    made.close()


@pytest.fixture
def through(between: Any, s3: Any, s3_store: S3Store) -> Iterator[S3Store]:
    """The test's bucket, seen through the proxy, with little patience."""
    store = S3Store(
        endpoint_url=between.s3_url,
        bucket=s3_store._bucket,
        access_key=s3.access_key,
        secret_key=s3.secret_key,
        part_size_bytes=PART_BYTES,
        attempts=2,
    )
    yield store
    store.close()


@pytest.mark.parametrize(
    "fault", ["s3_500", "s3_503", "s3_full", "s3_reset_mid_put", "s3_answer_lost", "s3_truncated"]
)
def test_calls_give_what_is_right_or_fail(
    between, through: S3Store, s3_store: S3Store, tmp_path: Path, fault: str
) -> None:
    between.s3.fault, between.s3.chance = fault, 0.4
    large = tmp_path / "large"
    for number in range(ROUNDS):
        body = bytes([number]) * 300_000
        large.write_bytes(body * 10)
        for key, put in (
            (f"small/{number}", lambda key, body=body: through.put(key, body, if_none_match=True)),
            (f"large/{number}", lambda key: through.upload(key, large, if_none_match=True)),
        ):
            try:
                put(key)
            except StoreUnavailable:
                pass  # both tries failed
            except PreconditionFailed:  # of an own try whose answer was lost
                assert s3_store.head(key)
            expected = body if "small" in key else body * 10
            with suppress(StoreUnavailable, NotFound):
                assert through.get(key)[0] == expected
    between.s3.fault = ""
    assert between.s3.met >= 3
    for key in s3_store.list_keys(""):
        number = int(key.split("/")[1])
        assert s3_store.get(key)[0] == bytes([number]) * (300_000 * (10 if "large" in key else 1))
    listed = s3_store._client.list_multipart_uploads(Bucket=s3_store._bucket)
    assert not listed.get("Uploads"), "parts that nobody would ever remove"
