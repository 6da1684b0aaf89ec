"""What a sweep of the participants' rows has read, and the effects that it found without a saga."""

import sqlalchemy as sa
from alembic import op

from saga_coordinator.store.columns import Flag, Id, Number, Octets, Words

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sweep",
        sa.Column("tenant", Words, nullable=False),
        sa.Column("participant", Words, nullable=False),
        sa.Column("incarnation", Number, nullable=False),
        sa.Column("after_saga", Id(), nullable=True),
        sa.Column("after_step", Words, nullable=True),
        sa.Column("told", Number, nullable=False),
        sa.Column("asked_at", Number, nullable=False),
        sa.Column("asks", Number, nullable=False),
        sa.Column("done_at", Number, nullable=True),
        sa.Column("skipped", Words, nullable=True),
        sa.PrimaryKeyConstraint("tenant", "participant", name="sweep_pkey"),
        sa.CheckConstraint("(after_saga IS NULL) = (after_step IS NULL)", name=op.f("sweep_position")),
        sa.CheckConstraint("skipped IS NULL OR done_at IS NOT NULL", name=op.f("sweep_skipped")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "lost_effect",
        sa.Column("tenant", Words, nullable=False),
        sa.Column("saga_id", Id(), nullable=False),
        sa.Column("step", Words, nullable=False),
        sa.Column("participant", Words, nullable=False),
        sa.Column("run", Number, nullable=False),
        sa.Column("state", Words, nullable=False),
        sa.Column("beside", Flag, nullable=False),
        sa.Column("found_at", Number, nullable=False),
        sa.Column("status", Words, nullable=False),
        sa.Column("settled_at", Number, nullable=True),
        sa.Column("who", Words, nullable=True),
        sa.Column("why", Words, nullable=True),
        sa.Column("definition_hash", Words, nullable=True),
        sa.Column("command", Octets, nullable=True),
        sa.Column("reply_record", Words, nullable=True),
        sa.Column("reply", Octets, nullable=True),
        sa.Column("undo_record", Words, nullable=True),
        sa.Column("undo_value", Octets, nullable=True),
        sa.Column("asked_at", Number, nullable=False),
        sa.Column("asks", Number, nullable=False),
        sa.Column("note", Words, nullable=True),
        sa.PrimaryKeyConstraint("saga_id", "step", "participant", name="lost_effect_pkey"),
        sa.CheckConstraint("status IN ('open', 'adopted', 'undoing', 'undone', 'kept')", name=op.f("lost_effect_status")),
        sa.CheckConstraint("(settled_at IS NULL) = (status IN ('open', 'undoing'))", name=op.f("lost_effect_settled")),
        sa.CheckConstraint("status <> 'undoing' OR undo_value IS NOT NULL", name=op.f("lost_effect_undoing")),
        sqlite_strict=True,
    )
    unsettled = sa.text("status IN ('open', 'undoing')")
    op.create_index(
        "lost_effect_unsettled", "lost_effect", ["tenant", "saga_id"], postgresql_where=unsettled, sqlite_where=unsettled
    )
