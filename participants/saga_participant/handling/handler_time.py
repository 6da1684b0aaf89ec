"""How long the handlers of one command ran."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from saga_messaging.clock import Clock, SystemClock


@dataclass(slots=True)
class HandlerTime:
    """The handlers' time for one delivery of a command, all runs together.

    Nothing of it is stored: a remembered reply has no handler.
    """

    clock: Clock = field(default_factory=SystemClock)
    us: int | None = None
    """None: no handler ran."""

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the time within the block, however it is left."""
        began_s = self.clock.monotonic_s()
        try:
            yield
        finally:
            self.add(max(round((self.clock.monotonic_s() - began_s) * 1_000_000), 0))

    def add(self, took_us: int) -> None:
        """Count a run, or the command's share of one that was for several."""
        self.us = (self.us or 0) + took_us
