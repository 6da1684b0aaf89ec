"""The tables, as SQLAlchemy Core.

Constraints say what a row may be, so that a bad row is refused wherever it comes from. Tables that
every batch writes have no foreign keys, because each would lock a parent row for every insert; the
store counts every write instead. Of the tables written with each transition, only `wakeup` has an
index on a column that changes: it serves the order of due times. The migrations build the same
tables; a test compares both catalogues on both databases.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    Identity,
    Index,
    PrimaryKeyConstraint,
    UniqueConstraint,
)

from saga_coordinator.store.columns import Flag, Number
from saga_coordinator.store.table_parts import id_ as _id
from saga_coordinator.store.table_parts import metadata as metadata
from saga_coordinator.store.table_parts import number as _number
from saga_coordinator.store.table_parts import octets as _octets
from saga_coordinator.store.table_parts import table as _table
from saga_coordinator.store.table_parts import where as _where
from saga_coordinator.store.table_parts import words as _words

BEGUN_PHASES: Final = ("RUNNING", "SETTLING", "COMMITTED", "COMPENSATING")
SCHEDULED: Final = "SCHEDULED"
"""Of an open saga that has not begun."""
OPEN_PHASES: Final = (SCHEDULED, *BEGUN_PHASES)
FINAL_PHASES: Final = ("COMPLETED", "COMPENSATED", "FORCED")
PHASES: Final = frozenset(OPEN_PHASES + FINAL_PHASES)

FEATURE_LEVEL: Final = 1
"""The newest state formats this release can read; a database beyond it is refused at start."""


def _in(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def _phase_rules() -> list[CheckConstraint]:
    return [
        CheckConstraint(_in("phase", OPEN_PHASES + FINAL_PHASES), name="phase"),
        CheckConstraint(f"(closed_at IS NOT NULL) = ({_in('phase', FINAL_PHASES)})", name="closed"),
    ]


meta = _table(
    "meta",
    _number("id"),
    _words("cluster_id"),
    _words("kafka_cluster_id", nullable=True),
    _number("incarnation"),
    _number("feature_level"),
    _octets("token_key", nullable=True),
    PrimaryKeyConstraint("id"),
    CheckConstraint("id = 1", name="one_row"),
    CheckConstraint("incarnation >= 1 AND feature_level >= 1", name="levels"),
)

definition = _table(
    "definition",
    Column("id", Number, Identity(), primary_key=True),
    _words("hash"),
    _words("tenant"),
    _words("name"),
    _number("version"),
    _octets("document"),
    _words("reader_schemas"),
    Column("active", Flag, nullable=False),
    _number("registered_at"),
    UniqueConstraint("tenant", "hash"),
    UniqueConstraint("tenant", "name", "version"),
    CheckConstraint("version >= 1", name="version"),
)
# At most one active version of a name; also how a start finds it.
Index("definition_active", definition.c.tenant, definition.c.name, unique=True, **_where("active"))

# An update logs what lies between the first and the last byte that changes. So columns that never
# change stand first, those that change with every transition together, and the state last.
saga = _table(
    "saga",
    _id(),
    _words("tenant"),
    _number("definition_id"),
    _id("root_id", nullable=True),
    _id("parent_id", nullable=True),
    _words("parent_step", nullable=True),
    _words("lane", nullable=True),
    _words("fair_key", nullable=True),
    _words("business_key", nullable=True),
    _words("trace_id"),
    _words("parent_span", nullable=True),
    _number("trace_flags"),
    _words("tracestate", nullable=True),
    _words("baggage", nullable=True),
    _number("started_at"),
    _number("incarnation"),
    _number("engine_rev"),
    _words("phase"),
    _number("closed_at", nullable=True),
    _number("wake_at", nullable=True),
    _number("state_format"),
    _number("state_version"),
    _number("max_expiry"),
    _number("version"),
    _number("facts_print"),
    _octets("state"),
    PrimaryKeyConstraint("id"),
    *_phase_rules(),
    # No silent saga: an open one has a wake-up, a finished one has none.
    CheckConstraint("(closed_at IS NULL) = (wake_at IS NOT NULL)", name="wake"),
    CheckConstraint("version >= 1 AND incarnation >= 1 AND engine_rev >= 1", name="counts"),
    CheckConstraint("state_version BETWEEN 0 AND version AND (state_version = 0) = (length(state) = 0)", name="state"),
    CheckConstraint("length(trace_id) = 32 AND (parent_span IS NULL OR length(parent_span) = 16)", name="trace"),
    fill=60,
)

# Serves `claim_starts` and lists by business key: which saga holds a key.
saga_key = _table(
    "saga_key",
    _words("tenant"),
    _words("business_key"),
    _words("definition_name"),
    _id("saga_id"),
    PrimaryKeyConstraint("tenant", "business_key", "definition_name"),
    by_key=True,
)

# Finished sagas whose key was taken over (on_closed: allow): still found by their key.
saga_key_former = _table(
    "saga_key_former",
    _words("tenant"),
    _words("business_key"),
    _words("definition_name"),
    _id("saga_id"),
    PrimaryKeyConstraint("tenant", "business_key", "definition_name", "saga_id"),
    by_key=True,
)

start_request = _table(
    "start_request",
    _words("tenant"),
    _words("source"),
    _words("request_id"),
    _id("saga_id"),
    _octets("body_hash"),
    PrimaryKeyConstraint("tenant", "source", "request_id"),
    by_key=True,
)
# Serves the removal of a saga: several requests may have come to it.
Index("start_request_saga", start_request.c.saga_id)

# Sagas that are removed while their request ids and business keys are kept.
removed_saga = _table(
    "removed_saga",
    _id("saga_id"),
    _words("tenant"),
    _words("definition_name"),
    _words("business_key", nullable=True),
    _number("keys_until"),
    PrimaryKeyConstraint("saga_id"),
    by_key=True,
)
# Serves the removal of what is kept of them.
Index("removed_saga_due", removed_saga.c.tenant, removed_saga.c.keys_until)

JOURNAL_REST: Final = "journal_rest"
"""On PostgreSQL the journal is in partitions, by saga ids: this one has what no other has."""

# Serves `journal`, `journals`, `journal_facts` and `has_journal`, all by its key.
journal = _table(
    "journal",
    _id("saga_id"),
    _number("version"),
    _number("at"),
    _words("kind"),
    _number("engine_rev"),
    _number("format"),
    _octets("facts"),
    _words("actor", nullable=True),
    PrimaryKeyConstraint("saga_id", "version"),
    CheckConstraint("version >= 1", name="version"),
    ranges="saga_id",
)

# Serves `outbox_shards` and `outbox_older_than`, by its key: shard and time. Rows are inserted and
# deleted, never updated, so a fill factor would only waste pages.
outbox = _table(
    "outbox",
    _number("shard"),
    _id(),
    _id("saga_id"),
    _number("version"),
    _number("ord"),
    PrimaryKeyConstraint("shard", "id"),
    CheckConstraint("shard >= 0 AND version >= 1 AND ord >= 0", name="pointer"),
    busy=True,
    by_key=True,
)

wakeup = _table(
    "wakeup",
    _id("saga_id"),
    _number("due_at"),
    PrimaryKeyConstraint("saga_id"),
    fill=60,
    busy=True,
    by_key=True,
)
# Serves `due` and `earliest_due_in_s`.
Index("wakeup_due", wakeup.c.due_at)

# Serves `advance`, `caught_up` and `positions`: how far each partition is applied.
consumed = _table(
    "consumed",
    _words("topic"),
    _number("part"),
    _number("next_offset"),
    _octets("last_print", nullable=True),
    _number("anchor_offset", nullable=True),
    _octets("anchor_print", nullable=True),
    _number("caught_up_at", nullable=True),
    PrimaryKeyConstraint("topic", "part"),
    CheckConstraint("part >= 0 AND next_offset >= 0", name="offsets"),
    CheckConstraint("(anchor_offset IS NULL) = (anchor_print IS NULL)", name="anchor"),
    fill=50,
    busy=True,
    by_key=True,
)

inbox_event = _table(
    "inbox_event",
    _id("saga_id"),
    _id(),
    _words("kind"),
    _octets("body"),
    PrimaryKeyConstraint("id"),
    busy=True,
    by_key=True,
)
# Serves `inbox_of`.
Index("inbox_event_saga", inbox_event.c.saga_id)

# Serves `attention_of`, the reasons in lists and the gauge of attention.
attention = _table(
    "attention",
    _id("saga_id"),
    _words("step"),
    _words("reason"),
    _number("since"),
    _words("note"),
    PrimaryKeyConstraint("saga_id", "step", "reason"),
    by_key=True,
)

# Open sagas whose database was restored from a backup: the participants that each waits for, by
# comma, and nothing while it has not been asked yet.
recovering = _table("recovering", _id("saga_id"), _words("waits_for"), PrimaryKeyConstraint("saga_id"), by_key=True)

control = _table(
    "control",
    _words("scope"),
    _words("tenant"),
    _words("name"),
    _words("value"),
    _words("who"),
    _words("why"),
    PrimaryKeyConstraint("scope", "tenant", "name"),
    by_key=True,
)

# Serves `spans_due`: transitions of sampled sagas whose spans are to be exported.
span_due = _table(
    "span_due", _id("saga_id"), _number("version"), PrimaryKeyConstraint("saga_id", "version"), busy=True, by_key=True
)

orphan_reply = _table(
    "orphan_reply",
    _id(),
    _id("saga_id"),
    _number("at"),
    _words("topic"),
    _number("part"),
    _number("offset"),
    _octets("headers"),
    _octets("value", nullable=True),
    PrimaryKeyConstraint("id"),
)

# Serves `dead_letters`, `dead_letters_of` and `unread_replies`, by its key: ids begin with their
# time.
dead_letter = _table(
    "dead_letter",
    _id(),
    _words("consumer"),
    _words("topic"),
    _number("part"),
    _number("offset"),
    _number("at"),
    _words("reason"),
    _words("detail"),
    _octets("key", nullable=True),
    _octets("value", nullable=True),
    _octets("headers"),
    Column("relayed", Flag, nullable=False),
    PrimaryKeyConstraint("id"),
)
# Serves the relay to the dead-letter topic.
Index("dead_letter_unrelayed", dead_letter.c.id, **_where("NOT relayed"))

audit = _table(
    "audit",
    Column("id", Number, Identity(), primary_key=True),
    _words("tenant"),
    _words("act"),
    _words("target"),
    _words("who"),
    _words("why"),
    _number("at"),
)

# What lists show and filter by. Written when a saga starts, ends, or changes phase or attention.
saga_listing = _table(
    "saga_listing",
    _words("tenant"),
    _id("saga_id"),
    _words("definition_name"),
    _number("definition_version"),
    _words("business_key", nullable=True),
    _words("trace_id"),
    _number("started_at"),
    _words("phase"),
    _number("closed_at", nullable=True),
    _number("attention"),
    _number("shelf"),
    PrimaryKeyConstraint("tenant", "saga_id"),
    *_phase_rules(),
    CheckConstraint("attention >= 0", name="attention"),
    CheckConstraint("shelf BETWEEN 0 AND 2", name="shelf"),
    fill=80,
    by_key=True,
)
_LISTED = saga_listing.c
# Serves lists of one open phase, the gauge of sagas by phase, and which definitions open sagas are
# pinned to.
Index(
    "saga_listing_open",
    *(_LISTED[name] for name in ("tenant", "phase", "definition_name", "definition_version", "saga_id")),
    **_where("closed_at IS NULL"),
)
# Serves lists of the endings that are rare (completed sagas are found by the key, newest first).
Index("saga_listing_unusual", _LISTED.tenant, _LISTED.phase, _LISTED.saga_id, **_where("phase IN ('COMPENSATED', 'FORCED')"))
# Serves `--attention`.
Index("saga_listing_attention", _LISTED.tenant, _LISTED.saga_id, **_where("attention > 0"))
# Serves `--definition`. The name stands first, or the plan of UPDATE_LISTING that is made on an
# empty table reads a tenant's whole part of it for one row.
Index("saga_listing_definition", _LISTED.definition_name, _LISTED.tenant, _LISTED.saga_id)
# Serves retention: of each version and shelf those that ended first.
Index(
    "saga_listing_finished",
    *(_LISTED[name] for name in ("definition_name", "definition_version", "shelf", "tenant", "closed_at", "saga_id")),
    **_where("closed_at IS NOT NULL"),
)

schema = _table(
    "schema",
    _number("id"),
    _words("subject"),
    _number("version"),
    _octets("document"),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("subject", "version"),
    CheckConstraint("version >= 1", name="version"),
)

instance = _table(
    "instance",
    _words("name"),
    _words("token"),
    _number("seen_at"),
    _number("feature_level"),
    _number("since", nullable=True),
    _words("roles", nullable=True),
    _words("problems", nullable=True),
    PrimaryKeyConstraint("name"),
    by_key=True,
)
