"""The horizon: what may be forgotten, and what each participant last heard of it."""

import sqlalchemy as sa
from alembic import op

from saga_coordinator.store.columns import Id, Number, Octets, Words

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "horizon",
        sa.Column("id", Number, nullable=False, autoincrement=False),
        sa.Column("starts_from", Id(), nullable=False),
        sa.Column("below", Number, nullable=False),
        sa.Column("exceptions", Octets, nullable=False),
        sa.Column("stored_at", Number, nullable=False),
        sa.Column("announced_at", Number, nullable=True),
        sa.PrimaryKeyConstraint("id", name="horizon_pkey"),
        sa.CheckConstraint("id = 1", name=op.f("horizon_one_row")),
        sa.CheckConstraint("below >= 0 AND length(exceptions) % 16 = 0", name=op.f("horizon_exceptions")),
        sqlite_strict=True,
    )
    op.create_table(
        "participant_memory",
        sa.Column("participant", Words, nullable=False),
        sa.Column("below", Number, nullable=False),
        sa.Column("heard_at", Number, nullable=False),
        sa.PrimaryKeyConstraint("participant", name="participant_memory_pkey"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
