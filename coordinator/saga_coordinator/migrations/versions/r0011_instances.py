"""What an instance says of itself: since when it runs, its roles, and what it does not do well."""

import sqlalchemy as sa
from alembic import op

from saga_coordinator.store.columns import Number, Words

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("instance", sa.Column("since", Number, nullable=True))
    op.add_column("instance", sa.Column("roles", Words, nullable=True))
    op.add_column("instance", sa.Column("problems", Words, nullable=True))
