"""When beat sends its tick: by the monotonic clock, whatever the wall clock is set to.

Celery's beat keeps the time of the last run and of the next one by its schedule's clock. By the
wall clock, set back by an hour, it would send nothing for an hour.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from celery.schedules import schedule

ORIGIN = datetime(2000, 1, 1, tzinfo=UTC)  # any: only differences count


def every(period_s: float, clock: Callable[[], float] = time.monotonic) -> schedule:
    """A schedule that is due each `period_s` of `clock`."""
    return schedule(
        run_every=timedelta(seconds=period_s),
        nowfun=lambda: ORIGIN + timedelta(seconds=clock()),
    )
