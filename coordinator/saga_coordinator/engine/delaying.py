"""Rows 29 and 30: a saga that waits for its start time, begins, or is moved.

Until then nothing of it is asked and no limit counts: its deadline counts from when it begins. A
pause of the saga or of its definition holds the beginning (row 24). A saga that a backup has as
SCHEDULED may have begun since, so it is a recovered saga like any other (row 22).
"""

from __future__ import annotations

from typing import Final

from saga_coordinator.engine.draft import Draft
from saga_coordinator.engine.events import MoveStart, Refused
from saga_coordinator.engine.facts import Acted, PhaseChanged
from saga_coordinator.engine.state import Phase
from saga_schemas.times import format_us

NOT_SCHEDULED: Final = "not_scheduled"
START_TOO_FAR: Final = "start_too_far"
AHEAD_MOST_DAYS: Final = 366
AHEAD_MOST_US: Final = AHEAD_MOST_DAYS * 86_400_000_000
"""How far ahead a start time may be."""
TOO_FAR: Final = f"a start time is at most {AHEAD_MOST_DAYS} days ahead"
UNBEGUN: Final = "it had not begun: nothing to undo"
"""What a cancel of a saga that never began says of it."""


def announce(draft: Draft, start_at_us: int) -> None:
    """The lifecycle event that says when it will begin."""
    draft.announce("scheduled", reason=format_us(start_at_us))


def begin_if_due(draft: Draft) -> None:
    """Row 29."""
    start_at_us = draft.start_at_us
    if draft.phase is not Phase.SCHEDULED or draft.paused or start_at_us is None or start_at_us > draft.env.now_us:
        return
    now_us, deadline_ms = draft.env.now_us, draft.definition.deadline_ms
    draft.add(PhaseChanged(row="29", phase=Phase.RUNNING))
    draft.change_saga(
        "29",
        begun_at_us=now_us,
        deadline_at_us=now_us + deadline_ms * 1000 if deadline_ms is not None else None,
        pauses_counted_us=now_us,
    )
    draft.announce("started")


def move(draft: Draft, event: MoveStart) -> None:
    """Row 30. Raises Refused (not_scheduled, start_too_far)."""
    if draft.phase is not Phase.SCHEDULED:
        raise Refused(NOT_SCHEDULED, f"the saga is {draft.phase}: only one that waits for its start time is moved")
    if event.start_at_us - draft.env.now_us > AHEAD_MOST_US:
        raise Refused(START_TOO_FAR, TOO_FAR)
    draft.add(Acted(act="move_start", actor=event.actor, reason=event.reason))
    if event.start_at_us != draft.start_at_us:
        draft.change_saga("30", start_at_us=event.start_at_us)
        announce(draft, event.start_at_us)
    begin_if_due(draft)
