"""Sagas that were imported, for reading only."""

import sqlalchemy as sa
from alembic import op

from saga_coordinator.store.columns import Id, Number, Octets, Words

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "imported",
        sa.Column("tenant", Words, nullable=False),
        sa.Column("saga_id", Id(), nullable=False),
        sa.Column("definition_name", Words, nullable=False),
        sa.Column("definition_version", Number, nullable=False),
        sa.Column("business_key", Words, nullable=True),
        sa.Column("trace_id", Words, nullable=False),
        sa.Column("started_at", Number, nullable=False),
        sa.Column("phase", Words, nullable=False),
        sa.Column("closed_at", Number, nullable=False),
        sa.Column("version", Number, nullable=False),
        sa.Column("at", Number, nullable=False),
        sa.Column("who", Words, nullable=False),
        sa.Column("cluster_id", Words, nullable=False),
        sa.Column("content", Octets, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "saga_id", name="imported_pkey"),
        sa.CheckConstraint("phase IN ('COMPLETED', 'COMPENSATED', 'FORCED')", name=op.f("imported_phase")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
