"""Figures over time: what each instance counted, by minute."""

import sqlalchemy as sa
from alembic import op

from saga_coordinator.store.columns import Number, Octets, Words

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "traffic",
        sa.Column("tenant", Words, nullable=False),
        sa.Column("minutes", Number, nullable=False, autoincrement=False),
        sa.Column("minute", Number, nullable=False, autoincrement=False),
        sa.Column("instance", Words, nullable=False),
        sa.Column("kind", Words, nullable=False),
        sa.Column("name", Words, nullable=False),
        sa.Column("figures", Octets, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "minutes", "minute", "instance", "kind", "name", name="traffic_pkey"),
        sa.CheckConstraint("minutes >= 1 AND minute >= 0", name=op.f("traffic_stretch")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
        postgresql_with={"fillfactor": 70},
    )
