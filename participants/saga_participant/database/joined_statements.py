"""The first and the last statement of a barrier's transaction, in one message with BEGIN and with
COMMIT: two round trips less.

What this gains and costs, in figures, is in ADR 0019.

PostgreSQL takes several statements in one message only without parameters. So they are prepared
under names of their own on every connection, and executed with literals. A literal is written only
of what cannot break out of it (numbers, UUIDs, bytes as hexadecimal digits, plain words); for any
other value there is no statement here, and the caller goes on with parameters.

Nothing comes back from such a message but its last command's tag. So the claim compares the
command's expiry with the database's clock itself, and looks into `saga_horizon` itself: where that
may cover the saga, or knows a newer incarnation, it makes no row, and the caller asks again with
parameters. The saving counts its rows itself: it fails unless it was exactly one, and then the
COMMIT behind it is not reached.

What is remembered of the horizon is read by the claim's own statement, in whose snapshot it may
have changed by the time that the row is made. That is safe, because who removes rows first waits
for every transaction that held the table's lock before the horizon was committed (memory.py). So
the snapshot must not be older than that lock. An EXECUTE takes its snapshot first, and so does any
query under REPEATABLE READ: hence LOCK TABLE, which takes none.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

from saga_participant.barrier.entry import Entry
from saga_schemas.ids import saga_text, uuid7_unix_ms

NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
XID: Final = "pg_current_xact_id()"
_REMEMBERED: Final = "(SELECT h.{} FROM saga_horizon AS h WHERE h.tenant = saga_barrier.tenant)"
BELOW: Final = _REMEMBERED.format("below")
"""Of a row of `saga_barrier`: the horizon that its tenant has heard. In the snapshot of the
statement: memory.py says why that is enough.
"""
FLOOR: Final = _REMEMBERED.format("incarnation")
"""The incarnation that a sweep has told, likewise."""
NOT_ONE_ROW: Final = "22P02"
"""What a saving of any other number of rows fails with: the count is made part of a text that is no
number.
"""
LARGEST_BYTES: Final = 4096
"""Longer commands and replies are not worth twice their length in hexadecimal digits."""

LOCK_TABLE: Final = "LOCK TABLE saga_barrier IN ROW EXCLUSIVE MODE"
"""The lock that an INSERT takes, too."""


def unless_announced(tenant: str, incarnation: str, unix_ms: str) -> str:
    """A condition of SQL: no horizon and no sweep was heard that may forbid the command. The
    arguments are SQL.
    """
    forbids = f"h.tenant = {tenant} AND (h.below > {unix_ms} OR h.incarnation > {incarnation})"
    return f"NOT EXISTS (SELECT FROM saga_horizon AS h WHERE {forbids})"


_CLAIM: Final = (
    "(uuid, text, text, integer, integer, text, bigint, bigint) AS "
    "INSERT INTO saga_barrier (saga_id, step, tenant, incarnation, run, state, expires_at, at) "
    f"SELECT $1, $2, $3, $4, $5, $6, $7, {NOW} WHERE {NOW} < $7 AND {unless_announced('$3', '$4', '$8')} "
    "ON CONFLICT (saga_id, step) DO NOTHING"
)
"""Makes the row, provisionally, where there is none and nothing forbids the command.

Waits for whoever is making the same one.
"""
_SAVE: Final = (
    "(uuid, text, integer, integer, text, text, bytea, text, bytea, bytea, bytea, text) AS WITH saved AS ("
    "UPDATE saga_barrier SET incarnation = $3, run = $4, state = $5, action_schema = $6, action_reply = $7, undo_schema = $8, "
    f"undo_reply = $9, action_command = $10, definition_hash = $11, at = {NOW} WHERE saga_id = $1 AND step = $2 "
    f"AND CASE WHEN $12 IS NULL THEN xmin = {XID}::xid ELSE {XID}::text = $12 END RETURNING 1) "
    "SELECT CASE count(*) WHEN 1 THEN 1 ELSE CAST('saga_barrier rows saved: ' || count(*) AS integer) END FROM saved"
)
"""Writes the row, in the transaction that claimed it and in no other: the one that made it (xmin),
or the one whose id is given.
"""


def _named(kind: str, statement: str) -> str:
    """Another release's statement of this name, kept by a pooler, would be another statement."""
    return f"saga_{kind}_{sha256(statement.encode()).hexdigest()[:12]}"


_CLAIM_NAME: Final = _named("claim", _CLAIM)
_SAVE_NAME: Final = _named("save", _SAVE)
PREPARE: Final = f"PREPARE {_CLAIM_NAME} {_CLAIM}; PREPARE {_SAVE_NAME} {_SAVE}"
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.\[\]-]{1,256}")


def claim_of(fresh: Entry) -> str | None:
    """BEGIN and the claim. Its tag is INSERT 0 1 where the row was made."""
    step, tenant, row = _text(fresh.step), _text(fresh.tenant), fresh.row
    if step is None or tenant is None:
        return None
    return (
        f"BEGIN; {LOCK_TABLE}; EXECUTE {_CLAIM_NAME}('{saga_text(fresh.saga_id)}', {step}, {tenant}, {row.incarnation:d}, "
        f"{row.run:d}, '{row.state.value}', {fresh.expires_at_us:d}, {uuid7_unix_ms(fresh.saga_id):d})"
    )


def save_of(entry: Entry, found: Entry, xid: str | None) -> str | None:
    """The saving of what a command answered at once changes of the row `found`.

    `xid` None: this transaction made the row.
    """
    if _unsaved(entry) != _unsaved(found):
        return None
    row, action, undo = entry.row, entry.action, entry.undo
    values = (
        _text(entry.step),
        *(("NULL", "NULL") if action is None else (_text(action.record), _bytes(action.payload))),
        *(("NULL", "NULL") if undo is None else (_text(undo.record), _bytes(undo.payload))),
        "NULL" if entry.action_command is None else _bytes(entry.action_command),
        "NULL" if entry.definition_hash is None else _bytes(bytes.fromhex(entry.definition_hash)),
        "NULL" if xid is None else f"'{int(xid):d}'",
    )
    if None in values:
        return None
    step, *rest = values
    return (
        f"EXECUTE {_SAVE_NAME}('{saga_text(entry.saga_id)}', {step}, {row.incarnation:d}, {row.run:d}, '{row.state.value}', "
        f"{', '.join(map(str, rest))})"
    )


def _unsaved(entry: Entry) -> tuple[object, ...]:
    """The columns that the saving above leaves as they are."""
    wish = entry.row.wish
    return entry.tenant, wish, entry.progress_seq, entry.lease_until_us, entry.pending, entry.expires_at_us


def _text(value: str) -> str | None:
    return f"'{value}'" if _PLAIN.fullmatch(value) else None


def _bytes(value: bytes) -> str | None:
    return f"E'\\\\x{value.hex()}'" if len(value) <= LARGEST_BYTES else None
