"""Requests a second of a key, as plain ASGI: 429 with Retry-After, and on every answer the fields
RateLimit-Policy and RateLimit of draft-ietf-httpapi-ratelimit-headers."""

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.keyring import ApiKey
from core.limits import Bucket, Taken
from core.settings import Settings
from service.limits import Admission, effective, refused, request_bucket
from service.problems import error_response

WAIT_S = 1.0
THREADS = 2


class RateLimit:
    """Lies within the key check: a request without a valid key comes no further than there.

    Redis is asked from a pool of this class's own, for WAIT_S at most: while it hangs, no other
    request waits for a thread.
    """

    def __init__(self, app: ASGIApp, admission: Admission, settings: Settings) -> None:
        self._app = app
        self._admission = admission
        self._settings = settings
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="limits")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key: ApiKey | None = scope.get("state", {}).get("key")
        rate = effective(key, self._settings).requests_per_second if key else None
        if key is None or rate is None:
            await self._app(scope, receive, send)
            return
        bucket = request_bucket(key, rate)
        found = await self._taken(bucket)

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["RateLimit-Policy"] = (
                    f'"requests";q={bucket.size};w={math.ceil(bucket.window_s)}'
                )
                full_s = (bucket.size - found.left) / bucket.size * bucket.window_s
                headers["RateLimit"] = (
                    f'"requests";r={math.floor(found.left)};t={math.ceil(full_s)}'
                )
            await send(message)

        answer = self._app if found.granted else error_response(refused(bucket, found))
        await answer(scope, receive, told)

    async def _taken(self, bucket: Bucket) -> Taken:
        loop = asyncio.get_running_loop()
        look = loop.run_in_executor(self._pool, self._admission.take_request, bucket)
        try:
            return await asyncio.wait_for(look, WAIT_S)
        except TimeoutError:
            return self._admission.take_fallback(bucket)
