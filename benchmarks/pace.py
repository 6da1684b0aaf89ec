"""When sagas are started: a new one for each that ends, or so many a second whatever happens."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final, Protocol

ASK_S: Final = 0.5
"""Longest wait for an end."""
MOST_OPEN: Final = 20_000
"""So many unfinished sagas in an open loop: the system does not keep up."""


class LoadFailed(Exception):
    """The system under load does not do what it is asked. The message is one line."""


class Pace(Protocol):
    @property
    def in_flight(self) -> int:
        """Of a closed loop; 0 for an open one."""
        ...

    @property
    def per_s(self) -> float | None:
        """Starts a second of an open loop."""
        ...

    @property
    def at_most(self) -> int | None:
        """So many are started in all, and the load ends with the last of them. None: no end."""
        ...

    def due(self, unfinished: int) -> list[float]:
        """When each saga that is to be started now was due, by `time.perf_counter`."""
        ...

    def wait_s(self) -> float:
        """How long to wait for ends before the next ones may be due."""
        ...


class ClosedLoop:
    """So many sagas are in flight."""

    per_s = None

    def __init__(self, in_flight: int, *, at_most: int | None = None) -> None:
        self.in_flight = in_flight
        self.at_most = at_most
        self._started = 0

    def due(self, unfinished: int) -> list[float]:
        room = max(self.in_flight - unfinished, 0)
        due = room if self.at_most is None else min(room, self.at_most - self._started)
        self._started += due
        return [time.perf_counter()] * due

    def wait_s(self) -> float:
        return ASK_S


class OpenLoop:
    """So many starts a second on average, apart as independent callers' are (exponentially).

    A latency counts from the moment that a start was due, so a system that falls behind shows it.
    The first is due when the loop is first asked.
    """

    in_flight = 0
    at_most = None

    def __init__(self, per_s: float, *, seed: int = 1, now: Callable[[], float] = time.perf_counter) -> None:
        self.per_s = per_s
        self._random = random.Random(seed)
        self._now = now
        self._next: float | None = None

    def due(self, unfinished: int) -> list[float]:
        if unfinished > MOST_OPEN:
            raise LoadFailed(f"{unfinished} sagas are unfinished at {self.per_s:.0f} starts a second")
        found, now = [], self._now()
        due = now if self._next is None else self._next
        while due <= now:
            found.append(due)
            due += self._random.expovariate(self.per_s)
        self._next = due
        return found

    def wait_s(self) -> float:
        return 0.0 if self._next is None else min(max(self._next - self._now(), 0.0), ASK_S)
