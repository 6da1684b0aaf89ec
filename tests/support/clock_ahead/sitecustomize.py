"""Read by every Python that has this folder on its PYTHONPATH: the wall clock of that process is
ahead by as many seconds as `CLOCK_AHEAD_S` says. Its monotonic clock is not."""

from __future__ import annotations

import os
import time

_time, _time_ns = time.time, time.time_ns
_ahead_s = int(os.environ.get("CLOCK_AHEAD_S", "0"))


def _shifted() -> float:
    return _time() + _ahead_s


def _shifted_ns() -> int:
    return _time_ns() + _ahead_s * 1_000_000_000


if _ahead_s:
    time.time, time.time_ns = _shifted, _shifted_ns
