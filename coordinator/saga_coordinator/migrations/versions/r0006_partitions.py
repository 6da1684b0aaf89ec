"""The journal in partitions, on PostgreSQL.

The table that is there becomes the rest: the partition that has what no other has. No row is read
or moved, and all of it is one moment of an exclusive lock. Statements stay as they are.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Who else was given rights on the journal has them on the table that now has its name.
_RIGHTS = """
DO $$
DECLARE given record;
BEGIN
    FOR given IN
        SELECT privilege_type AS what, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS whom
        FROM pg_class, aclexplode(relacl) WHERE oid = 'journal_rest'::regclass AND grantee <> relowner
    LOOP
        EXECUTE format('GRANT %s ON journal TO %s', given.what, given.whom);
    END LOOP;
END $$
"""


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("ALTER TABLE journal RENAME TO journal_rest")
    op.execute("ALTER INDEX journal_pkey RENAME TO journal_rest_pkey")
    op.execute("CREATE TABLE journal (LIKE journal_rest INCLUDING ALL) PARTITION BY RANGE (saga_id)")
    op.execute("ALTER TABLE journal ATTACH PARTITION journal_rest DEFAULT")
    op.execute(_RIGHTS)
