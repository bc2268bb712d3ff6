"""What a key may use: requests a second, samples a day, datasets at once, bytes stored.

Buckets lie in Redis, and so do notes of orders that are being placed: of several processes of the
API each sees what the others let pass. While it does not answer, each process counts by itself,
from full buckets: a limit is then one a process, and no request is refused because Redis is away.
What only Redis knows, the datasets under way, is not limited then.
"""

import logging
import math
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from core.datasets.plan import Plan
from core.errors import QuotaExceeded, RateLimited, StorageFull, TransientError
from core.keyring import ApiKey
from core.limits import Bucket, OrderNote, Taken, expected_bytes
from core.ports import BucketBook, LiveView
from core.registry import Registry
from core.settings import Settings
from matteforge.schemas.datasets import TERMINAL, DatasetState
from matteforge.schemas.keys import Limits
from service.usage import Usage

log = logging.getLogger(__name__)
DAY_S = 86400.0
PAGE = 500


def effective(key: ApiKey, settings: Settings) -> Limits:
    """The key's own limits, the service's where it has none."""
    own = key.limits.model_dump()
    return Limits(
        **{name: getattr(settings, name) if own[name] is None else own[name] for name in own}
    )


def request_bucket(key: ApiKey, per_second: float) -> Bucket:
    """Requests of a key: as many at once as come in a second, and one at least."""
    size = max(math.ceil(per_second), 1)
    return Bucket(name=f"requests/{key.id}", size=size, window_s=size / per_second)


class Admission:
    """Whether a request, or an order, may pass. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        live: LiveView,
        registry: Registry,
        buckets: BucketBook,
        fallback: BucketBook,
    ) -> None:
        """fallback: this process's own buckets, for when `buckets` does not answer."""
        self._settings = settings
        self._live = live
        self._buckets = buckets
        self._fallback = fallback
        self._usage = Usage(live, lambda digest: registry.bundle(digest).resolution)

    def take_request(self, bucket: Bucket) -> Taken:
        return self._take(bucket, 1)

    def take_fallback(self, bucket: Bucket) -> Taken:
        """The same without asking Redis."""
        return self._fallback.take(bucket, 1)

    @contextmanager
    def placing(
        self, key: ApiKey, dataset_id: str, plan: Plan, resolution: int
    ) -> Iterator["Placing"]:
        """For the time in which an order is claimed. What it took is given back unless `done` was
        called. Raises QuotaExceeded, StorageFull.
        """
        limits = effective(key, self._settings)
        size_bytes = expected_bytes(plan, resolution)
        order = f"{plan.count} samples take about {_size(size_bytes)}"
        self._check_disk(order, size_bytes)
        placing = Placing()
        note = OrderNote(token=secrets.token_hex(8), dataset_id=dataset_id, size_bytes=size_bytes)
        with self._noted(key.tenant, note, placing) as (others, recent):
            self._check_bytes(key, limits, order, note, others, recent)
            self._check_datasets(key, limits, others)
            with self._samples(key, limits, plan, placing):
                yield placing
            if placing.claimed:
                self._usage.add(dataset_id, key.tenant, size_bytes)

    def forget(self, dataset_id: str) -> None:
        """A dataset was deleted."""
        self._usage.remove(dataset_id)

    @contextmanager
    def _noted(
        self, tenant: str, note: OrderNote, placing: "Placing"
    ) -> Iterator[tuple[list[OrderNote], list[OrderNote]]]:
        """Notes an order while it is placed; gives those of others, as `begin_order` does."""
        book = self._buckets
        try:
            others = book.begin_order(tenant, note)
        except TransientError:
            book = self._fallback
            others = book.begin_order(tenant, note)
        try:
            yield others
        finally:
            with suppress(TransientError):  # it is forgotten by itself
                book.end_order(tenant, note, placed=placing.claimed)

    def _check_disk(self, order: str, size_bytes: int) -> None:
        if self._settings.store_folder is None:
            return
        try:
            free = shutil.disk_usage(self._settings.store_folder).free
        except OSError as error:
            log.warning("how much is free is not known: %s", error)
            return
        if size_bytes > free:
            raise StorageFull(f"{order}; the object store's disk has {_size(free)} free")

    def _check_bytes(
        self,
        key: ApiKey,
        limits: Limits,
        order: str,
        note: OrderNote,
        others: list[OrderNote],
        recent: list[OrderNote],
    ) -> None:
        if limits.bytes_stored is None:
            return
        used = self._usage.bytes_of(key.tenant, placing=others, recent=recent)
        if used + note.size_bytes > limits.bytes_stored:
            raise QuotaExceeded(
                f"{order}; the tenant {key.tenant} may store {_size(limits.bytes_stored)}, of "
                f"which {_size(used)} are used or ordered: delete datasets, or order fewer"
            )

    def _check_datasets(self, key: ApiKey, limits: Limits, others: list[OrderNote]) -> None:
        most = limits.datasets_at_once
        if most is None:
            return
        placing = {one.dataset_id for one in others}
        try:
            if len(self._live.active_ids()) + len(placing) < most:
                return
            active = {one for state in DatasetState for one in self._active(key.tenant, state)}
        except TransientError as error:
            log.warning("datasets at once are not limited now: %s", error.detail)
            return
        if len(active | placing) >= most:
            raise QuotaExceeded(
                f"the tenant {key.tenant} may have {most} datasets under way at once, and has "
                f"{len(active | placing)}: wait for one to end, or cancel one",
                retry_after_s=60,
            )

    def _active(self, tenant: str, state: DatasetState) -> Iterator[str]:
        """Ids of the tenant's datasets in a state that is no end."""
        after = None
        while state not in TERMINAL:
            views, after = self._live.page(state=state, after=after, limit=PAGE)
            yield from (view.id for view in views if view.owner == tenant)
            if after is None:
                break

    @contextmanager
    def _samples(
        self, key: ApiKey, limits: Limits, plan: Plan, placing: "Placing"
    ) -> Iterator[None]:
        if (most := limits.samples_per_day) is None:
            yield
            return
        bucket = Bucket(name=f"samples/{key.id}", size=most, window_s=DAY_S)
        found = self._take(bucket, plan.count)
        if not found.granted:
            when = "" if math.isinf(found.wait_s) else f"; enough in {found.wait_s / 3600:.1f} h"
            raise QuotaExceeded(
                f"this key may order {most} samples a day; {math.floor(found.left)} are left now, "
                f"{plan.count} are ordered{when}",
                retry_after_s=None if math.isinf(found.wait_s) else found.wait_s,
            )
        try:
            yield
        finally:
            if not placing.claimed:
                self._take(bucket, -plan.count)

    def _take(self, bucket: Bucket, amount: float) -> Taken:
        try:
            return self._buckets.take(bucket, amount)
        except TransientError:
            return self._fallback.take(bucket, amount)


class Placing:
    """An order that is being placed."""

    claimed = False

    def done(self) -> None:
        """The order is claimed: what it took is not given back."""
        self.claimed = True


def refused(bucket: Bucket, found: Taken) -> RateLimited:
    """The error of a request too many."""
    rate = bucket.size / bucket.window_s
    return RateLimited(
        f"this key may send {rate:g} requests a second; try again in {found.wait_s:.1f} s",
        retry_after_s=max(found.wait_s, 1),
    )


def _size(size_bytes: int) -> str:
    """In the unit that a person would take."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes} bytes"
