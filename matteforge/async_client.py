"""The MatteForge API as coroutines: the same methods as `MatteForge`, for an event loop."""

from typing import Self

import httpx

from matteforge.client import ClientMethods, MatteForge
from matteforge.matte_batches import AsyncMatteBatches
from matteforge.methods import AsyncCaller
from matteforge.training import AsyncTraining
from matteforge.transport import LIMITS, AsyncTransport, authorization
from matteforge.webhooks import AsyncWebhooks


class AsyncMatteForge(ClientMethods, AsyncCaller):
    """One service, one key. Close it, or use it as an asynchronous context manager.

    Methods, arguments and errors are those of MatteForge; iterators are asynchronous.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout_s: float = 30,
        attempts: int = 5,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        http = httpx.AsyncClient(
            base_url=url,
            headers=authorization(api_key),
            timeout=timeout_s,
            limits=LIMITS,
            transport=transport,
        )
        super().__init__(AsyncTransport(http, attempts=attempts))
        self.training = AsyncTraining(self.transport)
        self.matte_batches = AsyncMatteBatches(self.transport)
        self.webhooks = AsyncWebhooks(self.transport)
        self._api_key = api_key

    async def aclose(self) -> None:
        await self.transport.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _plain_client(self) -> MatteForge:
        """Downloads write files: a thread beside the event loop does, with a client of its own."""
        http = self.transport.http
        return MatteForge(str(http.base_url), self._api_key, attempts=self.transport.attempts)
