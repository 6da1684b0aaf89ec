"""Batches of acts, confirmations by a second person, and dead letters that were sent again."""

import sqlalchemy as sa
from alembic import op

from saga_coordinator.store.columns import Id, Number, Words

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _batch()
    _confirmation()
    op.create_table(
        "redrive",
        sa.Column("letter_id", Id(), nullable=False),
        sa.Column("tries", Number, nullable=False),
        sa.Column("asked_at", Number, nullable=False),
        sa.Column("who", Words, nullable=False),
        sa.Column("why", Words, nullable=False),
        sa.Column("sent_at", Number, nullable=True),
        sa.Column("note", Words, nullable=True),
        sa.PrimaryKeyConstraint("letter_id", name="redrive_pkey"),
        sa.CheckConstraint("tries >= 1", name=op.f("redrive_tries")),
        sa.CheckConstraint("sent_at IS NULL OR note IS NULL", name=op.f("redrive_outcome")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _batch() -> None:
    op.create_table(
        "batch",
        sa.Column("id", Id(), nullable=False),
        sa.Column("tenant", Words, nullable=False),
        sa.Column("act", Words, nullable=False),
        sa.Column("query", Words, nullable=False),
        sa.Column("why", Words, nullable=False),
        sa.Column("who", Words, nullable=False),
        sa.Column("rate", Number, nullable=False),
        sa.Column("found", Number, nullable=False),
        sa.Column("created_at", Number, nullable=False),
        sa.Column("place", Id(), nullable=False),
        sa.Column("moved_at", Number, nullable=False),
        sa.Column("status", Words, nullable=False),
        sa.Column("done", Number, nullable=False),
        sa.Column("refused", Number, nullable=False),
        sa.Column("failed", Number, nullable=False),
        sa.Column("outcomes", Words, nullable=False),
        sa.Column("ended_at", Number, nullable=True),
        sa.Column("stopped_by", Words, nullable=True),
        sa.Column("stopped_why", Words, nullable=True),
        sa.PrimaryKeyConstraint("id", name="batch_pkey"),
        sa.CheckConstraint("status IN ('running', 'done', 'stopped')", name=op.f("batch_status")),
        sa.CheckConstraint("(ended_at IS NULL) = (status = 'running')", name=op.f("batch_ended")),
        sa.CheckConstraint("(stopped_by IS NOT NULL) = (status = 'stopped')", name=op.f("batch_stopped")),
        sa.CheckConstraint("rate >= 1 AND found >= 0 AND done >= 0 AND refused >= 0 AND failed >= 0", name=op.f("batch_counts")),
        sqlite_strict=True,
        postgresql_with={"fillfactor": 50},
    )
    running = sa.text("status = 'running'")
    op.create_index("batch_running", "batch", ["tenant", "id"], postgresql_where=running, sqlite_where=running)


def _confirmation() -> None:
    op.create_table(
        "confirmation",
        sa.Column("id", Id(), nullable=False),
        sa.Column("tenant", Words, nullable=False),
        sa.Column("act", Words, nullable=False),
        sa.Column("target", Words, nullable=False),
        sa.Column("arguments", Words, nullable=False),
        sa.Column("who", Words, nullable=False),
        sa.Column("why", Words, nullable=False),
        sa.Column("asked_at", Number, nullable=False),
        sa.Column("expires_at", Number, nullable=False),
        sa.Column("status", Words, nullable=False),
        sa.Column("settled_at", Number, nullable=True),
        sa.Column("settled_by", Words, nullable=True),
        sa.Column("settled_why", Words, nullable=True),
        sa.PrimaryKeyConstraint("id", name="confirmation_pkey"),
        sa.CheckConstraint("status IN ('pending', 'confirmed', 'refused')", name=op.f("confirmation_status")),
        sa.CheckConstraint("(settled_at IS NULL) = (status = 'pending')", name=op.f("confirmation_settled")),
        sa.CheckConstraint("(settled_by IS NULL) = (status = 'pending')", name=op.f("confirmation_settled_by")),
        sqlite_strict=True,
    )
    pending = sa.text("status = 'pending'")
    op.create_index("confirmation_pending", "confirmation", ["tenant", "id"], postgresql_where=pending, sqlite_where=pending)
