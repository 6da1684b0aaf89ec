"""The tables of a sweep: how far each participant's rows are read, and the effects that nobody
owns.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import CheckConstraint, Column, Index, PrimaryKeyConstraint

from saga_coordinator.store.columns import Flag
from saga_coordinator.store.table_parts import id_, number, octets, table, where, words

OPEN: Final = "open"
ADOPTED: Final = "adopted"
UNDOING: Final = "undoing"
UNDONE: Final = "undone"
KEPT: Final = "kept"
STATUSES: Final = (OPEN, ADOPTED, UNDOING, UNDONE, KEPT)
UNSETTLED: Final = (OPEN, UNDOING)

sweep = table(
    "sweep",
    words("tenant"),
    words("participant"),
    number("incarnation"),
    id_("after_saga", nullable=True),
    words("after_step", nullable=True),
    number("told"),
    number("asked_at"),
    number("asks"),
    number("done_at", nullable=True),
    words("skipped", nullable=True),
    PrimaryKeyConstraint("tenant", "participant"),
    CheckConstraint("(after_saga IS NULL) = (after_step IS NULL)", name="position"),
    CheckConstraint("skipped IS NULL OR done_at IS NOT NULL", name="skipped"),
    by_key=True,
)

lost_effect = table(
    "lost_effect",
    words("tenant"),
    id_("saga_id"),
    words("step"),
    words("participant"),
    number("run"),
    words("state"),
    Column("beside", Flag, nullable=False),
    number("found_at"),
    words("status"),
    number("settled_at", nullable=True),
    words("who", nullable=True),
    words("why", nullable=True),
    words("definition_hash", nullable=True),
    octets("command", nullable=True),
    words("reply_record", nullable=True),
    octets("reply", nullable=True),
    words("undo_record", nullable=True),
    octets("undo_value", nullable=True),
    number("asked_at"),
    number("asks"),
    words("note", nullable=True),
    PrimaryKeyConstraint("saga_id", "step", "participant"),
    CheckConstraint(f"status IN ({', '.join(repr(one) for one in STATUSES)})", name="status"),
    CheckConstraint("(settled_at IS NULL) = (status IN ('open', 'undoing'))", name="settled"),
    CheckConstraint("status <> 'undoing' OR undo_value IS NOT NULL", name="undoing"),
)
# Serves the loop that asks for undos, and what stays an exception of the horizon.
Index("lost_effect_unsettled", lost_effect.c.tenant, lost_effect.c.saga_id, **where("status IN ('open', 'undoing')"))
