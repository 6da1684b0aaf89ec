"""Lists of sagas and the figures of the gauges, both from `saga_listing`.

Lists run newest first: saga ids begin with their time.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal, select

from saga_coordinator.store import schema
from saga_coordinator.store.columns import database_clock
from saga_coordinator.store.dialect import AnyRow, AnySelect, among
from saga_coordinator.store.port import SHARDS, SPANS_DUE_MOST, Figures, Listed, ListFilter
from saga_coordinator.store.query_conditions import begins_at, holders, matching, needs_attention, of_phase

MOST: Final = 500
"""Lines of one page."""
COUNTED_MOST: Final = 100_000
"""Gauges of what should be few count no further: a count must stay cheap when things go wrong."""

OWED_LOOKED_AT: Final = 200
"""Owed transitions among which the oldest is looked for."""

_T: Final = schema.saga_listing.c


def page(wanted: ListFilter, dialect: str) -> AnySelect:
    """One page and one line more, which tells whether there is another page."""
    t, s = schema.saga_listing, schema.saga
    # The version is the saga's own, which the listing does not follow.
    version = select(s.c.version).where(s.c.id == t.c.saga_id).scalar_subquery().label("version")
    query = select(t, version, begins_at().label("begins_at")).where(*_conditions(wanted, dialect))
    return query.order_by(t.c.tenant.desc(), t.c.saga_id.desc()).limit(min(wanted.limit, MOST) + 1)


def _conditions(wanted: ListFilter, dialect: str) -> list[ColumnElement[bool]]:
    found = [_T.tenant == wanted.tenant]
    if wanted.definition is not None:
        found.append(_T.definition_name == wanted.definition)
    if wanted.phase is not None:
        found.append(of_phase(wanted.phase))
    if wanted.attention is not None:
        found.append(needs_attention() if wanted.attention else _T.attention == 0)
    if wanted.key is not None:
        found.append(_T.saga_id.in_(holders(wanted.tenant, [wanted.key], wanted.definition)))
    if wanted.query is not None:
        found.append(matching(wanted.query, schema.saga_listing, dialect, wanted.tenant))
    if wanted.cursor is not None:
        found.append(_T.saga_id < read_cursor(wanted.cursor))
    return found


def cursor_after(saga_id: UUID) -> str:
    return base64.urlsafe_b64encode(saga_id.bytes).decode().rstrip("=")


def read_cursor(cursor: str) -> UUID:
    """Raises ValueError."""
    try:
        return UUID(bytes=base64.b64decode(cursor.encode("ascii") + b"==", altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        raise ValueError("the cursor is not one that a page before gave") from None


def reasons(dialect: str, ids: Sequence[UUID]) -> AnySelect:
    t = schema.attention
    return (
        select(t.c.saga_id, t.c.step, t.c.reason)
        .where(among(dialect, t.c.saga_id, ids))
        .order_by(t.c.since, t.c.step, t.c.reason)
    )


def listed(rows: Sequence[AnyRow], reasons: Sequence[AnyRow]) -> list[Listed]:
    of: dict[UUID, list[str]] = {}
    for saga_id, step, reason in reasons:
        of.setdefault(saga_id, []).append(f"{step}: {reason}" if step else reason)
    return [
        Listed(
            id=row.saga_id,
            tenant=row.tenant,
            definition=row.definition_name,
            definition_version=row.definition_version,
            business_key=row.business_key,
            phase=row.phase,
            attention=tuple(of.get(row.saga_id, ())),
            started_at_us=row.started_at,
            closed_at_us=row.closed_at,
            version=row.version or 0,
            begins_at_us=row.begins_at,
            trace_id=row.trace_id,
        )
        for row in rows
    ]


def one_page(found: Sequence[Listed], limit: int) -> tuple[list[Listed], str | None]:
    """The newest of these lines, and the cursor of the next page."""
    shown = sorted(found, key=lambda line: line.id, reverse=True)[:limit]
    return shown, cursor_after(shown[-1].id) if len(found) > limit else None


# -- figures


def open_by_phase() -> AnySelect:
    return select(_T.definition_name, _T.phase, func.count()).where(_T.closed_at.is_(None)).group_by(_T.definition_name, _T.phase)


def counts() -> AnySelect:
    earliest = select(schema.wakeup.c.due_at).order_by(schema.wakeup.c.due_at).limit(1).scalar_subquery()
    tables = (schema.outbox, schema.attention, schema.dead_letter, schema.inbox_event)
    counted = [_count(t, COUNTED_MOST).label(t.name) for t in tables]
    counted.append(_count(schema.span_due, SPANS_DUE_MOST).label("span_due"))
    return select(*counted, earliest.label("earliest"), database_clock().label("now"))


def attention_by_reason() -> AnySelect:
    few = select(schema.attention.c.reason).limit(COUNTED_MOST).subquery()
    return select(few.c.reason, func.count()).group_by(few.c.reason)


def _count(table: Any, most: int) -> Any:
    few = select(literal(1)).select_from(table).limit(most).subquery()
    return select(func.count()).select_from(few).scalar_subquery()


def oldest_of_each_shard() -> list[AnySelect]:
    t = schema.outbox
    each = [select(t.c.id).where(t.c.shard == shard).order_by(t.c.id).limit(1).subquery() for shard in range(SHARDS)]
    return [select(one.c.id) for one in each]


def oldest_owed_span() -> AnySelect:
    """When the oldest of the first owed transitions was committed: the sagas that began first stand
    first.
    """
    d, j = schema.span_due, schema.journal
    first = select(d.c.saga_id, d.c.version).order_by(d.c.saga_id, d.c.version).limit(OWED_LOOKED_AT).subquery()
    return select(func.min(j.c.at)).join(first, (j.c.saga_id == first.c.saga_id) & (j.c.version == first.c.version))


def figures(
    phases: Sequence[AnyRow], counts: AnyRow, reasons: Sequence[AnyRow], oldest: Sequence[UUID], oldest_span: int | None
) -> Figures:
    outbox, _, dead_letters, inbox, spans_due, earliest, now = counts
    return Figures(
        sagas_by_phase={(definition, phase): count for definition, phase, count in phases},
        outbox_depth=outbox,
        outbox_oldest_at_us=(min(oldest).int >> 80) * 1000 if oldest else None,
        wakeup_earliest_due_us=earliest,
        attention_by_reason=dict(reasons),
        dead_letters=dead_letters,
        inbox=inbox,
        spans_due=spans_due,
        spans_oldest_at_us=oldest_span,
        now_us=now,
    )
