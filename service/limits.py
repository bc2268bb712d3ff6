"""What a key may use: requests a second, samples a day, datasets at once, bytes stored.

Buckets lie in Redis. While it does not answer, each process of the API counts by itself, from full
buckets: a limit is then one a process, and no request is refused because Redis is away. What only
Redis knows, the datasets under way, is not limited then.
"""

import logging
import math
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from core.datasets.plan import Plan
from core.errors import QuotaExceeded, RateLimited, StorageFull, TransientError
from core.keyring import ApiKey
from core.limits import Bucket, Taken, expected_bytes
from core.ports import BucketBook, LiveView
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
        self, settings: Settings, live: LiveView, buckets: BucketBook, fallback: BucketBook
    ) -> None:
        """fallback: this process's own buckets, for when `buckets` does not answer."""
        self._settings = settings
        self._live = live
        self._buckets = buckets
        self._fallback = fallback
        self._usage = Usage(live)
        self._placing: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take_request(self, bucket: Bucket) -> Taken:
        return self._take(bucket, 1)

    def take_fallback(self, bucket: Bucket) -> Taken:
        """The same without asking Redis."""
        return self._fallback.take(bucket, 1)

    @contextmanager
    def placing(self, key: ApiKey, plan: Plan, resolution: int) -> Iterator["Placing"]:
        """For the time in which an order is claimed. What it took is given back unless `done` was
        called. Raises QuotaExceeded, StorageFull.
        """
        limits = effective(key, self._settings)
        size_bytes = expected_bytes(plan, resolution)
        self._check_room(key, limits, plan, size_bytes)
        with self._one_more(key, limits), self._samples(key, limits, plan) as placing:
            yield placing
            if placing.dataset_id:
                self._usage.add(placing.dataset_id, key.tenant, size_bytes)

    def forget(self, dataset_id: str) -> None:
        """A dataset was deleted."""
        self._usage.remove(dataset_id)

    def _check_room(self, key: ApiKey, limits: Limits, plan: Plan, size_bytes: int) -> None:
        order = f"{plan.count} samples take about {_size(size_bytes)}"
        if limits.bytes_stored is not None:
            used = self._usage.bytes_of(key.tenant)
            if used + size_bytes > limits.bytes_stored:
                raise QuotaExceeded(
                    f"{order}; the tenant {key.tenant} may store {_size(limits.bytes_stored)}, of "
                    f"which {_size(used)} are used or ordered: delete datasets, or order fewer"
                )
        if self._settings.store_folder is not None:
            try:
                free = shutil.disk_usage(self._settings.store_folder).free
            except OSError as error:
                log.warning("how much is free is not known: %s", error)
                return
            if size_bytes > free:
                raise StorageFull(f"{order}; the object store's disk has {_size(free)} free")

    @contextmanager
    def _one_more(self, key: ApiKey, limits: Limits) -> Iterator[None]:
        """Counts an order that is being placed: of several at once each sees the others."""
        with self._lock:
            self._placing[key.tenant] += 1
            placing = self._placing[key.tenant]
        try:
            self._check_datasets(key, limits, placing)
            yield
        finally:
            with self._lock:
                self._placing[key.tenant] -= 1
                if not self._placing[key.tenant]:
                    del self._placing[key.tenant]

    def _check_datasets(self, key: ApiKey, limits: Limits, placing: int) -> None:
        most = limits.datasets_at_once
        if most is None:
            return
        try:
            if len(self._live.active_ids()) + placing <= most:
                return
            active = sum(self._active(key.tenant, state) for state in DatasetState)
        except TransientError as error:
            log.warning("datasets at once are not limited now: %s", error.detail)
            return
        if active + placing > most:
            raise QuotaExceeded(
                f"the tenant {key.tenant} may have {most} datasets under way at once, and has "
                f"{active + placing - 1}: wait for one to end, or cancel one",
                retry_after_s=60,
            )

    def _active(self, tenant: str, state: DatasetState) -> int:
        number, after = 0, None
        while state not in TERMINAL:
            views, after = self._live.page(state=state, after=after, limit=PAGE)
            number += sum(view.owner == tenant for view in views)
            if after is None:
                break
        return number

    @contextmanager
    def _samples(self, key: ApiKey, limits: Limits, plan: Plan) -> Iterator["Placing"]:
        placing = Placing()
        if (most := limits.samples_per_day) is None:
            yield placing
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
            yield placing
        finally:
            if not placing.dataset_id:
                self._take(bucket, -plan.count)

    def _take(self, bucket: Bucket, amount: float) -> Taken:
        try:
            return self._buckets.take(bucket, amount)
        except TransientError:
            return self._fallback.take(bucket, amount)


class Placing:
    """An order that is being placed."""

    dataset_id: str = ""

    def done(self, dataset_id: str) -> None:
        """The order is claimed: what it took is not given back."""
        self.dataset_id = dataset_id


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
