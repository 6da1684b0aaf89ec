"""The index of ticks that run, as narrow as the key of all ticks: SQLite takes the narrower of two,
and read all that a schedule had ever ticked to find those of its ticks that run.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    more = " INCLUDE (saga_id)" if op.get_bind().dialect.name == "postgresql" else ""
    op.execute("DROP INDEX schedule_tick_running")
    op.execute(
        f"CREATE INDEX schedule_tick_running ON schedule_tick (schedule_id, at){more} WHERE outcome = 'fired' AND phase IS NULL"
    )
