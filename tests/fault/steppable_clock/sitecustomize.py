"""A wall clock that is as many seconds off as a file says, in every process that has this folder on
its path: `time.time` and `datetime.now`, by which requests to S3 are signed. Monotonic time goes on
as it is, as it does when an operator sets a clock."""

import datetime
import os
import time

_right, _file, _looked_s, _off_s = time.time, os.environ.get("CHAOS_CLOCK", ""), 0.0, 0.0
_Exact = datetime.datetime


def _time() -> float:
    global _looked_s, _off_s
    if (now_s := time.monotonic()) - _looked_s > 0.2:
        _looked_s = now_s
        try:
            with open(_file) as file:
                _off_s = float(file.read() or 0)
        except OSError:
            _off_s = 0.0
    return _right() + _off_s


class _Kind(type):
    """Every datetime counts as one of the class that stands in for it."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, _Exact)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, _Exact)


class _Datetime(_Exact, metaclass=_Kind):
    """Makes plain datetimes, and reads the clock above."""

    def __new__(cls, *args: object, **named: object) -> datetime.datetime:  # type: ignore[misc]
        return _Exact(*args, **named)  # type: ignore[arg-type]

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
        return _Exact.fromtimestamp(_time(), tz)

    @classmethod
    def utcnow(cls) -> datetime.datetime:  # type: ignore[override]
        return _Exact.fromtimestamp(_time(), datetime.UTC).replace(tzinfo=None)


if _file:
    time.time = _time
    datetime.datetime = _Datetime  # type: ignore[misc]
