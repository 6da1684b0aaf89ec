"""Labels, typed search attributes of sagas; and saved views."""

import sqlalchemy as sa
from alembic import op

from saga_coordinator.store.columns import BytewiseWords, Flag, Id, Number, Real, Words

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None

_VALUES = ("text_value", "number_value", "flag_value", "time_value")


def upgrade() -> None:
    op.create_table(
        "saga_label",
        sa.Column("tenant", Words, nullable=False),
        sa.Column("name", Words, nullable=False),
        sa.Column("text_value", BytewiseWords, nullable=True),
        sa.Column("number_value", Real, nullable=True),
        sa.Column("flag_value", Flag, nullable=True),
        sa.Column("time_value", Number, nullable=True),
        sa.Column("saga_id", Id(), nullable=False),
        sa.PrimaryKeyConstraint("saga_id", "name", name="saga_label_pkey"),
        sa.CheckConstraint(
            " + ".join(f"CASE WHEN {name} IS NULL THEN 0 ELSE 1 END" for name in _VALUES) + " = 1",
            name=op.f("saga_label_value"),
        ),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    for name in _VALUES:
        condition = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            f"saga_label_{name}",
            "saga_label",
            ["tenant", "name", name, "saga_id"],
            postgresql_where=condition,
            sqlite_where=condition,
        )
    op.create_table(
        "saved_view",
        sa.Column("tenant", Words, nullable=False),
        sa.Column("name", Words, nullable=False),
        sa.Column("query", Words, nullable=False),
        sa.Column("shown", Words, nullable=False),
        sa.Column("who", Words, nullable=False),
        sa.Column("saved_at", Number, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", name="saved_view_pkey"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
