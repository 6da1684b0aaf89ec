"""The reply loop: one poll, one transaction.

Every reply of the poll is read (headers, token), the sagas are locked in id order, all replies of one saga are folded in memory, and one
transaction stores the sagas, the positions, and what could not be applied: an unreadable record (dead letter), a reply for a saga this
database does not have (orphan), a reply for a saga somebody else holds right now (inbox event, which the timer loop picks up).
Replies for sagas that are older than this store (it is new, Kafka is not) are counted and passed over.
One saga's error never fails the batch: a bug parks that saga with an alarm, rows that break the transaction make it go one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from saga_coordinator.batch.committer import Batch, Committer
from saga_coordinator.batch.loader import Sagas
from saga_coordinator.batch.parking import UNWRITABLE, Parking
from saga_coordinator.engine.events import Env, Reply
from saga_coordinator.inbound.dead_letters import dead_letter, orphan
from saga_coordinator.inbound.partition_reader import PartitionReader
from saga_coordinator.inbound.reply_reading import CONSUMER, IncomingReply, ReplyReading
from saga_coordinator.loops.record_loop import RecordLoop, as_bad
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.sagas.work import SagaWork
from saga_coordinator.store.identifiers import new_id
from saga_coordinator.store.port import Advance, BadRow, CountMismatch, InboxEvent, LockFirst, OrphanReply, Transaction
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.telemetry.log_fields import about, about_reply
from saga_messaging.broker import Record
from saga_messaging.clock import Clock
from saga_schemas.errors import BadMessage
from saga_schemas.ids import parse_saga_id, uuid7_unix_ms
from saga_schemas.topics import Topics

_REFRESH_S = 2.0


@dataclass(slots=True)
class _Read:
    """A poll's records, sorted by what they turned out to be."""

    replies: dict[UUID, list[IncomingReply]] = field(default_factory=dict)
    bad: list[tuple[Record, BadMessage]] = field(default_factory=list)
    unknown_schemas: set[int] = field(default_factory=set)
    works: dict[UUID, SagaWork] = field(default_factory=dict)
    """The sagas as they were last opened."""
    old: int = 0
    """Replies to commands of an earlier store with other token keys."""
    old_known: int = 0
    """The same, of one with these token keys."""


class ReplyLoop:
    """Reads the reply topics of all participants that open sagas or active definitions name."""

    def __init__(
        self,
        *,
        reader: PartitionReader,
        committer: Committer,
        definitions: DefinitionCache,
        reading: ReplyReading,
        sagas: Sagas,
        topics: Topics,
        clock: Clock,
        instruments: Instruments,
        batch_records: int,
        made_at: int | None = None,
    ) -> None:
        """`made_at`: when the store was made, if it is known; of no saga older than that can it have lost a row."""
        self._reader = reader
        self._committer = committer
        self._definitions = definitions
        self._reading = reading
        self._sagas = sagas
        self._topics = topics
        self._clock = clock
        self._instruments = instruments
        self._batch_records = batch_records
        self._parking = Parking(committer, sagas, instruments)
        self._made_at_ms = 0 if made_at is None else made_at // 1000
        self._old = 0
        self._followed_at = -_REFRESH_S
        self._followed_generation = -1
        self._log = structlog.get_logger(CONSUMER)

    async def run(self) -> None:
        loop = RecordLoop(
            name=CONSUMER,
            reader=self._reader,
            committer=self._committer,
            follow=self._follow,
            apply=self.apply,
            clock=self._clock,
            instruments=self._instruments,
            batch_records=self._batch_records,
        )
        await loop.run()

    async def _follow(self) -> None:
        generation = self._definitions.generation
        if generation == self._followed_generation and self._clock.monotonic_s() - self._followed_at < _REFRESH_S:
            return
        participants = await self._definitions.participants()
        await self._reader.follow(self._topics.reply(name) for name in participants)
        self._followed_at = self._clock.monotonic_s()
        self._followed_generation = generation

    async def apply(self, records: Sequence[Record]) -> None:
        """One transaction for all of them; should one saga break it, one for each saga."""
        read = self._read(records)
        await self._definitions.seek_schemas(read.unknown_schemas)
        advances = self._reader.advances(records)
        try:
            await self._commit(read, advances)
        except (CountMismatch, BadRow) as error:
            self._log.error("batch_broken", error=str(error), sagas=len(read.replies))
            await self._one_by_one(read, advances)
        await self._reader.applied(advances)
        self._instruments.reply_batch(len(records))
        self._note_old(read.old + read.old_known)

    def _is_old(self, saga_id: UUID | None) -> bool:
        """Whether this saga began before the store was made: an id begins with its time."""
        return saga_id is not None and uuid7_unix_ms(saga_id) < self._made_at_ms

    def _note_old(self, count: int) -> None:
        """One line a process: an old topic may hold millions."""
        if not count:
            return
        if not self._old:
            self._log.warning("old_replies_passed_over", advice="sagas of an earlier store; saga_old_replies_total counts them")
        self._old += count
        self._instruments.old_replies(count)

    async def _commit(self, read: _Read, advances: Sequence[Advance]) -> None:
        async def body(tx: Transaction) -> Batch:
            batch = await self._fold(tx, read)
            batch.advances = advances
            return batch

        await self._committer.run(body, LockFirst(read.replies, wait=False))

    async def _one_by_one(self, read: _Read, advances: Sequence[Advance]) -> None:
        """A saga whose rows break its transaction is alone with that; its replies become dead letters, and the position moves on."""
        bad = list(read.bad)
        for saga_id, replies in read.replies.items():
            alone = _Read(replies={saga_id: replies})
            try:
                await self._commit(alone, ())
            except (CountMismatch, BadRow) as error:
                known = about(alone.works[saga_id]) if saga_id in alone.works else about_reply(replies[0].headers)
                await self._parking.park(saga_id, error, known=known)
                bad += [
                    (reply.record, BadMessage(UNWRITABLE, "the saga's rows cannot be written: see the log")) for reply in replies
                ]
        await self._commit(_Read(bad=bad), advances)

    def _read(self, records: Sequence[Record]) -> _Read:
        read = _Read()
        for record in records:
            try:
                reply = self._reading.envelope(record)
            except Exception as error:
                bad = as_bad(error)
                if bad.reason == "token_invalid" and self._is_old(parse_saga_id((record.key or b"").decode())):
                    read.old += 1
                    continue
                self._log.warning("bad_reply", **_where(record), reason=bad.reason)
                read.bad.append((record, bad))
            else:
                read.replies.setdefault(reply.saga_id, []).append(reply)
                if (unknown := self._reading.unknown_schema(reply)) is not None:
                    read.unknown_schemas.add(unknown)
        return read

    async def _fold(self, tx: Transaction, read: _Read) -> Batch:
        rows = tx.locked
        unlocked = [saga_id for saga_id in read.replies if saga_id not in rows]
        orphans = await self._leave(tx, unlocked, read)
        env = Env(now=tx.now)
        works = read.works = await self._sagas.open(rows.values())
        bad = list(read.bad)
        happened: dict[UUID, list[Reply]] = {saga_id: [] for saga_id in works}
        for saga_id, work in works.items():
            for reply in read.replies[saga_id]:
                try:
                    happened[saga_id].append(self._reading.event(reply, work.compiled))
                except Exception as error:
                    problem = as_bad(error)
                    self._log.warning(
                        "bad_reply", **about(work, reply=reply.headers), **_where(reply.record), reason=problem.reason
                    )
                    bad.append((reply.record, problem))
        await self._sagas.fold(tx, [(work, happened[saga_id]) for saga_id, work in works.items()], env)
        unreadable = [saga_id for saga_id in rows if saga_id not in works]
        await self._keep(tx, unreadable, read)
        letters = [dead_letter(CONSUMER, record, problem, tx.now) for record, problem in bad]
        return Batch(works=list(works.values()), dead_letters=letters, orphans=orphans)

    async def _leave(self, tx: Transaction, unlocked: list[UUID], read: _Read) -> list[OrphanReply]:
        """Held by somebody else: to the inbox. Not there at all: an orphan."""
        if not unlocked:
            return []
        known = await tx.exists(unlocked)
        await self._keep(tx, [saga_id for saga_id in unlocked if saga_id in known], read)
        unknown = [saga_id for saga_id in unlocked if saga_id not in known]
        read.old_known = sum(len(read.replies[saga_id]) for saga_id in unknown if self._is_old(saga_id))
        lost = [reply for saga_id in unknown if not self._is_old(saga_id) for reply in read.replies[saga_id]]
        if lost:
            self._log.warning("orphan_replies", **about_reply(lost[0].headers), count=len(lost))
        return [orphan(reply.record, reply.saga_id, tx.now) for reply in lost]

    async def _keep(self, tx: Transaction, saga_ids: list[UUID], read: _Read) -> None:
        events = [
            InboxEvent(id=new_id(tx.now), saga_id=saga_id, kind="reply", body=self._reading.keep(reply))
            for saga_id in saga_ids
            for reply in read.replies[saga_id]
        ]
        if events:
            await tx.put_inbox(events)


def _where(record: Record) -> dict[str, str | int]:
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}
