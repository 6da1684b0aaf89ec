"""What the overview reads, the same on both databases, and the table of figures over time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, Executable, PrimaryKeyConstraint, bindparam, delete, func, or_, select, text

from saga_coordinator.store import schema
from saga_coordinator.store.columns import database_clock
from saga_coordinator.store.dialect import AnyRow, Insert, insert_or
from saga_coordinator.store.identifiers import first_id
from saga_coordinator.store.overview_port import LiveInstance, LongestAttention, TrafficRow
from saga_coordinator.store.table_parts import number, octets, table, words

MOST_ROWS: Final = 200_000
"""Rows of figures that are read at once."""
_COUNTED_MOST: Final = 10_000
_COLUMNS: Final = ("minute", "minutes", "instance", "kind", "name", "figures")

# Serves `traffic` and `forget_traffic`, by its key.
TRAFFIC: Final = table(
    "traffic",
    words("tenant"),
    number("minutes"),
    number("minute"),
    words("instance"),
    words("kind"),
    words("name"),
    octets("figures"),
    PrimaryKeyConstraint("tenant", "minutes", "minute", "instance", "kind", "name"),
    CheckConstraint("minutes >= 1 AND minute >= 0", name="stretch"),
    fill=70,
    by_key=True,
)
_T: Final = TRAFFIC.c


class OverviewReads(ABC):
    """The port's `Overviews`."""

    dialect: str

    @abstractmethod
    async def _rows(self, statement: Executable, values: Mapping[str, Any] | None = None) -> list[AnyRow]: ...

    @abstractmethod
    async def _write(self, statement: Executable, rows: Sequence[Mapping[str, Any]] | None = None) -> int: ...

    async def write_traffic(self, tenant: str, rows: Sequence[TrafficRow]) -> None:
        if rows:
            values = [{"tenant": tenant, **{name: getattr(row, name) for name in _COLUMNS}} for row in rows]
            await self._write(_writing(self.dialect), values)

    async def traffic(self, tenant: str, minutes: int, *, since: int, until: int) -> list[TrafficRow]:
        rows = await self._rows(_READ, {"tenant": tenant, "minutes": minutes, "since": since, "until": until})
        return [TrafficRow(**dict(zip(_COLUMNS, row, strict=True))) for row in rows]

    async def forget_traffic(self, tenant: str, before: Mapping[int, int]) -> int:
        old = or_(*((_T.minutes == minutes) & (_T.minute < minute) for minutes, minute in before.items()))
        if not await self._rows(select(_T.minute).where(_T.tenant == tenant, old).limit(1)):
            return 0
        return await self._write(delete(TRAFFIC).where(_T.tenant == tenant, old))

    async def longest_attention(self, tenant: str, limit: int) -> list[LongestAttention]:
        a, of = schema.attention.c, schema.saga_listing.c
        few = select(a.saga_id, a.step, a.reason, a.since).limit(_COUNTED_MOST).subquery()
        query = (
            select(few.c.saga_id, of.business_key, of.definition_name, of.phase, few.c.step, few.c.reason, few.c.since)
            .join(schema.saga_listing, (of.saga_id == few.c.saga_id) & (of.tenant == tenant))
            .order_by(few.c.since, few.c.saga_id, few.c.step)
            .limit(limit)
        )
        names = ("saga_id", "business_key", "definition", "phase", "step", "reason", "since_us")
        return [LongestAttention(**dict(zip(names, row, strict=True))) for row in await self._rows(query)]

    async def dead_letters_since(self, since_us: int) -> int:
        t = schema.dead_letter.c
        few = select(t.id).where(t.id >= first_id(since_us)).limit(_COUNTED_MOST).subquery()
        return int((await self._rows(select(func.count()).select_from(few)))[0][0])

    async def live_instances(self, *, stale_s: float) -> list[LiveInstance]:
        t = schema.instance.c
        live = t.seen_at >= database_clock() - int(stale_s * 1_000_000)
        rows = await self._rows(select(t.name, t.seen_at).where(live).order_by(t.name))
        return [LiveInstance(name=name, seen_at_us=seen_at) for name, seen_at in rows]

    async def open_saga_ids(self, tenant: str, limit: int) -> list[UUID]:
        t = schema.saga_listing.c
        are_open = (t.tenant == tenant, t.phase.in_(schema.BEGUN_PHASES), t.closed_at.is_(None))
        query = select(t.saga_id).where(*are_open)
        ordered = query.order_by(t.tenant, t.phase, t.definition_name, t.definition_version, t.saga_id)
        return [row[0] for row in await self._rows(ordered.limit(limit))]

    async def size_bytes(self) -> int:
        return int((await self._rows(text(_SIZE[self.dialect])))[0][0])


_SIZE: Final = {
    "postgresql": "SELECT pg_database_size(current_database())",
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
}
_READ: Final = (
    select(*[_T[name] for name in _COLUMNS])
    .where(
        _T.tenant == bindparam("tenant"),
        _T.minutes == bindparam("minutes"),
        _T.minute >= bindparam("since"),
        _T.minute < bindparam("until"),
    )
    .order_by(_T.minute)
    .limit(MOST_ROWS)
)


@cache
def _writing(dialect: str) -> Insert:
    """One row, written over what stands there. Its values are the statement's parameters."""
    new = insert_or(dialect, TRAFFIC, {column.name: bindparam(column.name) for column in _T})
    return new.on_conflict_do_update(
        index_elements=["tenant", "minutes", "minute", "instance", "kind", "name"], set_={"figures": new.excluded.figures}
    )
