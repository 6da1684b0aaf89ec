"""Alembic's entry: runs the migrations on the connection it is handed, inside the transaction that
was begun there."""

from alembic import context

from saga_coordinator.store.revisions import VERSION_TABLE
from saga_coordinator.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=False,
)
context.run_migrations()
