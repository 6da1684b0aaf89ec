"""How fast the doctor goes: it rests after each page, so that coordinators notice little of it."""

from __future__ import annotations

from typing import Final

from saga_messaging.clock import Clock

LOOK_AGAIN_S: Final = 1.0
"""Between two looks at what does not fit."""
LONGEST_REST_S: Final = 5.0


class Pace:
    """The rests of one run."""

    def __init__(self, clock: Clock, rests: float = 1.0, look_again_s: float = LOOK_AGAIN_S) -> None:
        """`rests`: how long a rest is, in the time that the page before it took; 0 takes none."""
        self._clock = clock
        self._rests = rests
        self._look_again_s = look_again_s
        self._began_s = clock.monotonic_s()

    async def rest(self) -> None:
        """Rest from what was done since the last rest."""
        took_s = self._clock.monotonic_s() - self._began_s
        if self._rests:
            await self._clock.sleep(min(took_s * self._rests, LONGEST_REST_S))
        self._began_s = self._clock.monotonic_s()

    async def look_again(self) -> None:
        """Wait until what moves has moved on."""
        await self._clock.sleep(self._look_again_s)
