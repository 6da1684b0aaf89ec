"""The first schema.

A released revision never changes: what comes later is a revision of its own.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from saga_coordinator.store.columns import Flag, Id, Number, Octets, Words

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_BUSY = {
    "autovacuum_vacuum_scale_factor": 0,
    "autovacuum_vacuum_threshold": 2000,
    "autovacuum_vacuum_insert_scale_factor": 0,
    "autovacuum_vacuum_insert_threshold": 20000,
    "autovacuum_vacuum_cost_delay": 0,
    "autovacuum_analyze_scale_factor": 0,
    "autovacuum_analyze_threshold": 10000,
}
_FINAL = "phase IN ('COMPLETED', 'COMPENSATED', 'FORCED')"
_PHASE = "phase IN ('RUNNING', 'SETTLING', 'COMMITTED', 'COMPENSATING', 'COMPLETED', 'COMPENSATED', 'FORCED')"
_CLOSED = f"(closed_at IS NOT NULL) = ({_FINAL})"


def _where(condition: str) -> dict[str, Any]:
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


def upgrade() -> None:
    _identity()
    _definitions_and_starts()
    _removed()
    _sagas()
    _journal_and_wakeups()
    _positions_and_inbox()
    _what_failed()
    _listing()


def _identity() -> None:
    op.create_table(
        "meta",
        sa.Column("id", Number, nullable=False, autoincrement=False),
        sa.Column("cluster_id", Words, nullable=False),
        sa.Column("kafka_cluster_id", Words, nullable=True),
        sa.Column("incarnation", Number, nullable=False),
        sa.Column("feature_level", Number, nullable=False),
        sa.Column("token_key", Octets, nullable=True),
        sa.PrimaryKeyConstraint("id", name="meta_pkey"),
        sa.CheckConstraint("id = 1", name=op.f("meta_one_row")),
        sa.CheckConstraint("incarnation >= 1 AND feature_level >= 1", name=op.f("meta_levels")),
        sqlite_strict=True,
    )
    op.create_table(
        "schema",
        sa.Column("id", Number, nullable=False, autoincrement=False),
        sa.Column("subject", Words, nullable=False),
        sa.Column("version", Number, nullable=False),
        sa.Column("document", Octets, nullable=False),
        sa.PrimaryKeyConstraint("id", name="schema_pkey"),
        sa.UniqueConstraint("subject", "version", name="schema_subject_version_key"),
        sa.CheckConstraint("version >= 1", name=op.f("schema_version")),
        sqlite_strict=True,
    )
    op.create_table(
        "instance",
        sa.Column("name", Words, nullable=False),
        sa.Column("token", Words, nullable=False),
        sa.Column("seen_at", Number, nullable=False),
        sa.Column("feature_level", Number, nullable=False),
        sa.PrimaryKeyConstraint("name", name="instance_pkey"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "control",
        sa.Column("scope", Words, nullable=False),
        sa.Column("tenant", Words, nullable=False),
        sa.Column("name", Words, nullable=False),
        sa.Column("value", Words, nullable=False),
        sa.Column("who", Words, nullable=False),
        sa.Column("why", Words, nullable=False),
        sa.PrimaryKeyConstraint("scope", "tenant", "name", name="control_pkey"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit",
        sa.Column("id", Number, sa.Identity(), nullable=False),
        sa.Column("tenant", Words, nullable=False),
        sa.Column("act", Words, nullable=False),
        sa.Column("target", Words, nullable=False),
        sa.Column("who", Words, nullable=False),
        sa.Column("why", Words, nullable=False),
        sa.Column("at", Number, nullable=False),
        sa.PrimaryKeyConstraint("id", name="audit_pkey"),
        sqlite_strict=True,
    )


def _definitions_and_starts() -> None:
    op.create_table(
        "definition",
        sa.Column("id", Number, sa.Identity(), nullable=False),
        sa.Column("hash", Words, nullable=False),
        sa.Column("tenant", Words, nullable=False),
        sa.Column("name", Words, nullable=False),
        sa.Column("version", Number, nullable=False),
        sa.Column("document", Octets, nullable=False),
        sa.Column("reader_schemas", Words, nullable=False),
        sa.Column("active", Flag, nullable=False),
        sa.Column("registered_at", Number, nullable=False),
        sa.PrimaryKeyConstraint("id", name="definition_pkey"),
        sa.UniqueConstraint("tenant", "hash", name="definition_tenant_hash_key"),
        sa.UniqueConstraint("tenant", "name", "version", name="definition_tenant_name_version_key"),
        sa.CheckConstraint("version >= 1", name=op.f("definition_version")),
        sqlite_strict=True,
    )
    op.create_index("definition_active", "definition", ["tenant", "name"], unique=True, **_where("active"))
    op.create_table(
        "saga_key",
        sa.Column("tenant", Words, nullable=False),
        sa.Column("business_key", Words, nullable=False),
        sa.Column("definition_name", Words, nullable=False),
        sa.Column("saga_id", Id(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "business_key", "definition_name", name="saga_key_pkey"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "saga_key_former",
        sa.Column("tenant", Words, nullable=False),
        sa.Column("business_key", Words, nullable=False),
        sa.Column("definition_name", Words, nullable=False),
        sa.Column("saga_id", Id(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "business_key", "definition_name", "saga_id", name="saga_key_former_pkey"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "start_request",
        sa.Column("tenant", Words, nullable=False),
        sa.Column("source", Words, nullable=False),
        sa.Column("request_id", Words, nullable=False),
        sa.Column("saga_id", Id(), nullable=False),
        sa.Column("body_hash", Octets, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "source", "request_id", name="start_request_pkey"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _removed() -> None:
    op.create_index("start_request_saga", "start_request", ["saga_id"])
    op.create_table(
        "removed_saga",
        sa.Column("saga_id", Id(), nullable=False),
        sa.Column("tenant", Words, nullable=False),
        sa.Column("definition_name", Words, nullable=False),
        sa.Column("business_key", Words, nullable=True),
        sa.Column("keys_until", Number, nullable=False),
        sa.PrimaryKeyConstraint("saga_id", name="removed_saga_pkey"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("removed_saga_due", "removed_saga", ["tenant", "keys_until"])


def _sagas() -> None:
    op.create_table(
        "saga",
        sa.Column("id", Id(), nullable=False),
        sa.Column("tenant", Words, nullable=False),
        sa.Column("definition_id", Number, nullable=False),
        sa.Column("root_id", Id(), nullable=True),
        sa.Column("parent_id", Id(), nullable=True),
        sa.Column("parent_step", Words, nullable=True),
        sa.Column("lane", Words, nullable=True),
        sa.Column("fair_key", Words, nullable=True),
        sa.Column("business_key", Words, nullable=True),
        sa.Column("trace_id", Words, nullable=False),
        sa.Column("parent_span", Words, nullable=True),
        sa.Column("trace_flags", Number, nullable=False),
        sa.Column("tracestate", Words, nullable=True),
        sa.Column("baggage", Words, nullable=True),
        sa.Column("started_at", Number, nullable=False),
        sa.Column("incarnation", Number, nullable=False),
        sa.Column("engine_rev", Number, nullable=False),
        sa.Column("phase", Words, nullable=False),
        sa.Column("closed_at", Number, nullable=True),
        sa.Column("wake_at", Number, nullable=True),
        sa.Column("state_format", Number, nullable=False),
        sa.Column("state_version", Number, nullable=False),
        sa.Column("max_expiry", Number, nullable=False),
        sa.Column("version", Number, nullable=False),
        sa.Column("facts_print", Number, nullable=False),
        sa.Column("state", Octets, nullable=False),
        sa.PrimaryKeyConstraint("id", name="saga_pkey"),
        sa.CheckConstraint(_PHASE, name=op.f("saga_phase")),
        sa.CheckConstraint(_CLOSED, name=op.f("saga_closed")),
        sa.CheckConstraint("(closed_at IS NULL) = (wake_at IS NOT NULL)", name=op.f("saga_wake")),
        sa.CheckConstraint("version >= 1 AND incarnation >= 1 AND engine_rev >= 1", name=op.f("saga_counts")),
        sa.CheckConstraint(
            "state_version BETWEEN 0 AND version AND (state_version = 0) = (length(state) = 0)", name=op.f("saga_state")
        ),
        sa.CheckConstraint(
            "length(trace_id) = 32 AND (parent_span IS NULL OR length(parent_span) = 16)", name=op.f("saga_trace")
        ),
        postgresql_with={"fillfactor": 60},
        sqlite_strict=True,
    )


def _journal_and_wakeups() -> None:
    op.create_table(
        "journal",
        sa.Column("saga_id", Id(), nullable=False),
        sa.Column("version", Number, nullable=False),
        sa.Column("at", Number, nullable=False),
        sa.Column("kind", Words, nullable=False),
        sa.Column("engine_rev", Number, nullable=False),
        sa.Column("format", Number, nullable=False),
        sa.Column("facts", Octets, nullable=False),
        sa.Column("actor", Words, nullable=True),
        sa.PrimaryKeyConstraint("saga_id", "version", name="journal_pkey"),
        sa.CheckConstraint("version >= 1", name=op.f("journal_version")),
        sqlite_strict=True,
    )
    op.create_table(
        "outbox",
        sa.Column("shard", Number, nullable=False),
        sa.Column("id", Id(), nullable=False),
        sa.Column("saga_id", Id(), nullable=False),
        sa.Column("version", Number, nullable=False),
        sa.Column("ord", Number, nullable=False),
        sa.PrimaryKeyConstraint("shard", "id", name="outbox_pkey"),
        sa.CheckConstraint("shard >= 0 AND version >= 1 AND ord >= 0", name=op.f("outbox_pointer")),
        postgresql_with={**_BUSY},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "wakeup",
        sa.Column("saga_id", Id(), nullable=False),
        sa.Column("due_at", Number, nullable=False),
        sa.PrimaryKeyConstraint("saga_id", name="wakeup_pkey"),
        postgresql_with={"fillfactor": 60, **_BUSY},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("wakeup_due", "wakeup", ["due_at"])
    op.create_table(
        "span_due",
        sa.Column("saga_id", Id(), nullable=False),
        sa.Column("version", Number, nullable=False),
        sa.PrimaryKeyConstraint("saga_id", "version", name="span_due_pkey"),
        postgresql_with={**_BUSY},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _positions_and_inbox() -> None:
    op.create_table(
        "consumed",
        sa.Column("topic", Words, nullable=False),
        sa.Column("part", Number, nullable=False),
        sa.Column("next_offset", Number, nullable=False),
        sa.Column("last_print", Octets, nullable=True),
        sa.Column("anchor_offset", Number, nullable=True),
        sa.Column("anchor_print", Octets, nullable=True),
        sa.Column("caught_up_at", Number, nullable=True),
        sa.PrimaryKeyConstraint("topic", "part", name="consumed_pkey"),
        sa.CheckConstraint("part >= 0 AND next_offset >= 0", name=op.f("consumed_offsets")),
        sa.CheckConstraint("(anchor_offset IS NULL) = (anchor_print IS NULL)", name=op.f("consumed_anchor")),
        postgresql_with={"fillfactor": 50, **_BUSY},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "inbox_event",
        sa.Column("saga_id", Id(), nullable=False),
        sa.Column("id", Id(), nullable=False),
        sa.Column("kind", Words, nullable=False),
        sa.Column("body", Octets, nullable=False),
        sa.PrimaryKeyConstraint("id", name="inbox_event_pkey"),
        postgresql_with={**_BUSY},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("inbox_event_saga", "inbox_event", ["saga_id"])


def _what_failed() -> None:
    op.create_table(
        "orphan_reply",
        sa.Column("id", Id(), nullable=False),
        sa.Column("saga_id", Id(), nullable=False),
        sa.Column("at", Number, nullable=False),
        sa.Column("topic", Words, nullable=False),
        sa.Column("part", Number, nullable=False),
        sa.Column("offset", Number, nullable=False),
        sa.Column("headers", Octets, nullable=False),
        sa.Column("value", Octets, nullable=True),
        sa.PrimaryKeyConstraint("id", name="orphan_reply_pkey"),
        sqlite_strict=True,
    )
    op.create_table(
        "dead_letter",
        sa.Column("id", Id(), nullable=False),
        sa.Column("consumer", Words, nullable=False),
        sa.Column("topic", Words, nullable=False),
        sa.Column("part", Number, nullable=False),
        sa.Column("offset", Number, nullable=False),
        sa.Column("at", Number, nullable=False),
        sa.Column("reason", Words, nullable=False),
        sa.Column("detail", Words, nullable=False),
        sa.Column("key", Octets, nullable=True),
        sa.Column("value", Octets, nullable=True),
        sa.Column("headers", Octets, nullable=False),
        sa.Column("relayed", Flag, nullable=False),
        sa.PrimaryKeyConstraint("id", name="dead_letter_pkey"),
        sqlite_strict=True,
    )
    op.create_index("dead_letter_unrelayed", "dead_letter", ["id"], **_where("NOT relayed"))
    op.create_table(
        "attention",
        sa.Column("saga_id", Id(), nullable=False),
        sa.Column("step", Words, nullable=False),
        sa.Column("reason", Words, nullable=False),
        sa.Column("since", Number, nullable=False),
        sa.Column("note", Words, nullable=False),
        sa.PrimaryKeyConstraint("saga_id", "step", "reason", name="attention_pkey"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _listing() -> None:
    op.create_table(
        "saga_listing",
        sa.Column("tenant", Words, nullable=False),
        sa.Column("saga_id", Id(), nullable=False),
        sa.Column("definition_name", Words, nullable=False),
        sa.Column("definition_version", Number, nullable=False),
        sa.Column("business_key", Words, nullable=True),
        sa.Column("trace_id", Words, nullable=False),
        sa.Column("started_at", Number, nullable=False),
        sa.Column("phase", Words, nullable=False),
        sa.Column("closed_at", Number, nullable=True),
        sa.Column("attention", Number, nullable=False),
        sa.Column("shelf", Number, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "saga_id", name="saga_listing_pkey"),
        sa.CheckConstraint(_PHASE, name=op.f("saga_listing_phase")),
        sa.CheckConstraint(_CLOSED, name=op.f("saga_listing_closed")),
        sa.CheckConstraint("attention >= 0", name=op.f("saga_listing_attention")),
        sa.CheckConstraint("shelf BETWEEN 0 AND 2", name=op.f("saga_listing_shelf")),
        postgresql_with={"fillfactor": 80},
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("saga_listing_attention", "saga_listing", ["tenant", "saga_id"], **_where("attention > 0"))
    op.create_index("saga_listing_definition", "saga_listing", ["definition_name", "tenant", "saga_id"])
    op.create_index(
        "saga_listing_finished",
        "saga_listing",
        ["definition_name", "definition_version", "shelf", "tenant", "closed_at", "saga_id"],
        **_where("closed_at IS NOT NULL"),
    )
    op.create_index(
        "saga_listing_open",
        "saga_listing",
        ["tenant", "phase", "definition_name", "definition_version", "saga_id"],
        **_where("closed_at IS NULL"),
    )
    op.create_index(
        "saga_listing_unusual", "saga_listing", ["tenant", "phase", "saga_id"], **_where("phase IN ('COMPENSATED', 'FORCED')")
    )
