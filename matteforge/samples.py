"""Samples of a dataset, for both clients: the calls, and the methods that send them."""

from collections.abc import AsyncIterator, Iterator

from matteforge.calls import Call, call_of, path_of
from matteforge.schemas.samples import RejectedList, SampleOut, SamplePage
from matteforge.transport import AsyncTransport, Transport

SAMPLES_A_PAGE = 200


def samples_call(
    dataset_id: str, where: str | None, order: str, limit: int | None
) -> Call[SamplePage]:
    """One page of samples."""
    only = {"where": where} if where else {}
    size = min(limit or SAMPLES_A_PAGE, SAMPLES_A_PAGE)
    parts = ("datasets", dataset_id, "samples")
    return call_of("GET", *parts, schema=SamplePage, limit=size, order=order, **only)


def rejected_call(dataset_id: str, reason: str | None) -> Call[RejectedList]:
    """Examples of rejected candidates."""
    only = {"reason": reason} if reason else {}
    return call_of("GET", "datasets", dataset_id, "rejected", schema=RejectedList, **only)


def bytes_call(*parts: str) -> Call[bytes]:
    """A file, below /v1/datasets."""
    path = path_of("datasets", *parts)
    return Call(method="GET", path=path, read=lambda response: response.content)


class SampleMethods:
    """What MatteForge says of single samples. Errors as there."""

    transport: Transport

    def samples(
        self,
        dataset_id: str,
        *,
        where: str | None = None,
        order: str = "key",
        limit: int | None = None,
    ) -> Iterator[SampleOut]:
        """Samples that pass the filter, in this order, `limit` at most; see the API's reference."""
        call, left = samples_call(dataset_id, where, order, limit), limit
        while True:
            page = self.transport.send(call)
            yield from page.items[:left]
            left = None if left is None else left - len(page.items)
            if page.next_cursor is None or (left is not None and left <= 0):
                return
            call = call.after(page.next_cursor)

    def member(self, dataset_id: str, key: str, member: str) -> bytes:
        """One picture or JSON of a sample: `image`, `alpha`, `json`, …"""
        return self.transport.send(bytes_call(dataset_id, "samples", key, member))

    def preview(self, dataset_id: str) -> bytes:
        """A WebP picture of some samples; there from the first shard on."""
        return self.transport.send(bytes_call(dataset_id, "preview.webp"))

    def rejected(self, dataset_id: str, *, reason: str | None = None) -> RejectedList:
        """Examples of candidates that were not delivered, of one reason or of all."""
        return self.transport.send(rejected_call(dataset_id, reason))

    def rejected_picture(self, dataset_id: str, name: str) -> bytes:
        """A small WebP of one of them: image and alpha side by side."""
        return self.transport.send(bytes_call(dataset_id, "rejected", f"{name}.webp"))


class AsyncSampleMethods:
    """The same as coroutines."""

    transport: AsyncTransport

    async def samples(
        self,
        dataset_id: str,
        *,
        where: str | None = None,
        order: str = "key",
        limit: int | None = None,
    ) -> AsyncIterator[SampleOut]:
        call, left = samples_call(dataset_id, where, order, limit), limit
        while True:
            page = await self.transport.send(call)
            for sample in page.items[:left]:
                yield sample
            left = None if left is None else left - len(page.items)
            if page.next_cursor is None or (left is not None and left <= 0):
                return
            call = call.after(page.next_cursor)

    async def member(self, dataset_id: str, key: str, member: str) -> bytes:
        return await self.transport.send(bytes_call(dataset_id, "samples", key, member))

    async def preview(self, dataset_id: str) -> bytes:
        return await self.transport.send(bytes_call(dataset_id, "preview.webp"))

    async def rejected(self, dataset_id: str, *, reason: str | None = None) -> RejectedList:
        return await self.transport.send(rejected_call(dataset_id, reason))

    async def rejected_picture(self, dataset_id: str, name: str) -> bytes:
        return await self.transport.send(bytes_call(dataset_id, "rejected", f"{name}.webp"))
