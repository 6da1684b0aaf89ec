"""How long the database lets an instance be silent in the middle of a turn of schedules, and how
many schedules a turn takes.

An instance that is stopped there holds its schedules for so long, and their ticks are late. So it
is short. A machine that is too slow for it loses turns to it, and gets more time after each. Where
the longest time is not enough, it takes fewer schedules at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from saga_coordinator.schedules.turns import SCHEDULES_MOST

SHORTEST_S: Final = 0.5
LONGEST_S: Final = 5.0
CALM_TURNS: Final = 100
"""After so many turns in a row that were not lost, both are again as before the last."""


@dataclass(slots=True)
class HoldLimit:
    """Of one instance."""

    seconds: float = SHORTEST_S
    schedules: int = SCHEDULES_MOST
    _well: int = 0

    def done(self) -> None:
        """A turn has ended well."""
        self._well += 1
        if self._well >= CALM_TURNS:
            self._well = 0
            self.seconds = max(SHORTEST_S, self.seconds / 2)
            self.schedules = min(SCHEDULES_MOST, self.schedules * 2)

    def failed(self, after_s: float) -> None:
        """A turn has failed after so many seconds: for this, if it took as long."""
        self._well = 0
        if after_s >= self.seconds:
            if self.seconds >= LONGEST_S:
                self.schedules = max(1, self.schedules // 2)
            self.seconds = min(LONGEST_S, self.seconds * 2)
