"""A tick of a calendar, and where in a calendar somebody stands."""

from __future__ import annotations

from saga_schemas.record_class import record


@record
class Tick:
    """One instant at which a schedule asks for a saga."""

    at_us: int
    """The instant, in microseconds since 1970; it names the tick."""
    local: str
    """The wall clock that its expression names, without an offset: `2027-03-28T02:30:00`. Of an
    elapsed interval, the wall clock at the instant."""
    fixed: bool
    """Its expression names a time of the day, so no wall clock before it comes again."""
    fire_at_us: int
    """When it is due: its instant and its jitter."""
    reason: str | None = None
    """What is odd about it, in words: `02:30 does not exist on this day: it runs at 03:00`."""


@record
class Cursor:
    """All ticks up to here are decided."""

    after_us: int
    local: str | None = None
    """The last wall clock of a fixed tick that is decided. A later release of the time zones may
    move that wall clock to a later instant: it is not run again."""

    def moved_to(self, tick: Tick) -> Cursor:
        """The place after this tick."""
        local = max(self.local or "", tick.local) if tick.fixed else self.local
        return Cursor(after_us=max(self.after_us, tick.at_us), local=local)
