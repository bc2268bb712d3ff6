"""A shard's tar, whatever its dataset is: made by a sampler, or copied from another dataset."""

from collections.abc import Callable, Iterator
from pathlib import Path

from core.datasets.manifest import ShardRecord
from core.datasets.plan import Plan
from workers.context import Context
from workers.generate.rejects import Rejects
from workers.generate.shard_tar import make_tar
from workers.generate.subset_tar import make_subset_tar
from workers.generate.tally import Tally


def make_shard(
    context: Context,
    dataset_id: str,
    plan: Plan,
    shard: int,
    path: Path,
    watch: Callable[[Tally], Iterator[None]],
    rejects: Rejects | None = None,
) -> ShardRecord:
    """Write it to `path`; returns its record. `watch` and `rejects` as `make_tar` has them."""
    if plan.parent is not None:
        return make_subset_tar(path, context.catalog, dataset_id, plan, shard, watch)
    sampler, backdrops = context.sampler(plan), context.backdrops(plan)
    return make_tar(path, sampler, plan, shard, watch, rejects, backdrops)
