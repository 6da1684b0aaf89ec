"""Accepted work as its row remembers it: what begins, what is noted of the commands that come meanwhile, what is said of it. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from saga_participant import barrier
from saga_participant.answers import progress
from saga_participant.barrier import Ending, Row, RowState
from saga_participant.entry import Command, Entry, Pending, Stored
from saga_participant.invocation import Ended
from saga_participant.outcomes import DEFAULT_LEASE
from saga_schemas.outcomes import Kind


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
    undo = base.pending.undo if base.pending is not None and row.wish is not None else None
    return replace(
        base,
        row=replace(row, lease_over=False),
        action_command=action.payload,
        progress_seq=base.progress_seq + 1,
        lease_until_us=now_us + lease,
        pending=Pending(action=action.headers, undo=undo, note=said.note if said is not None else ""),
    )


def noted(entry: Entry, command: Command) -> Entry:
    """Whom the end will answer: the latest command of the row's own run, and the compensation that wishes it undone."""
    pending = entry.pending
    if pending is None or entry.row.state is not RowState.ACCEPTED or command.headers.run < entry.row.run:
        return entry if entry.row.state is RowState.ACCEPTED else entry.forget_work()
    if command.headers.kind is Kind.ACTION and command.headers.run == entry.row.run:
        return replace(entry, pending=replace(pending, action=command.headers))
    if command.headers.kind is Kind.COMPENSATION and command.headers.run == entry.row.wish:
        return replace(entry, pending=replace(pending, undo=command))
    return entry


def said_of(entry: Entry) -> Stored:
    """The content of IN_PROGRESS."""
    return progress("" if entry.pending is None else entry.pending.note)


def micros(duration: timedelta) -> int:
    return max(0, int(duration.total_seconds() * 1_000_000))
