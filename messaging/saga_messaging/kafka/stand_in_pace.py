"""How often the stand-in is asked for records.

A real broker lets a fetch wait until a record arrives. The mock cluster lets it wait for its whole
time, whatever arrives meanwhile, so the wait is ours: a fetch is asked for at once when this event
loop has written to one of its topics, and otherwise the later the longer nothing came. Records of
other processes so come late by a twentieth of that time.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Collection, Iterable
from typing import Final

FIRST_S: Final = 0.005
LONGEST_S: Final = 0.5
"""As long as a real broker lets a fetch wait."""
SHARE: Final = 0.05
"""Of the time since the last record."""

_PACES: Final[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.WeakSet[StandInPace]]] = weakref.WeakKeyDictionary()


class StandInPace:
    """The pace of one reader. Made, and used, in one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._topics: frozenset[str] = frozenset()
        self._written = asyncio.Event()
        self._last_s = self._loop.time()
        _PACES.setdefault(self._loop, weakref.WeakSet()).add(self)

    async def turn(self, topics: Collection[str]) -> None:
        """Wait until these topics are worth asking for."""
        self._topics = frozenset(topics)
        try:
            async with asyncio.timeout(pause_s(self._loop.time() - self._last_s)):
                await self._written.wait()
        except TimeoutError:
            return
        self._written.clear()

    def brought(self) -> None:
        """There were records: more are likely."""
        self._last_s = self._loop.time()

    def written(self, topics: frozenset[str]) -> None:
        if not self._topics.isdisjoint(topics):
            self._written.set()


def pause_s(silent_s: float) -> float:
    """How long to wait when nothing came for so long."""
    return min(max(FIRST_S, silent_s * SHARE), LONGEST_S)


def written(topics: Iterable[str]) -> None:
    """This event loop has written to these topics."""
    wanted = frozenset(topics)
    for pace in tuple(_PACES.get(asyncio.get_running_loop(), ())):
        pace.written(wanted)
