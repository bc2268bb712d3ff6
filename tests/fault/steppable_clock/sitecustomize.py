"""A wall clock that is as many seconds off as a file says, in every process that has this folder on
its path. Monotonic time goes on as it is, as it does when an operator sets a clock."""

import os
import time

_right, _file, _looked_s, _off_s = time.time, os.environ.get("CHAOS_CLOCK", ""), 0.0, 0.0


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


if _file:
    time.time = _time
