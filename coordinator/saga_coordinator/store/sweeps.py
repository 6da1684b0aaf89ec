"""The statements of sweeps and lost effects, the same on both databases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CompoundSelect,
    Executable,
    String,
    case,
    cast,
    delete,
    exists,
    false,
    func,
    literal,
    select,
    text,
    tuple_,
    union_all,
    update,
)

from saga_coordinator.store import recovering, schema
from saga_coordinator.store.columns import Id, Number, database_clock
from saga_coordinator.store.dialect import AnySelect, among, among_given, insert_ignoring, insert_into, insert_or
from saga_coordinator.store.finished import FinishedReads
from saga_coordinator.store.horizon import HORIZON
from saga_coordinator.store.identifiers import first_id
from saga_coordinator.store.port import CountMismatch, StartClaim
from saga_coordinator.store.removal import UP_TO as REMOVED_UP_TO
from saga_coordinator.store.removal import Removals
from saga_coordinator.store.removal_port import REMOVED_SCOPE
from saga_coordinator.store.rows import column_of, read
from saga_coordinator.store.sweep_records import ADOPTING, LostEffect, ParticipantSweep, Place, StartIds
from saga_coordinator.store.sweep_tables import OPEN, UNDOING, UNDONE, UNSETTLED, lost_effect, sweep
from saga_schemas.horizon import Horizon
from saga_schemas.ids import uuid7_unix_ms

_S: Final = sweep.c
_L: Final = lost_effect.c
_EFFECT_FIELDS: Final = tuple(field.name for field in fields(LostEffect))
_EFFECT: Final = [_L[column_of(name)] for name in _EFFECT_FIELDS]
_OF_ROW: Final = ("run", "state", "definition_hash", "command", "reply_record", "reply")
"""What an effect has of its participant's row."""
_KEY: Final = ("saga_id", "step", "participant")
_NOW: Final = "now"
_REMOVED: Final = "removed"
_TAKEN: Final = "taken"
_ADOPTED: Final = "adopted"
_FROM: Final = "from"
_IDS: Final = "ids"


class SweepReads(FinishedReads, ABC):
    """The port's `SweptStore`."""

    dialect: str

    @abstractmethod
    async def _write(self, statement: Executable, rows: Sequence[Mapping[str, Any]] | None = None) -> int: ...

    async def sweeps(self, tenant: str) -> list[ParticipantSweep]:
        return [read(swept_row, row, "sweep") for row in await self._rows(sweeps_of(tenant))]

    async def begin_sweeps(self, tenant: str, incarnation: int, participants: Collection[str]) -> None:
        await self._write(recovering.swept(self.dialect, tenant, 0))
        for name in sorted(participants):
            nothing_told = [literal(value, Number) for value in (incarnation, 0, 0, 0)]
            current = select(literal(tenant), literal(name), *nothing_told).where(schema.meta.c.incarnation == incarnation)
            columns = ["tenant", "participant", "incarnation", "told", "asked_at", "asks"]
            await self._write(insert_into(self.dialect, sweep).from_select(columns, current).on_conflict_do_nothing())

    async def ask_sweep(self, tenant: str, one: ParticipantSweep) -> bool:
        as_it_was = (*_is(tenant, one), _S.asked_at == one.asked_at_us)
        asked = update(sweep).where(*as_it_was).values(asked_at=database_clock(), asks=_S.asks + 1)
        return await self._write(asked) == 1

    async def sweeps_done(self, tenant: str, incarnation: int, participants: Collection[str]) -> bool:
        done = {one.participant for one in await self.sweeps(tenant) if one.done_at_us is not None}
        return set(participants) <= done and await self._write(recovering.swept(self.dialect, tenant, incarnation)) == 1

    async def lost_effects(self, tenant: str, *, settled: bool) -> list[LostEffect]:
        return [read(effect_row, row, "lost_effect") for row in await self._rows(effects_of(tenant, settled=settled))]

    async def undoing(self, tenant: str, limit: int) -> list[LostEffect]:
        query = select(*_EFFECT).where(_L.tenant == tenant, _L.status == UNDOING).order_by(_L.asked_at).limit(limit)
        return [read(effect_row, row, "lost_effect") for row in await self._rows(query)]

    async def ask_undo(self, effect: LostEffect) -> bool:
        as_it_was = (*_key_is(effect), _L.status == UNDOING, _L.asked_at == effect.asked_at_us, _L.run == effect.run)
        return await self._write(update(lost_effect).where(*as_it_was).values(asked_at=database_clock(), asks=_L.asks + 1)) == 1

    async def lost_counts(self, tenant: str) -> Mapping[str, int]:
        return {row[0]: row[1] for row in await self._rows(unsettled_of(tenant))}

    async def open_beside_sagas(self, tenant: str) -> list[tuple[LostEffect, int]]:
        s = schema.saga.c
        unowned = (_L.tenant == tenant, _L.status == OPEN, _L.beside == false())
        query = select(*_EFFECT, s.definition_id).join(schema.saga, s.id == _L.saga_id).where(*unowned)
        return [(read(effect_row, row[:-1], "lost_effect"), row[-1]) for row in await self._rows(query)]

    async def start_ids(self, tenant: str, ids: Collection[UUID]) -> StartIds:
        found: dict[str, set[UUID]] = {_TAKEN: set(), _ADOPTED: set(), _FROM: set()}
        texts: dict[str, str] = {}
        for id, what, value in await self._rows(_start_ids(self.dialect, tenant), {_IDS: list(ids)}):
            if what in found:
                found[what].add(id)
            else:
                texts[what] = value
        removed = texts.get(_REMOVED, "")
        return StartIds(
            now_us=int(texts[_NOW]),
            starts_from_ms=max(map(uuid7_unix_ms, found[_FROM]), default=0),
            removed_until_ms=int(removed) if removed.isascii() and removed.isdecimal() else 0,
            taken=frozenset(found[_TAKEN]),
            adopted=frozenset(found[_ADOPTED]),
        )


def sweeps_of(tenant: str) -> AnySelect:
    """Each participant's, by name."""
    return select(sweep).where(_S.tenant == tenant).order_by(_S.participant)


def effects_of(tenant: str, *, settled: bool) -> AnySelect:
    """Those of one saga together."""
    query = select(*_EFFECT).where(_L.tenant == tenant).order_by(_L.saga_id, _L.step, _L.participant)
    return query if settled else query.where(_L.status.in_(UNSETTLED))


def unsettled_of(tenant: str) -> AnySelect:
    """How many are not settled, by status."""
    return select(_L.status, func.count()).where(_L.tenant == tenant, _L.status.in_(UNSETTLED)).group_by(_L.status)


@cache  # every poll of starts asks it
def _start_ids(dialect: str, tenant: str) -> CompoundSelect[*tuple[Any, ...]]:
    """Rows of (id, what, text)."""
    s, r, c = schema.saga.c, schema.start_request.c, schema.control.c
    nobody, nothing = literal(UUID(int=0), Id()), literal("")
    asked_for = exists().where(r.saga_id == s.id, r.source != ADOPTING)
    here = case((asked_for, literal(_TAKEN)), else_=literal(_ADOPTED))
    undone = _L.status.in_((UNDOING, UNDONE))
    removed = (c.scope == REMOVED_SCOPE, c.tenant == tenant, c.name == REMOVED_UP_TO)
    return union_all(
        select(nobody, literal(_NOW), cast(database_clock(), String)),
        select(HORIZON.c.starts_from, literal(_FROM), nothing),
        select(nobody, literal(_REMOVED), c.value).where(*removed),
        select(s.id, here, nothing).where(among_given(dialect, s.id, _IDS)),
        select(_L.saga_id, literal(_TAKEN), nothing).where(among_given(dialect, _L.saga_id, _IDS), undone),
    )


class SweepWrites(Removals, ABC):
    """The port's `Sweeping`."""

    async def move_sweep(self, tenant: str, before: ParticipantSweep, *, after: Place | None, told: int) -> bool:
        values: dict[str, Any] = {"told": _S.told + told, "asked_at": 0, "asks": 0}
        if after is None:
            values["done_at"] = literal(self.now_us, Number)
        else:
            values |= {"after_saga": after[0], "after_step": after[1]}
        return (await self.execute(update(sweep).where(*_is(tenant, before)).values(**values))).rowcount == 1

    async def skip_sweep(self, tenant: str, participant: str, why: str) -> bool:
        found = update(sweep).where(_S.tenant == tenant, _S.participant == participant, _S.done_at.is_(None))
        return (await self.execute(found.values(done_at=literal(self.now_us, Number), skipped=why))).rowcount == 1

    async def definitions_of(self, ids: Collection[UUID]) -> Mapping[UUID, int]:
        s = schema.saga.c
        rows = await self.execute(select(s.id, s.definition_id).where(among(self._dialect, s.id, ids))) if ids else ()
        return {row[0]: row[1] for row in rows}

    async def add_lost(self, tenant: str, effects: Sequence[LostEffect]) -> None:
        for effect in effects:
            new = insert_or(self._dialect, lost_effect, {"tenant": tenant, **_columns_of(effect)})
            as_told = {name: new.excluded[name] for name in _OF_ROW}
            await self.execute(new.on_conflict_do_update(index_elements=_KEY, set_=as_told, where=_L.status == OPEN))

    async def lost_of(self, tenant: str, saga_id: UUID) -> list[LostEffect]:
        query = select(*_EFFECT).where(_L.tenant == tenant, _L.saga_id == saga_id).order_by(_L.step, _L.participant)
        return [read(effect_row, row, "lost_effect") for row in await self.execute(query.with_for_update())]

    async def undoing_of(self, tenant: str, ids: Collection[UUID]) -> list[LostEffect]:
        of_these = (_L.tenant == tenant, _L.status == UNDOING, among(self._dialect, _L.saga_id, sorted(ids)))
        query = select(*_EFFECT).where(*of_these).order_by(_L.saga_id, _L.step, _L.participant)
        return [read(effect_row, row, "lost_effect") for row in await self.execute(query.with_for_update())]

    async def settle_lost(self, before: LostEffect, after: LostEffect) -> None:
        was, now = _columns_of(before), _columns_of(after)
        changes = {name: value for name, value in now.items() if value != was[name]}
        written = await self.execute(update(lost_effect).where(*_key_is(before), _L.status == before.status).values(**changes))
        if written.rowcount != 1:
            raise CountMismatch("a lost effect is not as it was when it was locked")

    async def remove_settled(self, tenant: str, horizon: Horizon, before_us: int, limit: int) -> int:
        """Along the primary key, which begins with the saga's id."""
        covered = (_L.saga_id < first_id(horizon.below_ms * 1000), _L.saga_id.not_in(sorted(horizon.exceptions)))
        of_these = (_L.tenant == tenant, _L.settled_at < before_us, *covered)
        key = [_L[name] for name in _KEY]
        due = select(*key).where(*of_these).order_by(*key).limit(limit)
        return (await self.execute(delete(lost_effect).where(tuple_(*key).in_(due)))).rowcount

    async def hold_starts(self) -> None:
        if self._dialect == "postgresql":  # every start claims its request id before it does anything else
            await self.execute(text("LOCK TABLE start_request IN SHARE MODE"))

    async def undone_of(self, ids: Collection[UUID]) -> set[UUID]:
        query = select(_L.saga_id, _L.status).where(among(self._dialect, _L.saga_id, sorted(ids))).order_by(_L.saga_id, _L.step)
        rows = await self.execute(query.with_for_update(read=True))
        return {saga_id for saga_id, status in rows if status in (UNDOING, UNDONE)}

    async def bind_starts(self, claims: Sequence[StartClaim]) -> None:
        for claim in claims:
            row = {"tenant": claim.tenant, "source": claim.source, "request_id": claim.request_id}
            bound = {**row, "saga_id": claim.saga_id, "body_hash": claim.body_hash}
            await self.execute(insert_ignoring(self._dialect, schema.start_request, bound))


def _is(tenant: str, one: ParticipantSweep) -> tuple[Any, ...]:
    """It is where it was."""
    saga, step = one.after or (None, None)
    place = (_S.after_saga.is_(None),) if saga is None else (_S.after_saga == saga, _S.after_step == step)
    return (
        _S.tenant == tenant,
        _S.participant == one.participant,
        _S.incarnation == one.incarnation,
        _S.done_at.is_(None),
        *place,
    )


def _key_is(effect: LostEffect) -> tuple[Any, ...]:
    return tuple(_L[name] == getattr(effect, name) for name in _KEY)


def _columns_of(effect: LostEffect) -> dict[str, Any]:
    return {column_of(name): getattr(effect, name) for name in _EFFECT_FIELDS}


def swept_row(row: Any) -> ParticipantSweep:
    return ParticipantSweep(
        participant=row.participant,
        incarnation=row.incarnation,
        after=None if row.after_saga is None else (row.after_saga, row.after_step),
        told=row.told,
        asked_at_us=row.asked_at,
        asks=row.asks,
        done_at_us=row.done_at,
        skipped=row.skipped,
    )


def effect_row(row: Sequence[Any]) -> LostEffect:
    values = dict(zip(_EFFECT_FIELDS, row, strict=True))
    return LostEffect(**{**values, "beside": bool(values["beside"])})
