"""Accepted work as its row remembers it: what begins, what is noted of the commands that come meanwhile, what is said of it. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from saga_participant.barrier import table as barrier
from saga_participant.barrier.answers import progress
from saga_participant.barrier.entry import Command, Entry, Pending, Stored, place
from saga_participant.barrier.table import Ending, Row, RowState
from saga_participant.delivery.invocation import Ended
from saga_participant.outcomes import DEFAULT_LEASE
from saga_schemas.headers import CommandHeaders
from saga_schemas.outcomes import Kind

WITHDRAWN: Final = Ended(ending=Ending.REJECTED)
"""How accepted work ends that was withdrawn. The wish that withdrew it is decided next, so nobody is ever told of this no."""


def prepared(base: Entry, told: barrier.Command, command: Command) -> Entry:
    """An external action is accepted before it is called, so that whatever happens then, the row tells the truth."""
    row, _ = barrier.acted(base.row if base.row.state is not RowState.DONE else None, told, Ending.ACCEPTED)
    assert row is not None
    return replace(
        base,
        row=replace(row, incarnation=max(row.incarnation, base.row.incarnation)),
        action_command=command.payload,
        pending=Pending(action=command.headers),
    )


def begun(base: Entry, row: Row, ended: Ended, action: Command, now_us: int) -> Entry:
    """Accepted, now or again: the lease starts, the number of the progress rises."""
    said = ended.progress
    lease = micros(said.lease if said is not None else DEFAULT_LEASE)
    known = base.pending
    return replace(
        base,
        row=replace(row, lease_over=False),
        action_command=action.payload,
        progress_seq=base.progress_seq + 1,
        lease_until_us=now_us + lease,
        pending=Pending(
            action=action.headers,
            undo=None if known is None or row.wish is None else known.undo,
            note=said.note if said is not None else "",
            asked=None if known is None else known.asked,
        ),
    )


def noted(entry: Entry, command: Command) -> Entry:
    """Whom the end will answer: of each sort the newest command of the row's run or a later one, in whatever order they come."""
    pending, headers = entry.pending, command.headers
    if entry.row.state is not RowState.ACCEPTED:
        return entry.forget_work()
    if pending is None or headers.run < entry.row.run:
        return entry
    known: CommandHeaders | None
    if headers.kind is Kind.COMPENSATION:
        if headers.run != entry.row.wish:
            return entry
        known = _headers_of(pending.undo)
        known = known if known is not None and known.run == headers.run else None
        newer = replace(pending, undo=command)
    elif headers.kind is Kind.ACTION and headers.run == entry.row.run:
        known, newer = pending.action, replace(pending, action=headers)
    else:
        known, newer = _headers_of(pending.asked), replace(pending, asked=command)
    return entry if known is not None and place(headers) <= place(known) else replace(entry, pending=newer)


def _headers_of(command: Command | None) -> CommandHeaders | None:
    return None if command is None else command.headers


def said_of(entry: Entry) -> Stored:
    """The content of IN_PROGRESS."""
    return progress("" if entry.pending is None else entry.pending.note)


def micros(duration: timedelta) -> int:
    return max(0, int(duration.total_seconds() * 1_000_000))
