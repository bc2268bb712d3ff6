"""Examples of rejected candidates: a few small pictures for each reason, beside a dataset's shards.

datasets/ID/rejected/NNNNNN.json   of one shard, written after its commit; of the first shards alone

No shard holds them, and nothing depends on them: a shard without examples is as good.
"""

import base64
from concurrent.futures import ThreadPoolExecutor

from pydantic import Field

from core import keys
from core.errors import NotFound
from core.ports import ObjectStore
from matteforge.schemas.base import Frozen

SHARDS_WITH_EXAMPLES = 16
KEPT_A_REASON = 3  # of one shard
READERS = 8


class RejectedExample(Frozen):
    """One candidate that was not delivered."""

    shard: int
    attempt: int = Field(description="number of the candidate within its shard")
    seed: int
    reason: str = Field(description="the criterion that it failed, or the renderer's defect")
    scores: dict[str, float]
    attributes: dict[str, str] = Field(default_factory=dict, description="of a rendered person")
    webp_base64: str = Field(description="its image and its alpha side by side, small")

    @property
    def webp(self) -> bytes:
        """The picture as a file."""
        return base64.b64decode(self.webp_base64)


class RejectedExamples(Frozen):
    """What one shard's worker kept."""

    examples: list[RejectedExample]


def put_examples(
    store: ObjectStore, dataset_id: str, shard: int, examples: list[RejectedExample]
) -> None:
    """Write the examples of a shard; those of an earlier try are replaced."""
    body = RejectedExamples(examples=examples).model_dump_json().encode()
    store.put(keys.rejected_examples(dataset_id, shard), body, content_type="application/json")


def shard_examples(store: ObjectStore, dataset_id: str, shard: int) -> list[RejectedExample]:
    """The examples of a shard; none where none were kept."""
    try:
        body, _ = store.get(keys.rejected_examples(dataset_id, shard))
    except NotFound:
        return []
    return RejectedExamples.model_validate_json(body).examples


def dataset_examples(store: ObjectStore, dataset_id: str) -> list[RejectedExample]:
    """The examples of all shards, by shard and attempt."""
    names = list(store.list_names(keys.rejected_folder(dataset_id)))
    shards = [int(name.removesuffix(".json")) for name in names]
    with ThreadPoolExecutor(READERS) as pool:
        found = pool.map(lambda shard: shard_examples(store, dataset_id, shard), shards)
        return [example for examples in found for example in examples]
