"""The horizon: its tables, and what both databases do alike about it.

Two numbers stand in one row. `starts_from` is raised first, and from its commit on no saga starts
with a lower id (`INSERT_SAGA` looks). `below` follows up to there, a bounded step at a time, each
with the exceptions that one statement finds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ColumnElement, Executable, PrimaryKeyConstraint, and_, or_, select, union, update

from saga_coordinator.store import recovering, schema
from saga_coordinator.store.columns import database_clock
from saga_coordinator.store.dialect import AnyRow, AnySelect, among, insert_or
from saga_coordinator.store.horizon_choice import choose
from saga_coordinator.store.horizon_port import ParticipantMemory, Raise, Raised, StoredHorizon
from saga_coordinator.store.identifiers import first_id
from saga_coordinator.store.sweep_tables import lost_effect
from saga_coordinator.store.table_parts import id_, number, octets, table, words
from saga_coordinator.store.transaction_part import TransactionPart
from saga_schemas.horizon import Horizon
from saga_schemas.ids import uuid7_unix_ms

_ID_BYTES: Final = 16

HORIZON: Final = table(
    "horizon",
    number("id"),
    id_("starts_from"),
    number("below"),
    octets("exceptions"),
    number("stored_at"),
    number("announced_at", nullable=True),
    PrimaryKeyConstraint("id"),
    CheckConstraint("id = 1", name="one_row"),
    CheckConstraint(f"below >= 0 AND length(exceptions) % {_ID_BYTES} = 0", name="exceptions"),
)

PARTICIPANT_MEMORY: Final = table(
    "participant_memory",
    words("participant"),
    number("below"),
    number("heard_at"),
    PrimaryKeyConstraint("participant"),
    by_key=True,
)

_H: Final = HORIZON.c
_M: Final = PARTICIPANT_MEMORY.c


class HorizonReads(ABC):
    """The port's `Horizons`, but for what is under way."""

    @abstractmethod
    async def _rows(self, statement: Executable, values: Mapping[str, Any] | None = None) -> list[AnyRow]: ...

    @abstractmethod
    async def _write(self, statement: Executable, rows: Sequence[Mapping[str, Any]] | None = None) -> int: ...

    async def horizon(self, tenant: str) -> StoredHorizon:
        found = await self._rows(select(HORIZON))
        return _stored(found, await self._rows(_recovery(tenant)))

    async def starts_under_way(self) -> frozenset[str]:
        return frozenset()

    async def any_saga_below(self, below_ms: int) -> bool:
        s = schema.saga.c.id
        return bool(await self._rows(select(s).where(s < first_id(below_ms * 1000)).order_by(s).limit(1)))

    async def note_announced(self) -> None:
        await self._write(update(HORIZON).values(announced_at=database_clock()))

    async def participant_memories(self) -> dict[str, ParticipantMemory]:
        rows = await self._rows(select(_M.participant, _M.below, _M.heard_at))
        return {name: ParticipantMemory(participant=name, below_ms=below, heard_at_us=at) for name, below, at in rows}


class HorizonWrites(TransactionPart):
    """The port's `RaisingHorizon`."""

    _adopted: set[UUID]
    """Sagas that may begin although no other starts there."""

    async def horizon(self, tenant: str) -> StoredHorizon:
        found = list(await self.execute(select(HORIZON).with_for_update()))
        return _stored(found, list(await self.execute(_recovery(tenant))))

    async def refuse_starts_below(self, below_ms: int) -> int:
        row = {"id": 1, "starts_from": first_id(below_ms * 1000), "below": 0, "exceptions": b"", "stored_at": 0}
        new = insert_or(self._dialect, HORIZON, row)
        higher = {"starts_from": new.excluded.starts_from}
        await self.execute(
            new.on_conflict_do_update(index_elements=["id"], set_=higher, where=_H.starts_from < new.excluded.starts_from)
        )
        return uuid7_unix_ms((await self.execute(select(_H.starts_from))).scalar_one())

    async def raise_horizon(self, stored: StoredHorizon, by: Raise) -> Raised:
        before = stored.horizon
        target_ms = await self._step_to(before.below_ms, max(before.below_ms, by.up_to_ms), by.sagas)
        query = _exceptions(self._dialect, before, target_ms, by.ended_before_us).limit(by.limit + 1)
        chosen = choose(target_ms, [row[0] for row in await self.execute(query)], by.limit)
        if chosen.below_ms < before.below_ms:  # what was announced stays true
            return Raised(below_ms=before.below_ms, exceptions=len(before.exceptions), held_back=True, complete=True)
        await self.execute(
            update(HORIZON)
            .where(_H.below <= chosen.below_ms)
            .values(
                below=chosen.below_ms,
                exceptions=b"".join(id.bytes for id in chosen.exceptions),
                stored_at=self.now_us,
            )
        )
        return Raised(
            below_ms=chosen.below_ms,
            exceptions=len(chosen.exceptions),
            held_back=chosen.held_back,
            complete=chosen.held_back or target_ms >= by.up_to_ms,
        )

    async def _step_to(self, from_ms: int, to_ms: int, sagas: int) -> int:
        """Up to where a step goes that looks at so many sagas, or a millisecond's."""
        s = schema.saga.c.id
        behind = select(s).where(*_between(s, from_ms, to_ms)).order_by(s).offset(sagas).limit(1)
        last = (await self.execute(behind)).scalar_one_or_none()
        return to_ms if last is None else max(uuid7_unix_ms(last), from_ms + 1)

    async def let_adopt(self, tenant: str, saga_id: UUID) -> bool:
        if (await self.horizon(tenant)).horizon.covers(saga_id):
            return False
        self._adopted.add(saga_id)
        return True

    async def note_heard(self, heard: Sequence[ParticipantMemory]) -> None:
        for one in heard:
            row = {"participant": one.participant, "below": one.below_ms, "heard_at": one.heard_at_us}
            new = insert_or(self._dialect, PARTICIPANT_MEMORY, row)
            said = {name: new.excluded[name] for name in ("below", "heard_at")}
            await self.execute(new.on_conflict_do_update(index_elements=["participant"], set_=said))


def _stored(found: Sequence[AnyRow], recovery: Sequence[AnyRow]) -> StoredHorizon:
    held = recovering.is_open({row[0]: row[1] for row in recovery})
    if not found:
        nothing = Horizon(below_ms=0, exceptions=frozenset())
        return StoredHorizon(starts_from_ms=0, horizon=nothing, stored_at_us=0, announced_at_us=None, recovering=held)
    row = found[0]
    return StoredHorizon(
        starts_from_ms=uuid7_unix_ms(row.starts_from),
        horizon=Horizon(below_ms=row.below, exceptions=frozenset(_ids(row.exceptions))),
        stored_at_us=row.stored_at,
        announced_at_us=row.announced_at,
        recovering=held,
    )


def _ids(exceptions: bytes) -> Iterator[UUID]:
    return (UUID(bytes=exceptions[at : at + _ID_BYTES]) for at in range(0, len(exceptions), _ID_BYTES))


def _recovery(tenant: str) -> AnySelect:
    """What says whether a restore is still being dealt with."""
    c = schema.control.c
    return select(c.name, c.value).where(c.scope == recovering.SCOPE, c.tenant == tenant)


# --- exceptions -----------------------------------------------------------------------------------


def _exceptions(dialect: str, before: Horizon, to_ms: int, ended_before_us: int) -> Any:
    """The ids of all exceptions of a horizon at `to_ms`, in order.

    Below the horizon that is stored, only its own exceptions may be among them. All sources are
    read by one statement, so that a saga which goes from one to another is found in one of them.
    """
    ids = [source(dialect, before, to_ms, ended_before_us) for source in _SOURCES]
    whole = union(*ids).subquery()
    return select(whole.c.id).order_by(whole.c.id)


def _old_exceptions(dialect: str, before: Horizon, to_ms: int, ended_before_us: int) -> AnySelect:
    """Of the sagas that were exceptions, those that stay it."""
    s = schema.saga.c
    return select(s.id.label("id")).where(among(dialect, s.id, sorted(before.exceptions)), _unfinished(ended_before_us))


def _sagas_between(dialect: str, before: Horizon, to_ms: int, ended_before_us: int) -> AnySelect:
    """Those of the sagas that the horizon passes now."""
    s = schema.saga.c
    return select(s.id.label("id")).where(*_between(s.id, before.below_ms, to_ms), _unfinished(ended_before_us))


def _unfinished(ended_before_us: int) -> ColumnElement[bool]:
    """Open, or ended no longer ago than the lag."""
    s = schema.saga.c
    return or_(s.closed_at.is_(None), s.closed_at >= ended_before_us)


def _lost_effects(dialect: str, before: Horizon, to_ms: int, ended_before_us: int) -> AnySelect:
    """Sagas that are not here, of whose effects one is not settled, or was no longer ago than the
    lag.
    """
    e = lost_effect.c
    left = or_(e.settled_at.is_(None), e.settled_at >= ended_before_us)
    near = or_(among(dialect, e.saga_id, sorted(before.exceptions)), and_(*_between(e.saga_id, before.below_ms, to_ms)))
    return select(e.saga_id.label("id")).where(near, left)


_SOURCES: Final = (_old_exceptions, _sagas_between, _lost_effects)
"""What nobody may forget yet, each as a statement of its own."""


def _between(column: ColumnElement[Any], from_ms: int, to_ms: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return column >= first_id(from_ms * 1000), column < first_id(to_ms * 1000)
