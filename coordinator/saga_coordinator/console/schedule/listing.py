"""Lines of the list of schedules: which are wanted, and what each says. Pure but for `found`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from saga_coordinator.calendar.tick import Tick
from saga_coordinator.calendar.words import in_words
from saga_coordinator.console.formatting import Look
from saga_coordinator.console.schedule.clock import ScheduleClock
from saga_coordinator.console.schedule.looks import STATUSES, UNKNOWN, not_fired
from saga_coordinator.console.schedule.policies import calendar_words
from saga_coordinator.definitions.document import DocumentInvalid
from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.schedules.words import Need, definition_of, needs
from saga_coordinator.store.schedule_records import OpenTicks, ScheduleRow, ScheduleStatus
from saga_schemas.record_class import record

STATES: Final[Mapping[str, str]] = {
    "": "All",
    "attention": "Need a person",
    ScheduleStatus.ACTIVE: "Active",
    ScheduleStatus.PAUSED: "Paused",
    ScheduleStatus.ENDED: "Ended",
    ScheduleStatus.DELETED: "Deleted",
}
"""What one may filter by, and its words. All leaves out those that are deleted."""
LOOKED_AT_MOST: Final = 2_000
"""Rows that one page looks through; what comes then is on the next."""
_READ: Final = 500


@record
class Wanted:
    """Which schedules a list is about."""

    state: str = ""
    text: str = ""
    """A part of the name or of the definition's."""

    def takes(self, row: ScheduleRow, now_us: int) -> bool:
        """`now_us` is the database's clock."""
        is_state = bool(needs(row, now_us)) if self.state == "attention" else self.state in ("", row.status)
        if not is_state or not self.text:
            return is_state
        # The document is searched as a text first: reading each would take long.
        return self.text in row.name or (self.text in row.document and self.text in definition_of(row))


@record
class Found:
    """A page of the list."""

    rows: Sequence[ScheduleRow]
    further: str | None
    """After which name the next page begins; None: nothing is left."""


Read = Callable[[str, int], Awaitable[Sequence[ScheduleRow]]]
"""Reads so many rows after a name, by name."""


async def found(read: Read, wanted: Wanted, *, after: str, limit: int, now_us: int) -> Found:
    """Look for so many of the wanted, through LOOKED_AT_MOST rows."""
    rows: list[ScheduleRow] = []
    looked_at = 0
    while True:
        page = await read(after, _READ)
        for row in page:
            if len(rows) == limit:
                return Found(rows=rows, further=after)
            after = row.name
            if wanted.takes(row, now_us):
                rows.append(row)
        looked_at += len(page)
        if len(page) < _READ:
            return Found(rows=rows, further=None)
        if looked_at >= LOOKED_AT_MOST:
            return Found(rows=rows, further=after)


@record
class Last:
    """What became of the latest tick that fired."""

    words: str
    look: Look
    at_us: int | None


@record
class ScheduleLine:
    """One schedule in the list."""

    row: ScheduleRow
    look: Look
    definition: str
    calendar: str
    coming: str
    """The next tick in words; empty where none comes."""
    last: Last | None
    waiting: int
    """Ticks that wait for sagas of it to end."""
    needs: Sequence[Need]


def line_of(row: ScheduleRow, open_ticks: OpenTicks, coming: Sequence[Tick], now_us: int) -> ScheduleLine:
    """What the list says of a schedule.

    Args:
        row: The schedule.
        open_ticks: Its ticks that run or wait.
        coming: The ticks that come next; one is enough.
        now_us: The database's clock.
    """
    document = read_document(row)
    return ScheduleLine(
        row=row,
        look=STATUSES.get(row.status, UNKNOWN),
        definition=definition_words(document),
        calendar="" if document is None else calendar_words(document.calendar),
        coming="" if document is None else next_words(coming, ScheduleClock(document.calendar.zone), now_us),
        last=last_of(row, open_ticks),
        waiting=len(open_ticks.queued),
        needs=needs(row, now_us),
    )


def read_document(row: ScheduleRow) -> ScheduleDocument | None:
    """None: a later release wrote it."""
    try:
        return ScheduleDocument.parse(row.document)
    except DocumentInvalid:
        return None


def definition_words(document: ScheduleDocument | None) -> str:
    """`settle-day`, `settle-day 3`."""
    if document is None:
        return ""
    version = document.definition_version
    return document.definition if version is None else f"{document.definition} {version}"


def next_words(coming: Sequence[Tick], clock: ScheduleClock, now_us: int) -> str:
    """The first of these ticks in words; empty without one."""
    return in_words(coming[0], clock.zone, now_us) if coming else ""


def last_of(row: ScheduleRow, open_ticks: OpenTicks) -> Last | None:
    """None: nothing of it has begun, or nothing has ended yet."""
    if open_ticks.running:
        count = len(open_ticks.running)
        tick = open_ticks.running[-1]
        look = Look(shape="run", tone="fwd", words="its saga is open")
        return Last(words="runs" if count == 1 else f"{count} run", look=look, at_us=tick.fired_at_us or tick.at_us)
    if row.failures:
        look = Look(shape="undone", tone="hot", words="its latest sagas were compensated, or ended by force")
        return Last(words="failed" if row.failures == 1 else f"failed, {row.failures} in a row", look=look, at_us=row.previous_us)
    if row.succeeded_at_us is not None:
        return Last(words="completed", look=Look(shape="done", tone="done", words="all was done"), at_us=row.succeeded_at_us)
    if row.failed:
        return Last(words="could not start", look=not_fired("failed")[1], at_us=None)
    return None
