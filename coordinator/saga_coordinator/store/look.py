"""One look at everything that background loops wait for: what is due, left, owed or newly
registered, and what instances tell each other.

It is one statement, since an instance at rest does little else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import CompoundSelect, String, case, cast, exists, func, literal_column, select, union_all

from saga_coordinator.store import schema
from saga_coordinator.store.columns import database_clock
from saga_coordinator.store.dialect import AnyRow
from saga_schemas.record_class import record


@record
class Look:
    """What a database holds at one moment."""

    now_us: int
    """Its clock."""
    next_due_us: int | None
    """The earliest wake-up. None: no saga is open."""
    inbox: bool
    """Something was left for a saga."""
    outbox: bool
    """A message is not known to be published."""
    letters: bool
    """A dead letter waits for its topic."""
    spans: bool
    """Spans are owed."""
    registered: str
    """Changes when a schema or definition is registered, or another version is made the active
    one."""
    control: Mapping[str, Mapping[str, str]]
    """Rows of the control table: values by name, by scope."""

    @property
    def at_rest(self) -> bool:
        """No saga is open, and nothing is left to do for one."""
        return self.next_due_us is None and not self.inbox and not self.outbox


@lru_cache(maxsize=8)  # an instance asks with the same: built anew, a look costs 1.7 ms instead of 0.3
def look(tenant: str, scopes: frozenset[str]) -> CompoundSelect[*tuple[Any, ...]]:
    """Rows of (what, name, text, number)."""
    c = schema.control.c
    first_due = select(schema.wakeup.c.due_at).order_by(schema.wakeup.c.due_at).limit(1).scalar_subquery()
    unrelayed = exists().where(~schema.dead_letter.c.relayed)
    numbers = {
        "now": database_clock(),
        "due": first_due,
        "inbox": _is(exists().select_from(schema.inbox_event)),
        "outbox": _is(exists().select_from(schema.outbox)),
        "letters": _is(unrelayed),
        "spans": _is(exists().select_from(schema.span_due)),
    }
    noted = select(c.scope, c.name, c.value, _plain("0")).where(c.tenant == tenant, c.scope.in_(sorted(scopes)))
    return union_all(
        *(select(_plain(f"'{what}'"), _plain("''"), _plain("''"), number) for what, number in numbers.items()),
        select(_plain("'registered'"), _plain("''"), _registered(tenant), _plain("0")),
        noted,
    )


def _registered(tenant: str) -> Any:
    """Definitions and schemas are only ever added; of definitions the active ones change."""
    d, s = schema.definition.c, schema.schema.c
    active = select(d.id).where(d.active, d.tenant == tenant).order_by(d.id).subquery()
    parts = (
        select(func.count(d.id)),
        select(func.aggregate_strings(cast(active.c.id, String), ",")),
        select(func.count(s.id)),
        select(func.sum(s.id)),
    )
    texts = [func.coalesce(cast(part.scalar_subquery(), String), "") for part in parts]
    return texts[0] + "/" + texts[1] + "/" + texts[2] + "/" + texts[3]


def seen(rows: Sequence[AnyRow]) -> Look:
    numbers = {row[0]: row[3] for row in rows[:6]}
    control: dict[str, dict[str, str]] = {}
    for scope, name, text, _ in rows[7:]:
        control.setdefault(scope, {})[name] = text
    return Look(
        now_us=numbers["now"],
        next_due_us=numbers["due"],
        inbox=bool(numbers["inbox"]),
        outbox=bool(numbers["outbox"]),
        letters=bool(numbers["letters"]),
        spans=bool(numbers["spans"]),
        registered=rows[6][2],
        control=control,
    )


def _is(found: Any) -> Any:
    return case((found, _plain("1")), else_=_plain("0"))


def _plain(text: str) -> Any:
    return literal_column(text)
