"""What a transaction does alike on both databases: it collects hot writes and sends them together,
and it counts what they touched.

Writes wait in `_pending` until something must be read, the position is moved or the transaction
ends: a usual batch is then one statement. So a wrong count may show only there; the transaction is
rolled back either way.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from saga_coordinator.store import imported, recovering, schema
from saga_coordinator.store import statements as sql
from saga_coordinator.store.claims import Claims
from saga_coordinator.store.dialect import AnyResult, among, insert_ignoring, insert_or, noting
from saga_coordinator.store.faults import translated
from saga_coordinator.store.journal import journal_rows, select_journal, select_tails
from saga_coordinator.store.port import (
    Advance,
    ClaimFirst,
    ClaimResult,
    DeadLetter,
    DefinitionRow,
    First,
    ImportedSaga,
    JournalRow,
    LockFirst,
    OrphanReply,
    SagaRow,
    SagaWrite,
    SchemaCollision,
    StartClaim,
    StoreError,
)
from saga_coordinator.store.rows import definition_row, journal_row, read
from saga_coordinator.store.schedule_records import TurnFirst
from saga_coordinator.store.statements import Statement, Write
from saga_coordinator.store.transaction_parts import TransactionParts
from saga_coordinator.store.writes import first_positions, groups_of, moves, outbox_deletions, restarts


class SqlTransaction(TransactionParts):
    """The port's `Transaction`, but for locking and running hot statements."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._now_us = 0
        self._locked: dict[UUID, SagaRow] = {}
        self._claimed: dict[UUID, ClaimResult] = {}
        self._pending: list[Write] = []
        self._adopted: set[UUID] = set()
        self._failed = False

    @property
    def now_us(self) -> int:
        return self._now_us

    @property
    def locked(self) -> Mapping[UUID, SagaRow]:
        return self._locked

    @property
    def claimed(self) -> Mapping[UUID, ClaimResult]:
        return self._claimed

    async def open(self, first: First | None) -> None:
        """Take what it begins with.

        Whatever that was, and if it was nothing at all: the transaction has its time from here on.
        """
        match first:
            case LockFirst():
                await self.lock_sagas(first.ids, wait=first.wait)
            case ClaimFirst():
                self._claimed = await self.claim_starts(first.claims, replace_closed=first.replace_closed)
            case TurnFirst():
                await self.lock_turning(first)
            case None:
                pass
        if not self._now_us:
            await self.refresh_clock()

    @abstractmethod
    async def lock_sagas(self, ids: Collection[UUID], *, wait: bool) -> dict[UUID, SagaRow]: ...

    @abstractmethod
    async def run(self, writes: Sequence[Write]) -> list[int]:
        """Run hot statements whose rows are disjoint; how many rows each touched."""

    @abstractmethod
    async def run_claim(self, requests: Write, keys: Write) -> tuple[int, int]:
        """Insert requests, then, if all were new, keys; refresh `now`.

        How many of each were new.
        """

    @abstractmethod
    async def refresh_clock(self) -> None: ...

    def read_clock(self, now_us: int) -> None:
        self._now_us = now_us

    async def asking(self) -> None:
        """Called before the database is asked anything but to lock."""

    async def flush(self) -> None:
        """Send what waits, and count it."""
        if self._pending:
            writes, self._pending = self._pending, []
            await self.counted(writes)

    async def settled(self, table: str) -> None:
        """Before reading that table: send what waits if it writes there.

        All else may go on waiting.
        """
        if any(write.statement.table == table for write in self._pending):
            await self.flush()

    async def finish(self) -> None:
        """The last word before the commit.

        What failed once is never committed, even if the caller went on.
        """
        await self.flush()
        if self._failed:
            raise StoreError("the transaction had failed before its end, and was rolled back")

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            with translated():
                yield
        except BaseException:
            self._failed = True
            raise

    async def counted(self, writes: Sequence[Write]) -> list[int]:
        await self.asking()
        with self._failing():
            return await self._counted(writes)

    async def claim(self, requests: Write, keys: Write) -> tuple[int, int]:
        await self.asking()
        with self._failing():
            return await self.run_claim(requests, keys)

    async def _counted(self, writes: Sequence[Write]) -> list[int]:
        counts = await self.run(writes)
        for write, count in zip(writes, counts, strict=True):
            if (wrong := write.statement.wrong(len(write.rows), count)) is not None:
                raise wrong
        return counts

    async def execute(
        self, statement: Executable, rows: Sequence[Mapping[str, Any]] | Mapping[str, Any] | None = None
    ) -> AnyResult:
        """A statement that is not hot, after the writes that wait."""
        await self.asking()
        await self.flush()
        with self._failing():
            return await self._connection.execute(statement, rows)

    async def _later(self, writes: Sequence[Write]) -> None:
        """Let them wait; if they touch the same tables as what waits, that goes first."""
        busy = {write.statement.table for write in self._pending if not write.statement.apart}
        new = [write.statement for write in writes if not write.statement.apart]
        if any(statement.table in busy or statement.reads in busy for statement in new):
            await self.flush()
        self._pending.extend(writes)

    async def _put(self, statement: Statement, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            await self._later([Write(statement, rows)])

    # -- sagas

    async def exists(self, ids: Collection[UUID]) -> set[UUID]:
        if not ids:
            return set()
        return {row[0] for row in await self.execute(select(schema.saga.c.id).where(among(self._dialect, schema.saga.c.id, ids)))}

    async def save(
        self, writes: Sequence[SagaWrite], *, acked: Collection[tuple[int, UUID]] = (), advances: Sequence[Advance] = ()
    ) -> bool:
        for group in groups_of(writes, self._locked, self._adopted):
            await self._later(group)
        self._locked.update({write.row.id: write.row for write in writes})
        await self.delete_outbox(acked)
        if advances:
            return await self.advance(advances)
        await self.flush()
        return True

    async def journal_facts(self, keys: Collection[tuple[UUID, int]]) -> dict[tuple[UUID, int], JournalRow]:
        return journal_rows(await self.execute(select_journal(keys))) if keys else {}

    async def journal_tails(self, ids: Collection[UUID]) -> dict[UUID, list[JournalRow]]:
        if not ids:
            return {}
        query = select_tails(among(self._dialect, schema.saga.c.id, ids))
        tails: dict[UUID, list[JournalRow]] = {}
        for row in await self.execute(query):
            record = read(journal_row, row, "journal")
            tails.setdefault(record.saga_id, []).append(record)
        return tails

    async def claim_starts(
        self, claims: Sequence[StartClaim], *, replace_closed: Collection[UUID] = ()
    ) -> dict[UUID, ClaimResult]:
        if not claims:
            return {}
        await self.flush()
        settling = Claims(self, claims, frozenset(replace_closed))
        result = await settling.settle()
        if not settling.at_once:
            await self.refresh_clock()
        return result

    # -- positions and the outbox

    async def advance(self, advances: Sequence[Advance]) -> bool:
        await self._later(restarts(advances))
        moving = moves(advances)
        if not moving:
            return True
        # The same statement as the writes that wait. It is their first, so that the rows of
        # positions are locked before any other.
        if any(write.statement.table == "consumed" for write in self._pending):
            await self.flush()
        pending, self._pending = self._pending, []
        counts = await self.counted([*moving, *pending])
        missing = len(moving[0].rows) - counts[0]
        if missing:
            missing -= (await self.counted(first_positions(advances)))[0]
        self._failed |= missing > 0  # some moved and some did not: only a rollback is left
        return missing == 0

    async def caught_up(
        self, topic: str, partition: int, at_us: int, next_offset: int, anchor_offset: int | None, anchor_print: bytes | None
    ) -> bool:
        await self.flush()
        row = (topic, partition, next_offset, anchor_offset, anchor_print, at_us)
        return (await self.counted([Write(sql.CAUGHT_UP, [row])])) == [1]

    async def delete_outbox(self, rows: Collection[tuple[int, UUID]]) -> None:
        await self._later(outbox_deletions(rows))

    async def delete_spans_due(self, rows: Collection[tuple[UUID, int]]) -> None:
        await self._put(sql.DELETE_SPANS_DUE, sorted(rows))

    # -- what could not be applied

    async def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        if letters:
            await self.execute(insert(schema.dead_letter), [_dead_letter(letter) for letter in letters])

    async def mark_relayed(self, ids: Collection[UUID]) -> None:
        if ids:
            t = schema.dead_letter
            await self.execute(update(t).where(among(self._dialect, t.c.id, ids)).values(relayed=True))

    async def add_orphans(self, orphans: Sequence[OrphanReply]) -> None:
        if orphans:
            await self.execute(insert(schema.orphan_reply), [_orphan(orphan) for orphan in orphans])

    async def add_imported(self, sagas: Sequence[ImportedSaga]) -> None:
        for statement, rows in imported.insertions(sagas):
            await self.execute(statement, rows)

    # -- definitions, schemas, control

    async def add_audit(self, *, tenant: str, act: str, target: str, who: str, why: str, at_us: int) -> None:
        await self.execute(insert(schema.audit).values(tenant=tenant, act=act, target=target, who=who, why=why, at=at_us))

    async def add_schemas(self, rows: Sequence[tuple[int, str, bytes]]) -> None:
        t = schema.schema
        for id, subject, document in rows:
            # The number is made in the statement: two writers of one subject collide on the key
            # instead of sharing a version.
            number = select(func.coalesce(func.max(t.c.version), 0) + 1).where(t.c.subject == subject).scalar_subquery()
            new = {"id": id, "subject": subject, "document": document, "version": number}
            await self.execute(insert_or(self._dialect, t, new).on_conflict_do_nothing(index_elements=["id"]))
            stored = (await self.execute(select(t.c.document).where(t.c.id == id))).scalar_one()
            if stored != document:
                raise SchemaCollision(f"schema id {id} of {subject} stands for another document already")

    async def add_definition(
        self,
        *,
        hash: str,
        tenant: str,
        name: str,
        version: int,
        document: bytes,
        reader_schemas: Mapping[str, int],
        now_us: int,
    ) -> DefinitionRow | None:
        t = schema.definition
        new = {
            "hash": hash,
            "tenant": tenant,
            "name": name,
            "version": version,
            "document": document,
            "reader_schemas": json.dumps(dict(reader_schemas), sort_keys=True),
            "active": False,
            "registered_at": now_us,
        }
        await self.execute(insert_ignoring(self._dialect, t, new))
        where = (t.c.tenant == tenant, t.c.name == name, t.c.version == version, t.c.hash == hash)
        found = (await self.execute(select(t).where(*where))).first()
        return None if found is None else read(definition_row, found, "definition")

    async def activate(self, tenant: str, name: str, version: int) -> bool:
        t = schema.definition
        # In order of id: two activations of one name wait for each other and do not deadlock.
        ids = select(t.c.id).where(t.c.tenant == tenant, t.c.name == name).order_by(t.c.id).with_for_update(key_share=True)
        await self.execute(ids)
        of_name = update(t).where(t.c.tenant == tenant, t.c.name == name)
        wanted = select(t.c.id).where(t.c.tenant == tenant, t.c.name == name, t.c.version == version)
        if (await self.execute(wanted)).first() is None:
            return False
        await self.execute(of_name.where(t.c.active, t.c.version != version).values(active=False))
        await self.execute(of_name.where(t.c.version == version).values(active=True))
        return True

    async def bind_to_kafka(self, kafka_cluster_id: str) -> bool:
        t = schema.meta
        bound = update(t).where(t.c.kafka_cluster_id.is_(None)).values(kafka_cluster_id=kafka_cluster_id)
        return (await self.execute(bound)).rowcount == 1

    async def note_recovering(self, waits: Mapping[UUID, str | None]) -> None:
        for statement, rows in recovering.notes(self._dialect, waits):
            await self.execute(statement, rows)

    async def set_control(self, *, scope: str, tenant: str, name: str, value: str, who: str, why: str) -> None:
        row = {"scope": scope, "tenant": tenant, "name": name, "value": value, "who": who, "why": why}
        await self.execute(noting(self._dialect), [row])

    @property
    def _dialect(self) -> str:
        return self._connection.dialect.name


def _dead_letter(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "consumer": letter.consumer,
        "topic": letter.topic,
        "part": letter.partition,
        "offset": letter.offset,
        "at": letter.at_us,
        "reason": letter.reason,
        "detail": letter.detail,
        "key": letter.key,
        "value": letter.value,
        "headers": letter.headers,
        "relayed": letter.relayed,
    }


def _orphan(orphan: OrphanReply) -> dict[str, Any]:
    return {
        "id": orphan.id,
        "saga_id": orphan.saga_id,
        "at": orphan.at_us,
        "topic": orphan.topic,
        "part": orphan.partition,
        "offset": orphan.offset,
        "headers": orphan.headers,
        "value": orphan.value,
    }
