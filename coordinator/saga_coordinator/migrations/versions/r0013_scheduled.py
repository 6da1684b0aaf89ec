"""The phase SCHEDULED: a saga that waits for its start time.

On SQLite the rule stands in the text of the table, and a wider one concerns no row: the text is
replaced, as SQLite's documentation of ALTER TABLE has it for such changes.
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_BEFORE = "phase IN ('RUNNING', "
_NOW = "phase IN ('SCHEDULED', 'RUNNING', "
_OTHERS = "'SETTLING', 'COMMITTED', 'COMPENSATING', 'COMPLETED', 'COMPENSATED', 'FORCED')"
_TABLES = ("saga", "saga_listing")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in _TABLES:
            op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_phase")
            op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {table}_phase CHECK ({_NOW}{_OTHERS}) NOT VALID")
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {table}_phase")
        return
    connection = op.get_bind()
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    for table in _TABLES:
        changed = connection.exec_driver_sql(
            "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = ? AND instr(sql, ?) > 0",
            (_BEFORE, _NOW, table, _BEFORE),
        )
        assert changed.rowcount == 1, f"table {table} has no rule for phases"
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = RESET")
