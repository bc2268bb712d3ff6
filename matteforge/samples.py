"""Samples of a dataset as Python methods, for both clients."""

from matteforge.calls import Call, bytes_of, call_of, given
from matteforge.methods import Pages, answered, iterated
from matteforge.schemas.samples import RejectedList, SampleOut, SamplePage

SAMPLES_A_PAGE = 200


class SampleMethods:
    """What MatteForge says of single samples. Errors as there."""

    @iterated
    def samples(
        self,
        dataset_id: str,
        *,
        where: str | None = None,
        order: str = "key",
        limit: int | None = None,
    ) -> Pages[SampleOut]:
        """Samples that pass the filter, in this order, `limit` at most; see the API's reference."""
        size = min(limit or SAMPLES_A_PAGE, SAMPLES_A_PAGE)
        only = given(where=where, order=order)
        parts = ("datasets", dataset_id, "samples")
        return Pages(call_of("GET", *parts, schema=SamplePage, limit=size, **only), limit)

    @answered
    def member(self, dataset_id: str, key: str, member: str) -> Call[bytes]:
        """One picture or JSON of a sample: `image`, `alpha`, `json`, …"""
        return bytes_of("datasets", dataset_id, "samples", key, member)

    @answered
    def preview(self, dataset_id: str) -> Call[bytes]:
        """A WebP picture of some samples; there from the first shard on."""
        return bytes_of("datasets", dataset_id, "preview.webp")

    @answered
    def rejected(self, dataset_id: str, *, reason: str | None = None) -> Call[RejectedList]:
        """Examples of candidates that were not delivered, of one reason or of all."""
        parts = ("datasets", dataset_id, "rejected")
        return call_of("GET", *parts, schema=RejectedList, **given(reason=reason))

    @answered
    def rejected_picture(self, dataset_id: str, name: str) -> Call[bytes]:
        """A small WebP of one of them: image and alpha side by side."""
        return bytes_of("datasets", dataset_id, "rejected", f"{name}.webp")
