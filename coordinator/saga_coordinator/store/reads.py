"""What both stores do alike outside transactions: reading, by SQLAlchemy Core, each statement in a
transaction of its own.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Executable, exists, literal, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from saga_coordinator.store import imported, listing, recovering, revisions, schema
from saga_coordinator.store.auditing import AuditingReads
from saga_coordinator.store.batches import BatchReads
from saga_coordinator.store.columns import database_clock
from saga_coordinator.store.dialect import AnyRow, AnySelect, among, noting
from saga_coordinator.store.examining import ExaminingReads
from saga_coordinator.store.faults import CLOSED, translated
from saga_coordinator.store.horizon import HorizonReads
from saga_coordinator.store.identifiers import first_id
from saga_coordinator.store.journal import COLUMNS as JOURNAL
from saga_coordinator.store.journal import journal_rows, select_journal
from saga_coordinator.store.look import Look, look, seen
from saga_coordinator.store.oversight import OversightReads
from saga_coordinator.store.overview import OverviewReads
from saga_coordinator.store.pausing import PauseReads
from saga_coordinator.store.port import (
    SHARDS,
    AttentionRow,
    DeadLetter,
    DefinitionRow,
    Figures,
    First,
    ImportedSaga,
    JournalRow,
    Meta,
    OutboxRow,
    Position,
    SagaRow,
    SchemaRow,
    StoreError,
    Transaction,
)
from saga_coordinator.store.queries import QueryReads
from saga_coordinator.store.rows import (
    SAGA_COLUMNS,
    attention_row,
    dead_letter,
    definition_row,
    journal_row,
    outbox_row,
    position,
    read,
    saga_row,
    schema_row,
)
from saga_coordinator.store.schedules import ScheduleReads
from saga_coordinator.store.sweeps import SweepReads

_SAGA: Final = [schema.saga.c[name] for name in SAGA_COLUMNS]


class SqlStore(
    SweepReads,
    HorizonReads,
    OversightReads,
    OverviewReads,
    QueryReads,
    PauseReads,
    BatchReads,
    ScheduleReads,
    ExaminingReads,
    AuditingReads,
):
    """The port's `Store`, but for opening, transactions and locks."""

    dialect: str

    def __init__(self, engine: AsyncEngine, token: str) -> None:
        """`token`: what this process is told apart by from others of its instance's name."""
        self._engine = engine
        self._token = token
        self._stopped = False

    @abstractmethod
    async def _open(self) -> None:
        """Connect, or raise."""

    @abstractmethod
    def transaction(self, first: First | None = None) -> AbstractAsyncContextManager[Transaction]: ...

    async def start(self) -> None:
        self._stopped = False
        try:
            with translated():
                await self._open()
                async with self._engine.connect() as connection:
                    await revisions.check(connection)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        self._stopped = True
        await self._engine.dispose()

    def _must_be_open(self) -> None:
        if self._stopped:
            raise StoreError(CLOSED)

    async def upgrade(self) -> str:
        with translated():
            return await revisions.upgrade(self._engine.url)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        """A pooled connection; only getting it is translated, what happens inside is the
        caller's."""
        self._must_be_open()
        connecting = self._engine.connect()
        with translated():
            connection = await connecting.__aenter__()
        try:
            yield connection
        finally:
            await connecting.__aexit__(None, None, None)  # shielded: a cancelled task still gives it back

    async def _rows(self, statement: Executable, values: Mapping[str, Any] | None = None) -> list[AnyRow]:
        with translated():
            async with self._connected() as connection:
                return list(await connection.execute(statement, values))

    async def _write(self, statement: Executable, rows: Sequence[Mapping[str, Any]] | None = None) -> int:
        """One small statement of its own, such as a heartbeat; how many rows it touched."""
        with translated():
            async with self._connected() as connection:
                return (await connection.execute(statement, rows)).rowcount

    async def now_us(self) -> int:
        return int((await self._rows(select(database_clock())))[0][0])

    async def meta(self) -> Meta:
        rows = await self._rows(select(schema.meta))
        if not rows:
            raise StoreError("table meta is empty: this database was never set up; run `saga db upgrade`")
        row = rows[0]
        return Meta(
            cluster_id=row.cluster_id,
            kafka_cluster_id=row.kafka_cluster_id,
            incarnation=row.incarnation,
            feature_level=row.feature_level,
            schema_rev=revisions.head(),
            token_key=row.token_key,
        )

    async def set_kafka_cluster(self, kafka_cluster_id: str) -> None:
        await self._write(update(schema.meta).values(kafka_cluster_id=kafka_cluster_id))

    # -- timers

    async def due(self, limit: int) -> list[UUID]:
        t, e = schema.wakeup, schema.inbox_event
        older = e.alias()
        first = ~exists().where(older.c.saga_id == e.c.saga_id, older.c.id < e.c.id)  # one saga's many take no other's place
        left = select(e.c.saga_id).where(first).order_by(e.c.id).limit(limit)
        passed = (
            select(t.c.saga_id).where(t.c.due_at <= select(database_clock()).scalar_subquery()).order_by(t.c.due_at).limit(limit)
        )
        found = [*(await self._rows(left)), *(await self._rows(passed))]
        return list(dict.fromkeys(row[0] for row in found))[:limit]

    async def earliest_due_in_s(self) -> float | None:
        first = select(schema.wakeup.c.due_at).order_by(schema.wakeup.c.due_at).limit(1).scalar_subquery()
        left = select(schema.inbox_event.c.id).limit(1).scalar_subquery()
        due_at, now_us, event = (await self._rows(select(first, database_clock(), left)))[0]
        if event is not None:
            return 0.0
        return None if due_at is None else max(0.0, (due_at - now_us) / 1_000_000)

    # -- relay

    async def outbox_shards(self, before_us: int) -> list[int]:
        t = schema.outbox
        not_empty = [
            select(literal(shard)).where(exists().where(t.c.shard == shard, t.c.id < first_id(before_us)))
            for shard in range(SHARDS)
        ]
        return [shard for (shard,) in await self._rows(union_all(*not_empty))]

    async def outbox_older_than(self, shard: int, before_us: int, limit: int) -> list[OutboxRow]:
        t = schema.outbox
        first_later = first_id(before_us)
        columns = (t.c.shard, t.c.id, t.c.saga_id, t.c.version, t.c.ord)
        query = select(*columns).where(t.c.shard == shard, t.c.id < first_later).order_by(t.c.id).limit(limit)
        return [read(outbox_row, row, "outbox") for row in await self._rows(query)]

    async def journal_facts(self, keys: Collection[tuple[UUID, int]]) -> dict[tuple[UUID, int], JournalRow]:
        return journal_rows(await self._rows(select_journal(keys))) if keys else {}

    async def positions(self, topics: Collection[str]) -> dict[tuple[str, int], Position]:
        t = schema.consumed
        rows = await self._rows(select(t).where(t.c.topic.in_(list(topics))))
        found = [read(position, row, "consumed") for row in rows]
        return {(one.topic, one.partition): one for one in found}

    async def control(self, scope: str, tenant: str) -> Mapping[str, str]:
        t = schema.control
        rows = await self._rows(select(t.c.name, t.c.value).where(t.c.scope == scope, t.c.tenant == tenant))
        return {row[0]: row[1] for row in rows}

    async def recovering(self) -> dict[str, int]:
        rows = await self._rows(recovering.counts())
        return {row[0]: row[1] for row in rows}

    async def end_recovery(self, tenant: str, incarnation: int) -> bool:
        return await self._write(recovering.ending(self.dialect, tenant, incarnation)) == 1

    async def note(self, scope: str, tenant: str, values: Mapping[str, str], *, who: str, why: str) -> None:
        rows = [
            {"scope": scope, "tenant": tenant, "name": name, "value": values[name], "who": who, "why": why}
            for name in sorted(values)
        ]
        await self._write(noting(self.dialect), rows)

    async def look(self, tenant: str, scopes: frozenset[str]) -> Look:
        return seen(await self._rows(look(tenant, scopes)))

    # -- sagas

    async def saga(self, saga_id: UUID) -> SagaRow | None:
        rows = await self._rows(select(*_SAGA).where(schema.saga.c.id == saga_id))
        return read(saga_row, rows[0], "saga") if rows else None

    async def imported(self, tenant: str, ids: Collection[UUID]) -> dict[UUID, ImportedSaga]:
        rows = await self._rows(imported.of(tenant, list(ids))) if ids else []
        found = [read(imported.imported_saga, row, "imported") for row in rows]
        return {one.line.id: one for one in found}

    async def journal(self, saga_id: UUID, *, after: int, limit: int) -> list[JournalRow]:
        t = schema.journal
        query = select(*JOURNAL).where(t.c.saga_id == saga_id, t.c.version > after).order_by(t.c.version).limit(limit)
        return [read(journal_row, row, "journal") for row in await self._rows(query)]

    async def attention_of(self, saga_id: UUID) -> list[AttentionRow]:
        return (await self.attentions([saga_id])).get(saga_id, [])

    async def attentions(self, ids: Collection[UUID]) -> dict[UUID, list[AttentionRow]]:
        t = schema.attention
        query = select(t.c.saga_id, t.c.step, t.c.reason, t.c.since, t.c.note).where(among(self.dialect, t.c.saga_id, ids))
        found: dict[UUID, list[AttentionRow]] = {}
        for row in await self._rows(query.order_by(t.c.step, t.c.reason)) if ids else ():
            one = read(attention_row, row, "attention")
            found.setdefault(one.saga_id, []).append(one)
        return found

    # -- definitions and schemas

    async def definitions(self, tenant: str) -> list[DefinitionRow]:
        t = schema.definition
        return await self._definitions(select(t).where(t.c.tenant == tenant).order_by(t.c.name, t.c.version))

    async def definition_rows(self, ids: Collection[int]) -> list[DefinitionRow]:
        t = schema.definition
        return await self._definitions(select(t).where(among(self.dialect, t.c.id, ids)).order_by(t.c.id)) if ids else []

    async def _definitions(self, query: AnySelect) -> list[DefinitionRow]:
        return [read(definition_row, row, "definition") for row in await self._rows(query)]

    async def open_definition_ids(self) -> set[int]:
        d, open_sagas = schema.definition, schema.saga_listing.alias("open")
        is_open = (
            select(literal(1))
            .where(
                open_sagas.c.closed_at.is_(None),
                open_sagas.c.tenant == d.c.tenant,
                open_sagas.c.phase.in_(schema.OPEN_PHASES),
                open_sagas.c.definition_name == d.c.name,
                open_sagas.c.definition_version == d.c.version,
            )
            .exists()
        )
        return {row[0] for row in await self._rows(select(d.c.id).where(is_open))}

    async def schemas(self) -> list[SchemaRow]:
        t = schema.schema
        rows = await self._rows(select(t.c.id, t.c.subject, t.c.version, t.c.document).order_by(t.c.subject, t.c.version))
        return [read(schema_row, row, "schema") for row in rows]

    # -- what could not be applied, and what is watched

    async def dead_letters(self, *, before: UUID | None, limit: int) -> list[DeadLetter]:
        t = schema.dead_letter
        query = select(t).order_by(t.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(t.c.id < before)
        return [read(dead_letter, row, "dead_letter") for row in await self._rows(query)]

    async def unrelayed_dead_letters(self, *, after: UUID | None, limit: int) -> list[DeadLetter]:
        t = schema.dead_letter
        query = select(t).where(~t.c.relayed).order_by(t.c.id).limit(limit)
        if after is not None:
            query = query.where(t.c.id > after)
        return [read(dead_letter, row, "dead_letter") for row in await self._rows(query)]

    async def dead_letters_of(self, key: bytes, *, since_us: int, limit: int) -> list[DeadLetter]:
        t = schema.dead_letter
        query = select(t).where(t.c.id >= first_id(since_us), t.c.key == key).order_by(t.c.id.desc()).limit(limit)
        return [read(dead_letter, row, "dead_letter") for row in await self._rows(query)]

    async def dead_letter(self, id: UUID) -> DeadLetter | None:
        rows = await self._rows(select(schema.dead_letter).where(schema.dead_letter.c.id == id))
        return read(dead_letter, rows[0], "dead_letter") if rows else None

    async def figures(self) -> Figures:
        counts = (await self._rows(listing.counts()))[0]
        phases = await self._rows(listing.open_by_phase()) if counts.earliest is not None else []  # every open saga has a wake-up
        oldest = [row[0] for row in await self._rows(union_all(*listing.oldest_of_each_shard()))] if counts.outbox else []
        reasons = await self._rows(listing.attention_by_reason()) if counts.attention else []
        owed = (await self._rows(listing.oldest_owed_span()))[0][0] if counts.span_due else None
        return listing.figures(phases, counts, reasons, oldest, owed)

    # -- spans

    async def spans_due(self, *, after: UUID | None, limit: int) -> list[tuple[UUID, int]]:
        t = schema.span_due
        page = select(t.c.saga_id, t.c.version).order_by(t.c.saga_id, t.c.version).limit(limit)
        rows = await self._rows(page if after is None else page.where(t.c.saga_id > after))
        return [(saga_id, version) for saga_id, version in rows]

    async def sagas(self, ids: Collection[UUID]) -> dict[UUID, SagaRow]:
        if not ids:
            return {}
        found = await self._rows(select(*_SAGA).where(among(self.dialect, schema.saga.c.id, ids)))
        rows = [read(saga_row, row, "saga") for row in found]
        return {row.id: row for row in rows}

    async def saga_ids(self, tenant: str, definitions: Collection[int], *, after: UUID | None, limit: int) -> list[UUID]:
        s = schema.saga.c
        of_these = (s.tenant == tenant, among(self.dialect, s.definition_id, definitions))
        query = select(s.id).where(*of_these).order_by(s.id).limit(limit)
        return [row[0] for row in await self._rows(query if after is None else query.where(s.id > after))]

    async def journals(self, ids: Collection[UUID]) -> dict[UUID, list[JournalRow]]:
        t = schema.journal
        journals: dict[UUID, list[JournalRow]] = {id: [] for id in ids}
        if not ids:
            return journals
        query = select(*JOURNAL).where(among(self.dialect, t.c.saga_id, ids)).order_by(t.c.saga_id, t.c.version)
        for row in await self._rows(query):
            record = read(journal_row, row, "journal")
            journals[record.saga_id].append(record)
        return journals
