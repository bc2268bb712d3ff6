"""The MatteForge API as Python methods."""

from contextlib import AbstractContextManager, nullcontext
from typing import Self

import httpx

from matteforge.administration import AdministrationMethods
from matteforge.datasets import DatasetMethods
from matteforge.derived import DerivedMethods
from matteforge.matte_batches import MatteBatches
from matteforge.mattes import MatteMethods
from matteforge.methods import Caller
from matteforge.samples import SampleMethods
from matteforge.training import Training
from matteforge.transport import LIMITS, Transport, authorization
from matteforge.webhooks import Webhooks


class ClientMethods(
    DatasetMethods, SampleMethods, DerivedMethods, MatteMethods, AdministrationMethods
):
    """The methods of both clients."""


class MatteForge(ClientMethods, Caller):
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
        headers = authorization(api_key)
        http = httpx.Client(
            base_url=url, headers=headers, timeout=timeout_s, limits=LIMITS, transport=transport
        )
        super().__init__(Transport(http, attempts=attempts))
        self.training = Training(self.transport)
        self.matte_batches = MatteBatches(self.transport)
        self.webhooks = Webhooks(self.transport)

    def close(self) -> None:
        self.transport.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _plain_client(self) -> AbstractContextManager["MatteForge"]:
        return nullcontext(self)
