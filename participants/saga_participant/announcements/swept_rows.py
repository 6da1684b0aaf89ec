"""A page of the barrier's rows as a sweep is answered with it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from saga_participant.barrier.entry import Entry
from saga_schemas.limits import PAYLOAD_BYTES
from saga_schemas.records import Sweep, SweepPosition, SweptRow, SweptRows

_ROW_BYTES: Final = 512
"""What a row takes at most beside its command and its reply: two names and a hash."""
_PAGE_BYTES: Final = PAYLOAD_BYTES - 1024
"""What its rows may take together: the rest is for what stands beside them."""


def page(entries: Sequence[Entry], sweep: Sweep, *, limit: int, asked: bytes) -> SweptRows:
    """The answer to a sweep.

    Args:
        entries: One row more than the limit, where there is one.
        sweep: What is asked.
        limit: The most rows of the page.
        asked: The digest of the value that is answered.
    """
    rows: list[SweptRow] = []
    room = _PAGE_BYTES
    for entry in entries[:limit]:
        row = _row(entry, detail=sweep.detail)
        size = _size(row)
        if rows and size > room:
            break
        room -= size
        rows.append(row)
    last = SweepPosition(saga_id=rows[-1].saga_id, step=rows[-1].step) if len(rows) < len(entries) else None
    return SweptRows(rows=tuple(rows), after=sweep.after, next=last, asked=asked)


def _row(entry: Entry, *, detail: bool) -> SweptRow:
    """What does not fit even into a page of its own is left out: the reply first."""
    bare = SweptRow(saga_id=entry.saga_id, step=entry.step, run=entry.row.run, state=entry.row.state)
    if not detail:
        return bare
    pending = entry.pending
    told = bare.model_copy(
        update={
            "definition_hash": entry.definition_hash if pending is None else pending.action.definition_hash,
            "command": entry.action_command,
            "action_record": None if entry.action is None else entry.action.record,
            "action_reply": None if entry.action is None else entry.action.payload,
        }
    )
    for left_out in ("action_reply", "command"):
        if _size(told) > _PAGE_BYTES:
            told = told.model_copy(update={left_out: None})
    return told


def _size(row: SweptRow) -> int:
    return _ROW_BYTES + len(row.command or b"") + len(row.action_reply or b"")
