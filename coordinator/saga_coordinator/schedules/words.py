"""What the codes of schedules mean, in words, and the way out. Pure.

Views, the console and the commands say the same of one code: they take it from here. Anchors are
sections of docs/operations.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from saga_coordinator.definitions.document import DocumentInvalid
from saga_coordinator.schedules.attention import NO_SUCCESS, PAUSED_ON_FAILURE
from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.store.schedule_records import ScheduleRow, ScheduleStatus
from saga_schemas.record_class import record
from saga_schemas.times import format_us

PAUSED_LONG_US: Final = 86_400_000_000
"""A pause that lasts so long may be forgotten: a day."""
LATE_US: Final = 60_000_000
"""A tick that is due for so long and not decided asks for somebody."""

PAUSED: Final = "paused"
"""Somebody paused it, for long. No code of attention: nobody is needed yet."""


@record
class Meaning:
    """A code of attention in words. `{name}` stands for the schedule, `{definition}` for its
    definition."""

    one: str
    """Of one schedule."""
    many: str
    """Of several, behind their number."""
    way_out: str
    command: str
    """What may help, in a terminal; what stands in capitals is for the person to write."""
    act: str
    """The same as a button: what it does."""
    anchor: str
    bad: bool = True
    """Work is not done while it stands."""


_UPDATE: Final = "saga schedule update FILE --reason WHY"
_RESUME: Final = "saga schedule resume {name} --reason WHY"
_SHOW: Final = "saga schedule show {name}"
_ATTENTION: Final[Mapping[str, Meaning]] = {
    "input_invalid": Meaning(
        one="the schedule {name} cannot start {definition}: its input does not fit",
        many="cannot start: their input does not fit their definition",
        way_out="Update its input, or activate a version of {definition} that takes it. It tries again with the next tick;"
        " ticks that failed can be run by a backfill.",
        command=_UPDATE,
        act="Update",
        anchor="the-input-of-a-schedule-does-not-fit",
    ),
    "definition_inactive": Meaning(
        one="the schedule {name} cannot start: no version of {definition} is active",
        many="cannot start: no version of their definition is active",
        way_out="Activate a version of {definition}, or pause the schedule. It tries again with the next tick;"
        " ticks that failed can be run by a backfill.",
        command="saga def activate {definition} VERSION",
        act="Activate a version of {definition}",
        anchor="the-definition-of-a-schedule-is-gone",
    ),
    "definition_unknown": Meaning(
        one="the schedule {name} cannot start: {definition} is not registered",
        many="cannot start: their definition is not registered",
        way_out="Register {definition} again, or update the schedule to one that is there. It tries again with the next tick;"
        " ticks that failed can be run by a backfill.",
        command="saga def register FILE",
        act="Register {definition}",
        anchor="the-definition-of-a-schedule-is-gone",
    ),
    "start_refused": Meaning(
        one="the schedule {name} cannot start {definition}: its sagas are refused",
        many="cannot start: their sagas are refused",
        way_out="The note says why. It tries again with the next tick; ticks that failed can be run by a backfill.",
        command=_SHOW,
        act="Open",
        anchor="sagas-of-a-schedule-are-refused",
    ),
    PAUSED_ON_FAILURE: Meaning(
        one="the schedule {name} has paused itself: its sagas failed",
        many="have paused themselves: their sagas failed",
        way_out="Mend what undid its last sagas, then resume it. What it missed meanwhile goes by its policy for missed ticks.",
        command=_RESUME,
        act="Resume",
        anchor="a-schedule-has-paused-itself",
    ),
    NO_SUCCESS: Meaning(
        one="the schedule {name} has had no success in time",
        many="have had no success in time",
        way_out="See what became of its last ticks: they did not come, did not start, still run, or were undone."
        " It ends with the next saga that completes.",
        command=_SHOW,
        act="Open",
        anchor="a-schedule-has-no-success",
    ),
    "calendar_invalid": Meaning(
        one="the schedule {name} does not tick: its calendar or its expressions cannot be read any more",
        many="do not tick: their calendar or their expressions cannot be read any more",
        way_out="The note says why. Update the schedule, or create the calendar of days again that it lacks. It is tried again"
        " each minute; what is missed goes by its policy.",
        command=_UPDATE,
        act="Update",
        anchor="the-calendar-of-a-schedule-cannot-be-read",
    ),
}
_PAUSED: Final = Meaning(
    one="the schedule {name} is paused for long",
    many="are paused for long",
    way_out="Resume it, or delete it if nobody needs it any more.",
    command=_RESUME,
    act="Resume",
    anchor="a-schedule-is-paused",
    bad=False,
)
_OTHER: Final = Meaning(
    one="the schedule {name} needs a person",
    many="need a person",
    way_out="A later release set this: its note says why.",
    command=_SHOW,
    act="Open",
    anchor="when-a-schedule-needs-a-person",
)
ATTENTION_CODES: Final = tuple(_ATTENTION)

_REASONS: Final[Mapping[str, str]] = {
    "overlap": "a saga of the schedule was still open",
    "queue_full": "as many ticks waited already as its policy allows",
    "superseded": "a later tick took its place in the queue",
    "key_held": "another saga has its business key",
    "missed": "nobody decided it in time: it was paused, no coordinator ran, or none could reach the database",
    "updated": "an update of the schedule took it away",
    "deleted": "the schedule was deleted",
    "input_invalid": "its input did not fit the definition",
    "definition_inactive": "no version of the definition was active",
    "definition_unknown": "the definition was not registered",
    "start_refused": "its start was refused",
    "limit": "as many sagas of the schedule were open as its policy allows",
}
REASON_CODES: Final = tuple(_REASONS)


def reason_words(code: str) -> str:
    """Why a tick waits, did not start or failed, as a part of a sentence."""
    return _REASONS.get(code, code.replace("_", " "))


def attention_words(code: str) -> Meaning:
    """What a code of attention means."""
    return _PAUSED if code == PAUSED else _ATTENTION.get(code, _OTHER)


@record
class Need:
    """Why a person should look at one schedule."""

    code: str
    """A code of attention, or `paused`."""
    name: str
    definition: str
    since_us: int
    note: str
    sentence: str
    way_out: str
    command: str
    act: str
    anchor: str


def needs(row: ScheduleRow, now_us: int, *, paused_for_us: int = PAUSED_LONG_US) -> list[Need]:
    """Everything for which a person should look at a schedule, what is worst first.

    Args:
        row: The schedule.
        now_us: The database's clock.
        paused_for_us: How long a pause is that somebody may have forgotten.
    """
    if row.status == ScheduleStatus.DELETED:
        return []
    found: list[Need] = []
    if row.attention is not None and row.attention != NO_SUCCESS:
        found.append(_need(row, row.attention, row.attention_since_us or row.changed_at_us, row.attention_note or ""))
    due_us = row.success_due_at_us
    if row.attention == NO_SUCCESS or (due_us is not None and due_us <= now_us):
        since_us = row.attention_since_us if due_us is None or due_us > now_us else due_us
        found.append(_need(row, NO_SUCCESS, since_us or row.changed_at_us, _last_success(row)))
    forgotten = row.status == ScheduleStatus.PAUSED and row.attention != PAUSED_ON_FAILURE and row.paused_at_us is not None
    if forgotten and now_us - (row.paused_at_us or now_us) >= paused_for_us:
        found.append(_need(row, PAUSED, row.paused_at_us or now_us, f"By {row.paused_by}: {row.paused_why}"))
    return found


def all_needs(rows: Iterable[ScheduleRow], now_us: int) -> list[Need]:
    """Those of many schedules: what stops work first, then what has waited longest."""
    found = [need for row in rows for need in needs(row, now_us)]
    return sorted(found, key=lambda one: (not attention_words(one.code).bad, one.since_us, one.name))


def _need(row: ScheduleRow, code: str, since_us: int, note: str) -> Need:
    meaning = attention_words(code)
    definition = definition_of(row)
    names = {"name": row.name, "definition": definition or "its definition"}
    return Need(
        code=code,
        name=row.name,
        definition=definition,
        since_us=since_us,
        note=note,
        sentence=meaning.one.format(**names),
        way_out=meaning.way_out.format(**names),
        command=meaning.command.format(name=row.name, definition=definition or "NAME"),
        act=meaning.act.format(**names),
        anchor=meaning.anchor,
    )


def definition_of(row: ScheduleRow) -> str:
    """The definition that its document names; empty where a later release wrote the document."""
    try:
        return ScheduleDocument.parse(row.document).definition
    except DocumentInvalid:
        return ""


def _last_success(row: ScheduleRow) -> str:
    if row.succeeded_at_us is None:
        return "No saga of it has completed yet."
    return f"The last completed at {format_us(row.succeeded_at_us)}."
