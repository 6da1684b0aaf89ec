"""The tables of batches of acts, of confirmations, and of dead letters that were sent again."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Index, PrimaryKeyConstraint

from saga_coordinator.store.table_parts import id_, number, table, where, words

batch = table(
    "batch",
    id_(),
    words("tenant"),
    words("act"),
    words("query"),
    words("why"),
    words("who"),
    number("rate"),
    number("found"),
    number("created_at"),
    id_("place"),
    number("moved_at"),
    words("status"),
    number("done"),
    number("refused"),
    number("failed"),
    words("outcomes"),
    number("ended_at", nullable=True),
    words("stopped_by", nullable=True),
    words("stopped_why", nullable=True),
    PrimaryKeyConstraint("id"),
    CheckConstraint("status IN ('running', 'done', 'stopped')", name="status"),
    CheckConstraint("(ended_at IS NULL) = (status = 'running')", name="ended"),
    CheckConstraint("(stopped_by IS NOT NULL) = (status = 'stopped')", name="stopped"),
    CheckConstraint("rate >= 1 AND found >= 0 AND done >= 0 AND refused >= 0 AND failed >= 0", name="counts"),
    fill=50,
)
# Serves the loop, which looks for batches that run; there are few.
Index("batch_running", batch.c.tenant, batch.c.id, **where("status = 'running'"))

confirmation = table(
    "confirmation",
    id_(),
    words("tenant"),
    words("act"),
    words("target"),
    words("arguments"),
    words("who"),
    words("why"),
    number("asked_at"),
    number("expires_at"),
    words("status"),
    number("settled_at", nullable=True),
    words("settled_by", nullable=True),
    words("settled_why", nullable=True),
    PrimaryKeyConstraint("id"),
    CheckConstraint("status IN ('pending', 'confirmed', 'refused')", name="status"),
    CheckConstraint("(settled_at IS NULL) = (status = 'pending')", name="settled"),
    CheckConstraint("(settled_by IS NULL) = (status = 'pending')", name="settled_by"),
)
# Serves the list of those that wait.
Index("confirmation_pending", confirmation.c.tenant, confirmation.c.id, **where("status = 'pending'"))

# At most one row a letter; it goes with the letter.
redrive = table(
    "redrive",
    id_("letter_id"),
    number("tries"),
    number("asked_at"),
    words("who"),
    words("why"),
    number("sent_at", nullable=True),
    words("note", nullable=True),
    PrimaryKeyConstraint("letter_id"),
    CheckConstraint("tries >= 1", name="tries"),
    CheckConstraint("sent_at IS NULL OR note IS NULL", name="outcome"),
    by_key=True,
)
