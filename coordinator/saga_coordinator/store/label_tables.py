"""The table of labels, the sagas' typed search attributes. Its rows are written when a saga starts
or is imported, and go with it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import CheckConstraint, Column, Index, PrimaryKeyConstraint

from saga_coordinator.store.columns import BytewiseWords, Flag, Real
from saga_coordinator.store.table_parts import id_, number, table, where, words

VALUES: Final = ("text_value", "number_value", "flag_value", "time_value")
"""One of them has the value."""

saga_label = table(
    "saga_label",
    words("tenant"),
    words("name"),
    Column("text_value", BytewiseWords, nullable=True),
    Column("number_value", Real, nullable=True),
    Column("flag_value", Flag, nullable=True),
    number("time_value", nullable=True),
    id_("saga_id"),
    PrimaryKeyConstraint("saga_id", "name"),
    CheckConstraint(" + ".join(f"CASE WHEN {name} IS NULL THEN 0 ELSE 1 END" for name in VALUES) + " = 1", name="value"),
    by_key=True,
)
_L: Final = saga_label.c
# Serve queries by labels: a row stands in one of them. Sagas of one value come newest first.
for _name in VALUES:
    Index(f"saga_label_{_name}", _L.tenant, _L.name, _L[_name], _L.saga_id, **where(f"{_name} IS NOT NULL"))
