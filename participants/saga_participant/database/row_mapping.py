"""Between a database row of `saga_barrier` and an `Entry`, and one of `saga_horizon` and what is
remembered: rows never leave the transactions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from saga_participant.barrier.entry import Entry, Pending, Stored
from saga_participant.barrier.remembered import Remembered
from saga_participant.barrier.table import Row
from saga_schemas.ids import uuid7_unix_ms
from saga_schemas.outcomes import RowState

COLUMNS: Final = (
    "saga_id",
    "step",
    "tenant",
    "incarnation",
    "run",
    "state",
    "undo_requested",
    "action_command",
    "action_schema",
    "action_reply",
    "undo_schema",
    "undo_reply",
    "progress_seq",
    "lease_until",
    "reply_ctx",
    "expires_at",
    "definition_hash",
)
"""All but `at`, which every write sets from the database's clock."""

REMEMBERED_COLUMNS: Final = ("below", "exceptions", "incarnation", "heard_at")


def entry_of(found: Mapping[str, Any], now_us: int) -> Entry:
    """The entry of a row that was read at `now_us` by the database's clock."""
    lease = found["lease_until"]
    row = Row(
        state=RowState(found["state"]),
        run=found["run"],
        incarnation=found["incarnation"],
        wish=found["undo_requested"],
        lease_over=lease is None or lease <= now_us,
    )
    return Entry(
        saga_id=found["saga_id"],
        step=found["step"],
        tenant=found["tenant"],
        row=row,
        action_command=found["action_command"],
        action=_stored(found["action_schema"], found["action_reply"]),
        undo=_stored(found["undo_schema"], found["undo_reply"]),
        progress_seq=found["progress_seq"],
        lease_until_us=lease,
        pending=None if found["reply_ctx"] is None else Pending.from_json(found["reply_ctx"]),
        expires_at_us=found["expires_at"],
        definition_hash=None if found["definition_hash"] is None else bytes(found["definition_hash"]).hex(),
    )


def values_of(entry: Entry) -> dict[str, Any]:
    """The columns of an entry, by name."""
    action, undo = entry.action, entry.undo
    return {
        "saga_id": entry.saga_id,
        "step": entry.step,
        "tenant": entry.tenant,
        "incarnation": entry.row.incarnation,
        "run": entry.row.run,
        "state": entry.row.state.value,
        "undo_requested": entry.row.wish,
        "action_command": entry.action_command,
        "action_schema": None if action is None else action.record,
        "action_reply": None if action is None else action.payload,
        "undo_schema": None if undo is None else undo.record,
        "undo_reply": None if undo is None else undo.payload,
        "progress_seq": entry.progress_seq,
        "lease_until": entry.lease_until_us,
        "reply_ctx": None if entry.pending is None else entry.pending.to_json(),
        "expires_at": entry.expires_at_us,
        "definition_hash": None if entry.definition_hash is None else bytes.fromhex(entry.definition_hash),
    }


def may_cover(below_ms: int | None, saga_id: UUID) -> bool:
    """Whether a horizon may cover the saga: its exceptions decide. None: no horizon was heard."""
    return below_ms is not None and uuid7_unix_ms(saga_id) < below_ms


def remembered_of(found: Mapping[str, Any]) -> Remembered:
    """What a row of `saga_horizon` remembers."""
    return Remembered(
        below_ms=found["below"],
        exceptions=bytes(found["exceptions"]),
        incarnation=found["incarnation"],
        heard_at_us=found["heard_at"],
    )


def _stored(record: str | None, payload: bytes | None) -> Stored | None:
    return None if record is None or payload is None else Stored(record=record, payload=bytes(payload))
