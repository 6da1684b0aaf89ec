"""The statements that every batch runs: one text each, for both databases.

A statement writes a set of rows. `{rows}` stands for its input rows, which the text reads as a
table `i`. PostgreSQL receives all rows at once, one array a column, and several statements in one
round trip (`postgres_statements.py`). SQLite runs the text once for each row. The store counts the
rows that a statement touches. The count must equal the number of input rows, unless `exact` is off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Double, LargeBinary, Text

from saga_coordinator.store import schema
from saga_coordinator.store.columns import Id
from saga_coordinator.store.horizon_port import BelowHorizon
from saga_coordinator.store.label_tables import VALUES as LABEL_VALUES
from saga_coordinator.store.records import CountMismatch, StoreError
from saga_coordinator.store.rows import JOURNAL_COLUMNS, SAGA_COLUMNS

_POSTGRES_TYPES: Final = {
    Id: "uuid",
    BigInteger: "bigint",
    Text: "text",
    LargeBinary: "bytea",
    Boolean: "boolean",
    Double: "double precision",
}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement that writes rows."""

    table: str
    text: str
    columns: tuple[tuple[str, str], ...]
    """Name and PostgreSQL type of each input column, in the order of a row's values."""
    exact: bool = True
    """The statement touches one row for each input row."""
    reads: str = ""
    """Another table that the text reads. What is to be written there is written first."""
    apart: bool = False
    """No other statement of the transaction touches the same rows."""

    def wrong(self, rows: int, count: int) -> StoreError | None:
        """What it means that the statement touched so many rows for so many that it was given."""
        if not self.exact or rows == count:
            return None
        if self is INSERT_SAGA:  # nothing but the horizon leaves a row of it out
            return BelowHorizon(f"{rows - count} sagas were to start with ids below the horizon")
        return CountMismatch(f"{count} rows of {self.table} were written where {rows} must be")


@dataclass(frozen=True, slots=True)
class Write:
    """A statement and its input rows."""

    statement: Statement
    rows: Sequence[tuple[Any, ...]]


def inputs_of(table: str, names: str, **others: str) -> tuple[tuple[str, str], ...]:
    """The named columns with their types from the table; then inputs that are no columns of it."""
    columns = schema.metadata.tables[table].c
    return (*((name, _POSTGRES_TYPES[type(columns[name].type)]) for name in names.split(", ")), *others.items())


def insertion(table: str, names: str, more: str = "", *, exact: bool = True) -> Statement:
    """An insert of these columns. `more` follows WHERE true: a condition, an order, ON CONFLICT."""
    values = ", ".join(f"i.{name}" for name in names.split(", "))
    # WHERE true: without it SQLite takes ON CONFLICT for a join's ON.
    text = f"INSERT INTO {table} ({names}) SELECT {values} FROM {{rows}} WHERE true {more}".rstrip()
    return Statement(table, text, inputs_of(table, names), exact)


# A new saga. None starts whose id is below the horizon (S16): the statement leaves its row out, and
# the count is wrong.
INSERT_SAGA: Final = insertion(
    "saga",
    ", ".join(SAGA_COLUMNS),
    "AND NOT EXISTS (SELECT 1 FROM horizon AS h WHERE h.id = 1 AND h.starts_from > i.id)",
)

# A lost saga that is adopted: an exception of the horizon, or above it.
INSERT_ADOPTED_SAGA: Final = insertion("saga", ", ".join(SAGA_COLUMNS))

SAGA_CHANGES: Final = "version, facts_print, phase, incarnation, wake_at, max_expiry, closed_at"
"""The columns of a saga that change after its start, but for its state."""
STATE_CHANGES: Final = f"{SAGA_CHANGES}, state_version, state_format, state"
"""The same with its state."""


def _update_saga(changes: str) -> Statement:
    return Statement(
        "saga",
        f"UPDATE saga SET {', '.join(f'{name} = i.{name}' for name in changes.split(', '))}"
        " FROM {rows} WHERE saga.id = i.id AND saga.version = i.known_version AND saga.facts_print = i.known_print"
        " AND coalesce(saga.wake_at, 0) = coalesce(i.known_wake_at, 0)",
        inputs_of("saga", f"id, {changes}", known_version="bigint", known_print="bigint", known_wake_at="bigint"),
    )


# A saga's next version. The saga must still be as it was read (S12): its version, the facts that
# led there, and its wake-up, which moves without a new version. A finished one has none: it is
# written where a reply was left for it.
UPDATE_SAGA: Final = _update_saga(SAGA_CHANGES)

# The same, where its state is written too.
UPDATE_STATE: Final = _update_saga(STATE_CHANGES)

# One record for each transition. The key refuses a version that the journal already has (S8).
INSERT_JOURNAL: Final = insertion("journal", ", ".join(JOURNAL_COLUMNS))

# Messages that are to be sent: pointers into the journal.
INSERT_OUTBOX: Final = insertion("outbox", "shard, id, saga_id, version, ord")

# Messages that the broker has acknowledged. Another instance's sweeper may have deleted them first.
# A transaction never deletes the messages that it inserts.
DELETE_OUTBOX: Final = Statement(
    "outbox",
    "DELETE FROM outbox WHERE (shard, id) IN (SELECT i.shard, i.id FROM {rows})",
    inputs_of("outbox", "shard, id"),
    exact=False,
    apart=True,
)

# The one wake-up of a new saga.
NEW_WAKEUP: Final = insertion("wakeup", "saga_id, due_at")

# The one wake-up of an open saga.
PUT_WAKEUP: Final = insertion("wakeup", "saga_id, due_at", "ON CONFLICT (saga_id) DO UPDATE SET due_at = excluded.due_at")

# The wake-up of a saga that is finished.
DELETE_WAKEUP: Final = Statement(
    "wakeup",
    "DELETE FROM wakeup WHERE saga_id IN (SELECT i.saga_id FROM {rows})",
    inputs_of("wakeup", "saga_id"),
)

# Transitions whose spans are to be exported.
INSERT_SPAN_DUE: Final = insertion("span_due", "saga_id, version")

# Transitions whose spans a collector has acknowledged. Another instance may have deleted them
# first.
DELETE_SPANS_DUE: Final = Statement(
    "span_due",
    "DELETE FROM span_due WHERE (saga_id, version) IN (SELECT i.saga_id, i.version FROM {rows})",
    inputs_of("span_due", "saga_id, version"),
    exact=False,
)

# Events for sagas that another transaction has locked.
INSERT_INBOX: Final = insertion("inbox_event", "saga_id, id, kind, body")

# Events that this transaction has applied.
DELETE_INBOX: Final = Statement(
    "inbox_event",
    "DELETE FROM inbox_event WHERE id IN (SELECT i.id FROM {rows})",
    inputs_of("inbox_event", "id"),
)

# Events that cannot be applied. Another instance may have deleted them first.
DROP_INBOX: Final = Statement("inbox_event", DELETE_INBOX.text, DELETE_INBOX.columns, exact=False)

# Reasons for a person to look that no longer hold.
CLEAR_ATTENTION: Final = Statement(
    "attention",
    "DELETE FROM attention WHERE (saga_id, step, reason) IN (SELECT i.saga_id, i.step, i.reason FROM {rows})",
    inputs_of("attention", "saga_id, step, reason"),
    exact=False,
)

# Reasons for a person to look. A reason that is there already keeps the time since which it holds.
ADD_ATTENTION: Final = insertion(
    "attention",
    "saga_id, step, reason, since, note",
    "ON CONFLICT (saga_id, step, reason) DO UPDATE SET note = excluded.note",
)

# A new saga's line in the lists, with its definition's name. An unknown definition is a wrong
# count.
INSERT_LISTING: Final = Statement(
    "saga_listing",
    "INSERT INTO saga_listing (tenant, saga_id, definition_name, definition_version, business_key, trace_id, started_at, phase,"
    " closed_at, attention, shelf) SELECT i.tenant, i.saga_id, d.name, d.version, i.business_key, i.trace_id, i.started_at, i.phase,"
    " i.closed_at, 0, 0 FROM {rows} JOIN definition AS d ON d.id = i.definition_id AND d.tenant = i.tenant",
    inputs_of("saga_listing", "tenant, saga_id, business_key, trace_id, started_at, phase, closed_at", definition_id="bigint"),
)

# A new saga's labels.
INSERT_LABEL: Final = insertion("saga_label", f"tenant, name, saga_id, {', '.join(LABEL_VALUES)}")

# The line of a saga whose phase, end or attention has changed. Its shelf: 1 from the time when it
# first needs a person or ends FORCED, which is kept longer than others.
UPDATE_LISTING: Final = Statement(
    "saga_listing",
    "UPDATE saga_listing SET phase = i.phase, closed_at = i.closed_at,"
    " attention = (SELECT count(*) FROM attention AS a WHERE a.saga_id = i.saga_id),"
    " shelf = CASE WHEN shelf = 1 OR i.phase = 'FORCED' OR EXISTS (SELECT 1 FROM attention AS a WHERE a.saga_id = i.saga_id)"
    " THEN 1 ELSE 0 END"
    " FROM {rows} WHERE saga_listing.tenant = i.tenant AND saga_listing.saga_id = i.saga_id",
    inputs_of("saga_listing", "tenant, saga_id, phase, closed_at"),
    reads="attention",
)

# Positions of partitions, moved together with what their records changed. A partition that another
# instance has moved meanwhile is not touched.
ADVANCE: Final = Statement(
    "consumed",
    "UPDATE consumed SET next_offset = i.next_offset, last_print = i.last_print,"
    " anchor_print = CASE WHEN consumed.anchor_offset IS NULL THEN i.anchor_print ELSE consumed.anchor_print END,"
    " anchor_offset = COALESCE(consumed.anchor_offset, i.anchor_offset)"
    " FROM {rows} WHERE consumed.topic = i.topic AND consumed.part = i.part AND consumed.next_offset = i.from_offset",
    inputs_of("consumed", "topic, part, next_offset, last_print, anchor_offset, anchor_print", from_offset="bigint"),
    exact=False,
)

# Positions of partitions that are read for the first time.
INSERT_POSITION: Final = insertion(
    "consumed",
    "topic, part, next_offset, last_print, anchor_offset, anchor_print",
    "ON CONFLICT (topic, part) DO NOTHING",
    exact=False,
)

# Positions in a topic that has replaced another one. Nothing known of the old topic holds.
RESTART: Final = insertion(
    "consumed",
    "topic, part, next_offset, last_print, anchor_offset, anchor_print",
    "ON CONFLICT (topic, part) DO UPDATE SET next_offset = excluded.next_offset, last_print = excluded.last_print,"
    " anchor_offset = excluded.anchor_offset, anchor_print = excluded.anchor_print, caught_up_at = NULL",
)

# The time up to which all records of a partition have been read. The position must still be the one
# that was compared with the topic.
CAUGHT_UP: Final = insertion(
    "consumed",
    "topic, part, next_offset, anchor_offset, anchor_print, caught_up_at",
    "ON CONFLICT (topic, part) DO UPDATE SET caught_up_at = excluded.caught_up_at, anchor_offset = excluded.anchor_offset,"
    " anchor_print = excluded.anchor_print WHERE consumed.next_offset = excluded.next_offset",
    exact=False,
)

# Requests, each bound to the saga that it starts. They are inserted in order of their key, so that
# two batches cannot wait for each other in a circle.
INSERT_REQUEST: Final = insertion(
    "start_request",
    "tenant, source, request_id, saga_id, body_hash",
    "ORDER BY i.tenant, i.source, i.request_id ON CONFLICT (tenant, source, request_id) DO NOTHING",
    exact=False,
)

# The same where all are expected to be new.
NEW_REQUEST: Final = insertion("start_request", "tenant, source, request_id, saga_id, body_hash")

# Business keys, each held by the saga that is started with it. In order of the key, as requests
# are.
INSERT_KEY: Final = insertion(
    "saga_key",
    "tenant, business_key, definition_name, saga_id",
    "ORDER BY i.tenant, i.business_key, i.definition_name ON CONFLICT (tenant, business_key, definition_name) DO NOTHING",
    exact=False,
)

# The same where all are expected to be free.
NEW_KEY: Final = insertion("saga_key", "tenant, business_key, definition_name, saga_id")

# The request of a start whose key another saga holds: it is bound to that saga.
BIND_REQUEST: Final = Statement(
    "start_request",
    "UPDATE start_request SET saga_id = i.saga_id FROM {rows}"
    " WHERE start_request.tenant = i.tenant AND start_request.source = i.source AND start_request.request_id = i.request_id",
    inputs_of("start_request", "tenant, source, request_id, saga_id"),
)

# The key of a finished saga, given to a new one. The finished saga must still hold it.
TAKE_KEY: Final = Statement(
    "saga_key",
    "UPDATE saga_key SET saga_id = i.saga_id FROM {rows} WHERE saga_key.tenant = i.tenant"
    " AND saga_key.business_key = i.business_key AND saga_key.definition_name = i.definition_name AND saga_key.saga_id = i.holder",
    inputs_of("saga_key", "tenant, business_key, definition_name, saga_id", holder="uuid"),
    exact=False,
)

# The finished saga whose key was taken: it is still found by that key.
INSERT_FORMER: Final = insertion("saga_key_former", "tenant, business_key, definition_name, saga_id")

# -- what is removed when it is no longer kept


def _removal(table: str, names: str, *, exact: bool = False) -> Statement:
    """Rows by these columns: their key, or the beginning of it."""
    known, given = (
        (names, f"i.{names}") if ", " not in names else (f"({names})", ", ".join(f"i.{name}" for name in names.split(", ")))
    )
    return Statement(
        table, f"DELETE FROM {table} WHERE {known} IN (SELECT {given} FROM {{rows}})", inputs_of(table, names), exact
    )


# Finished sagas, each with its line in the lists.
REMOVE_SAGA: Final = _removal("saga", "id", exact=True)
REMOVE_LISTING: Final = _removal("saga_listing", "tenant, saga_id", exact=True)

# Whatever else there is of them.
REMOVE_JOURNAL: Final = _removal("journal", "saga_id")
REMOVE_ATTENTION: Final = _removal("attention", "saga_id")
REMOVE_LABELS: Final = _removal("saga_label", "saga_id")
REMOVE_INBOX: Final = _removal("inbox_event", "saga_id")
REMOVE_REQUESTS: Final = _removal("start_request", "saga_id")

# A key that the saga still holds, and one that it held before.
REMOVE_KEY: Final = _removal("saga_key", "tenant, business_key, definition_name, saga_id")
REMOVE_FORMER: Final = _removal("saga_key_former", "tenant, business_key, definition_name, saga_id")

# Sagas that are removed before their keys, and those whose keys are removed, too.
INSERT_REMOVED: Final = insertion("removed_saga", "saga_id, tenant, definition_name, business_key, keys_until")
FORGET_REMOVED: Final = _removal("removed_saga", "saga_id", exact=True)

# A saga that stays without its journal: its row has the whole state from now on.
STRIP_SAGA: Final = Statement(
    "saga",
    "UPDATE saga SET state = i.state, state_format = i.state_format, state_version = i.version"
    " FROM {rows} WHERE saga.id = i.id AND saga.version = i.version",
    inputs_of("saga", "id, version, state_format, state"),
)
STRIP_LISTING: Final = Statement(
    "saga_listing",
    "UPDATE saga_listing SET shelf = 2 FROM {rows} WHERE saga_listing.tenant = i.tenant AND saga_listing.saga_id = i.saga_id",
    inputs_of("saga_listing", "tenant, saga_id"),
)

# The latest start of any saga that was removed. Digits are padded, so that texts compare as
# numbers do.
RAISE_REMOVED: Final = insertion(
    "control",
    "scope, tenant, name, value, who, why",
    "ON CONFLICT (scope, tenant, name) DO UPDATE SET value = excluded.value WHERE control.value < excluded.value",
    exact=False,
)
