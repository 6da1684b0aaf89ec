"""Why a person must look at a schedule: the codes, and how one comes to stand there. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from saga_coordinator.store.schedule_records import ScheduleRow

START_REFUSED: Final = "start_refused"
START_TROUBLES: Final = frozenset({"input_invalid", "definition_inactive", "definition_unknown", START_REFUSED})
"""Over when a tick fires."""
CALENDAR_INVALID: Final = "calendar_invalid"
PAUSED_ON_FAILURE: Final = "paused_on_failure"
NO_SUCCESS: Final = "no_success"
NOTE_CHARS: Final = 1_000


def troubled(row: ScheduleRow, code: str, note: str, now_us: int) -> ScheduleRow:
    """The schedule with a reason why a person must look: the newest, since it first stood there."""
    since_us = row.attention_since_us if row.attention == code else now_us
    return replace(row, attention=code, attention_note=note[:NOTE_CHARS], attention_since_us=since_us)
