"""The sagas that are recovered after a restore from a backup."""

import sqlalchemy as sa
from alembic import op

from saga_coordinator.store.columns import Id, Words

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recovering",
        sa.Column("saga_id", Id(), nullable=False),
        sa.Column("waits_for", Words, nullable=False),
        sa.PrimaryKeyConstraint("saga_id", name="recovering_pkey"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
