"""How long the database lets an instance be silent in the middle of a turn of schedules.

An instance that is stopped there holds its schedules for so long, and their ticks are late. So it
is short. A machine that is too slow for it loses turns to it, and gets more time after each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SHORTEST_S: Final = 0.5
LONGEST_S: Final = 5.0
CALM_TURNS: Final = 100
"""After so many turns in a row that were not lost, it is as short again as before the last."""


@dataclass(slots=True)
class HoldLimit:
    """Of one instance."""

    seconds: float = SHORTEST_S
    _well: int = 0

    def done(self) -> None:
        """A turn has ended well."""
        self._well += 1
        if self._well >= CALM_TURNS:
            self._well = 0
            self.seconds = max(SHORTEST_S, self.seconds / 2)

    def failed(self, after_s: float) -> None:
        """A turn has failed after so many seconds: for this, if it took as long."""
        self._well = 0
        if after_s >= self.seconds:
            self.seconds = min(LONGEST_S, self.seconds * 2)
