"""Accepted work as its row remembers it, pure: how it begins, which commands ask meanwhile, its
progress.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from saga_participant.barrier import table as barrier
from saga_participant.barrier.answers import progress as progress_content
from saga_participant.barrier.entry import Entry, Pending, ReceivedCommand, Stored, decision_order
from saga_participant.barrier.table import Ending, Row
from saga_participant.delivery.invocation import HandlerResult
from saga_participant.outcomes import InProgress
from saga_schemas.headers import CommandHeaders
from saga_schemas.outcomes import Kind, RowState


def accepted_before_call(base: Entry, facts: barrier.CommandFacts, command: ReceivedCommand) -> Entry:
    """The row of an external action before its call: ACCEPTED, so it tells the truth whatever
    happens.
    """
    row, _ = barrier.acted(base.row if base.row.state is not RowState.DONE else None, facts, Ending.ACCEPTED)
    assert row is not None
    return replace(
        base,
        row=replace(row, incarnation=max(row.incarnation, base.row.incarnation)),
        action_command=command.payload,
        pending=Pending(action=command.headers),
    )


def accepted_by_handler(base: Entry, row: Row, result: HandlerResult, action: ReceivedCommand, now_us: int) -> Entry:
    """The row when the handler answers later, now or again: the lease starts, `progress_seq`
    rises."""
    progress = result.progress or InProgress()
    known = base.pending
    return replace(
        base,
        row=replace(row, lease_over=False),
        action_command=action.payload,
        progress_seq=base.progress_seq + 1,
        lease_until_us=now_us + as_us(progress.lease),
        pending=Pending(
            action=action.headers,
            undo=None if known is None or row.wish is None else known.undo,
            note=progress.note,
            asked=None if known is None else known.asked,
        ),
    )


def with_asker(entry: Entry, command: ReceivedCommand) -> Entry:
    """The row that answers this command at the end of the work.

    Of the action, the compensation and other commands it keeps the newest each, of its run or a
    later one.
    """
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
    return entry if known is not None and decision_order(headers) <= decision_order(known) else replace(entry, pending=newer)


def _headers_of(command: ReceivedCommand | None) -> CommandHeaders | None:
    return None if command is None else command.headers


def progress_reply(entry: Entry) -> Stored:
    """The content of IN_PROGRESS."""
    return progress_content("" if entry.pending is None else entry.pending.note)


def as_us(duration: timedelta) -> int:
    return max(0, int(duration.total_seconds() * 1_000_000))
