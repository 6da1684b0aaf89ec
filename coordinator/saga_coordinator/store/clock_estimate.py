"""The database's clock, without asking: its last reading and the time that has passed here since.

An estimate never lies in the database's future, because a reading is older than its arrival, and it
never goes back. What is written with it is refused by the database when the two are too far apart
(`postgres_statements.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

TRUSTED_FOR_S: Final = 10.0
"""How long a reading is good for: the two clocks run at nearly the same rate."""


class ClockEstimate:
    """Of one database."""

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._read_us: int | None = None
        self._read_at_s = 0.0
        self._latest_us = 0

    def read(self, now_us: int) -> None:
        """The database has just said what time it is."""
        self._read_us, self._read_at_s = now_us, self._monotonic_s()

    def forget(self) -> None:
        """The database disagreed, or may have."""
        self._read_us, self._latest_us = None, 0

    def now_us(self) -> int | None:
        """The time by the database's clock, or a little earlier; None when it must be asked."""
        passed_s = self._monotonic_s() - self._read_at_s
        if self._read_us is None or passed_s > TRUSTED_FOR_S:
            return None
        self._latest_us = max(self._latest_us, self._read_us + int(passed_s * 1_000_000))
        return self._latest_us
