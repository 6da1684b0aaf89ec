"""The hot statements, one text for both dialects.

Each is set-based: `{rows}` stands for its input as a table `i`. PostgreSQL gets all rows at once (`unnest` of one array a column) and
several statements of a batch fold into one round trip; SQLite runs the text once a row in one `executemany`. The number of rows each
touches is counted and, unless `exact` is off, must be the number of input rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Statement:
    """One hot write."""

    table: str
    text: str
    columns: tuple[tuple[str, str], ...]
    """Name and PostgreSQL type of the input's columns."""
    exact: bool = True
    reads: str = ""
    """Another table it reads: what is to be written there goes first."""
    apart: bool = False
    """Its rows can be no other statement's of the same transaction."""


@dataclass(frozen=True, slots=True)
class Write:
    """A statement and its input rows."""

    statement: Statement
    rows: Sequence[tuple[Any, ...]]


def _columns(**types: str) -> tuple[tuple[str, str], ...]:
    return tuple(types.items())


def _insert(table: str, more: str = "", *, exact: bool = True, **types: str) -> Statement:
    names = ", ".join(types)
    # WHERE true: without it SQLite takes ON CONFLICT for a join's ON.
    text = f"INSERT INTO {table} ({names}) SELECT {', '.join(f'i.{name}' for name in types)} FROM {{rows}} WHERE true {more}"
    return Statement(table, text.rstrip(), tuple(types.items()), exact)


# A new saga's row.
INSERT_SAGA: Final = _insert(
    "saga",
    id="uuid",
    tenant="text",
    definition_id="bigint",
    business_key="text",
    trace_id="text",
    parent_span="text",
    trace_flags="bigint",
    tracestate="text",
    baggage="text",
    started_at="bigint",
    incarnation="bigint",
    engine_rev="bigint",
    state_format="bigint",
    phase="text",
    max_expiry="bigint",
    version="bigint",
    wake_at="bigint",
    closed_at="bigint",
    state="bytea",
)

# A saga moves on, if it still stands where it was read (S12).
UPDATE_SAGA: Final = Statement(
    "saga",
    "UPDATE saga SET version = i.version, phase = i.phase, incarnation = i.incarnation, engine_rev = i.engine_rev,"
    " state_format = i.state_format, state = i.state, wake_at = i.wake_at, max_expiry = i.max_expiry, closed_at = i.closed_at"
    " FROM {rows} WHERE saga.id = i.id AND saga.version = i.expected",
    _columns(
        id="uuid",
        expected="bigint",
        version="bigint",
        phase="text",
        incarnation="bigint",
        engine_rev="bigint",
        state_format="bigint",
        state="bytea",
        wake_at="bigint",
        max_expiry="bigint",
        closed_at="bigint",
    ),
)

# One record a transition (S8): a version that is there already is refused by the key.
INSERT_JOURNAL: Final = _insert(
    "journal",
    saga_id="uuid",
    version="bigint",
    at="bigint",
    kind="text",
    engine_rev="bigint",
    format="bigint",
    facts="bytea",
    actor="text",
)

# What is to be sent: pointers into the journal.
INSERT_OUTBOX: Final = _insert("outbox", shard="bigint", id="uuid", saga_id="uuid", version="bigint", ord="bigint")

# What is known to be sent, by its key; never what this transaction sends. The sweeper of another instance may have been faster.
DELETE_OUTBOX: Final = Statement(
    "outbox",
    "DELETE FROM outbox WHERE (shard, id) IN (SELECT i.shard, i.id FROM {rows})",
    _columns(shard="bigint", id="uuid"),
    exact=False,
    apart=True,
)

# The one wake-up of an open saga.
PUT_WAKEUP: Final = _insert(
    "wakeup", "ON CONFLICT (saga_id) DO UPDATE SET due_at = excluded.due_at", saga_id="uuid", due_at="bigint"
)

# A finished saga has none.
DELETE_WAKEUP: Final = Statement(
    "wakeup", "DELETE FROM wakeup WHERE saga_id IN (SELECT i.saga_id FROM {rows})", _columns(saga_id="uuid")
)

# Spans that are owed.
INSERT_SPAN_DUE: Final = _insert("span_due", saga_id="uuid", version="bigint")

# Spans that a collector has acknowledged. Another instance may have been faster.
DELETE_SPANS_DUE: Final = Statement(
    "span_due",
    "DELETE FROM span_due WHERE (saga_id, version) IN (SELECT i.saga_id, i.version FROM {rows})",
    _columns(saga_id="uuid", version="bigint"),
    exact=False,
)

# Events for sagas that somebody else holds.
INSERT_INBOX: Final = _insert("inbox_event", saga_id="uuid", id="uuid", kind="text", body="bytea")

# Events that were applied, in the transaction that applied them.
DELETE_INBOX: Final = Statement(
    "inbox_event", "DELETE FROM inbox_event WHERE id IN (SELECT i.id FROM {rows})", _columns(id="uuid")
)

# Events given up on: they may be gone.
DROP_INBOX: Final = Statement("inbox_event", DELETE_INBOX.text, DELETE_INBOX.columns, exact=False)

# Reasons that no longer hold.
CLEAR_ATTENTION: Final = Statement(
    "attention",
    "DELETE FROM attention WHERE (saga_id, step, reason) IN (SELECT i.saga_id, i.step, i.reason FROM {rows})",
    _columns(saga_id="uuid", step="text", reason="text"),
    exact=False,
)

# Reasons for a person to look; one that is known keeps its beginning.
ADD_ATTENTION: Final = _insert(
    "attention",
    "ON CONFLICT (saga_id, step, reason) DO UPDATE SET note = excluded.note",
    saga_id="uuid",
    step="text",
    reason="text",
    since="bigint",
    note="text",
)

# A new saga's line in the lists, with the name its definition has; an unknown definition is a wrong count.
INSERT_LISTING: Final = Statement(
    "saga_listing",
    "INSERT INTO saga_listing (tenant, saga_id, definition_name, definition_version, business_key, trace_id, started_at, phase,"
    " closed_at, attention) SELECT i.tenant, i.saga_id, d.name, d.version, i.business_key, i.trace_id, i.started_at, i.phase,"
    " i.closed_at, 0 FROM {rows} JOIN definition AS d ON d.id = i.definition_id AND d.tenant = i.tenant",
    _columns(
        tenant="text",
        saga_id="uuid",
        definition_id="bigint",
        business_key="text",
        trace_id="text",
        started_at="bigint",
        phase="text",
        closed_at="bigint",
    ),
)

# The line of a saga whose phase, end or attention changed. Runs after the statements on attention.
UPDATE_LISTING: Final = Statement(
    "saga_listing",
    "UPDATE saga_listing SET phase = i.phase, closed_at = i.closed_at,"
    " attention = (SELECT count(*) FROM attention AS a WHERE a.saga_id = i.saga_id)"
    " FROM {rows} WHERE saga_listing.tenant = i.tenant AND saga_listing.saga_id = i.saga_id",
    _columns(tenant="text", saga_id="uuid", phase="text", closed_at="bigint"),
    reads="attention",
)

# Partitions move on together with what their records changed, if nobody else applied them first.
ADVANCE: Final = Statement(
    "consumed",
    "UPDATE consumed SET next_offset = i.next_offset, last_print = i.last_print,"
    " anchor_print = CASE WHEN consumed.anchor_offset IS NULL THEN i.anchor_print ELSE consumed.anchor_print END,"
    " anchor_offset = COALESCE(consumed.anchor_offset, i.anchor_offset)"
    " FROM {rows} WHERE consumed.topic = i.topic AND consumed.part = i.part AND consumed.next_offset = i.from_offset",
    _columns(
        topic="text",
        part="bigint",
        next_offset="bigint",
        last_print="bytea",
        anchor_offset="bigint",
        anchor_print="bytea",
        from_offset="bigint",
    ),
    exact=False,
)

# Partitions read for the first time.
INSERT_POSITION: Final = _insert(
    "consumed",
    "ON CONFLICT (topic, part) DO NOTHING",
    exact=False,
    topic="text",
    part="bigint",
    next_offset="bigint",
    last_print="bytea",
    anchor_offset="bigint",
    anchor_print="bytea",
)

# Partitions of a topic that was replaced: nothing known of the old one holds.
RESTART: Final = _insert(
    "consumed",
    "ON CONFLICT (topic, part) DO UPDATE SET next_offset = excluded.next_offset, last_print = excluded.last_print,"
    " anchor_offset = excluded.anchor_offset, anchor_print = excluded.anchor_print, caught_up_at = NULL",
    topic="text",
    part="bigint",
    next_offset="bigint",
    last_print="bytea",
    anchor_offset="bigint",
    anchor_print="bytea",
)

# All of a partition up to `caught_up_at` has been read, if its position is still the one that was compared with the topic.
CAUGHT_UP: Final = _insert(
    "consumed",
    "ON CONFLICT (topic, part) DO UPDATE SET caught_up_at = excluded.caught_up_at, anchor_offset = excluded.anchor_offset,"
    " anchor_print = excluded.anchor_print WHERE consumed.next_offset = excluded.next_offset",
    exact=False,
    topic="text",
    part="bigint",
    next_offset="bigint",
    anchor_offset="bigint",
    anchor_print="bytea",
    caught_up_at="bigint",
)

# Requests bound to the saga they start, in order of their key (two such batches cannot wait for each other in a circle).
INSERT_REQUEST: Final = _insert(
    "start_request",
    "ORDER BY i.tenant, i.source, i.request_id ON CONFLICT (tenant, source, request_id) DO NOTHING",
    exact=False,
    tenant="text",
    source="text",
    request_id="text",
    saga_id="uuid",
    body_hash="bytea",
)

# Keys held by the saga they start, in order of the key.
INSERT_KEY: Final = _insert(
    "saga_key",
    "ORDER BY i.tenant, i.business_key, i.definition_name ON CONFLICT (tenant, business_key, definition_name) DO NOTHING",
    exact=False,
    tenant="text",
    business_key="text",
    definition_name="text",
    saga_id="uuid",
)

# The request of a start that found its key held belongs to the holder.
BIND_REQUEST: Final = Statement(
    "start_request",
    "UPDATE start_request SET saga_id = i.saga_id FROM {rows}"
    " WHERE start_request.tenant = i.tenant AND start_request.source = i.source AND start_request.request_id = i.request_id",
    _columns(tenant="text", source="text", request_id="text", saga_id="uuid"),
)

# A finished saga gives its key to a new one, if it still holds it.
TAKE_KEY: Final = Statement(
    "saga_key",
    "UPDATE saga_key SET saga_id = i.saga_id FROM {rows} WHERE saga_key.tenant = i.tenant"
    " AND saga_key.business_key = i.business_key AND saga_key.definition_name = i.definition_name AND saga_key.saga_id = i.holder",
    _columns(tenant="text", business_key="text", definition_name="text", saga_id="uuid", holder="uuid"),
    exact=False,
)

# It is still found by that key.
INSERT_FORMER: Final = _insert("saga_key_former", tenant="text", business_key="text", definition_name="text", saga_id="uuid")
