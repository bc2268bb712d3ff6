"""Where a dataset goes on: shards and slots that its extensions take, each given once.

extensions/ID.json   the first ones that are free, moved by If-Match; ID is the first dataset of all
"""

from core import keys
from core.conditional import change_record
from core.datasets.plan import Plan
from core.datasets.splits import samples_by_split, shards_of
from core.errors import InvalidSpec
from core.ports import ObjectStore
from matteforge.schemas.base import Frozen
from matteforge.schemas.orders import MAX_SHARDS


class Free(Frozen):
    """The first shard and the first slot that nobody has."""

    shard: int
    slot: int


def extended_plan(store: ObjectStore, dataset_id: str, plan: Plan, count: int) -> Plan:
    """The plan of `count` more samples: the parent's, from the first free shard on, so that neither
    a seed nor a key is repeated. Raises InvalidSpec, StateConflict (others keep extending it).
    """
    root = plan.root or dataset_id
    by_split = samples_by_split(count, plan.splits)
    if empty := [split for split, samples in by_split.items() if not samples]:
        raise InvalidSpec(f"of {count} samples none would be in the split {empty[0]}")
    shards = sum(shards_of(samples, plan.shard_size) for samples in by_split.values())
    after_parent = Free(
        shard=plan.first_shard + plan.shards_total, slot=plan.first_slot + plan.count
    )

    def taken(there: Free | None) -> Free:
        free = there or after_parent
        return Free(shard=free.shard + shards, slot=free.slot + count)

    after = change_record(store, keys.extensions(root), Free, taken, what=f"the dataset {root}")
    assert after is not None
    if after.shard > MAX_SHARDS:
        raise InvalidSpec(
            f"with {shards} more it would have {after.shard} shards; at most {MAX_SHARDS}"
        )
    return plan.model_copy(
        update={
            "count": count,
            "shards_total": shards,
            "first_shard": after.shard - shards,
            "first_slot": after.slot - count,
            "root": root,
        }
    )
