"""The reply loop: one poll, one transaction.

The envelope of every reply is read (headers, token). The sagas are locked in id order, the payloads
are read, all replies of one saga are folded in memory. One transaction stores the sagas, the
positions, and what could not be applied:

- an unreadable record becomes a dead letter;
- a reply for a saga that somebody else holds right now becomes an inbox event, which the timer loop
  picks up;
- a reply for a saga that this database does not have becomes an orphan;
- what a participant says of an announcement becomes the row that remembers it;
- a reply for a saga that is older than this store (it is new, Kafka is not), or that was removed
  because it is no longer kept, is counted and passed over;
- the answer to the undo of a lost effect settles that.

What a participant tells of its rows after a restore is taken in before, in a transaction of its own
(`sweep/pages.py`).

One saga's error never fails the batch. A bug parks that saga with an alarm. When a saga's rows
break the transaction, the sagas go one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from saga_coordinator.batch.committer import Committer
from saga_coordinator.batch.fold import EventFold
from saga_coordinator.batch.loader import SagaLoader
from saga_coordinator.batch.parking import UNWRITABLE, Parking
from saga_coordinator.batch.plan import Batch
from saga_coordinator.engine.events import Env, Reply
from saga_coordinator.inbound.announcement_answers import AnnouncementAnswers
from saga_coordinator.inbound.dead_letters import as_bad_message, dead_letter, orphan
from saga_coordinator.inbound.inbox import to_inbox
from saga_coordinator.inbound.partition_reader import PartitionReader
from saga_coordinator.inbound.reply_envelope import CONSUMER, IncomingReply, ReplyEnvelopes
from saga_coordinator.inbound.reply_payload import ReplyPayloads
from saga_coordinator.loops.record_loop import RecordLoop
from saga_coordinator.loops.sweeping import Sweeping
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.sagas.work import SagaWork
from saga_coordinator.store.horizon_port import ParticipantMemory
from saga_coordinator.store.identifiers import new_id
from saga_coordinator.store.port import Advance, BadRow, CountMismatch, InboxEvent, LockFirst
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.telemetry.log_fields import about, about_reply
from saga_messaging.broker import Record
from saga_messaging.clock import Clock
from saga_schemas.errors import BadMessage
from saga_schemas.ids import parse_saga_id, uuid7_unix_ms
from saga_schemas.inbound import AnnouncementAnswer
from saga_schemas.records import HorizonHeard
from saga_schemas.topics import Topics

_REFRESH_S = 2.0

Bad = tuple[Record, BadMessage]
Replies = Mapping[UUID, Sequence[IncomingReply]]
"""By saga, in the order in which they arrived."""


@dataclass(slots=True)
class _Poll:
    """A poll's records, sorted by what their envelopes say."""

    replies: dict[UUID, list[IncomingReply]] = field(default_factory=dict)
    bad: list[Bad] = field(default_factory=list)
    pages: list[tuple[Record, str, AnnouncementAnswer]] = field(default_factory=list)
    """What participants tell of their rows."""
    unknown_schemas: set[int] = field(default_factory=set)
    heard: dict[str, int] = field(default_factory=dict)
    """By participant, the horizon that it says it remembers: the last of the poll."""
    old: int = 0
    """Replies to commands of an earlier store with other token keys."""

    def note(self, record: Record, participant: str, answer: AnnouncementAnswer) -> None:
        if isinstance(answer.content, HorizonHeard):
            self.heard[participant] = answer.content.below_ms
        else:
            self.pages.append((record, participant, answer))

    def memories(self, now_us: int) -> list[ParticipantMemory]:
        return [ParticipantMemory(participant=name, below_ms=ms, heard_at_us=now_us) for name, ms in self.heard.items()]


class ReplyLoop:
    """Reads the reply topics of all participants that open sagas or active definitions name, and of
    those that are asked after a restore."""

    def __init__(
        self,
        *,
        reader: PartitionReader,
        committer: Committer,
        definitions: DefinitionCache,
        envelopes: ReplyEnvelopes,
        payloads: ReplyPayloads,
        announced: AnnouncementAnswers,
        sweeping: Sweeping,
        loader: SagaLoader,
        events: EventFold,
        topics: Topics,
        clock: Clock,
        instruments: Instruments,
        batch_records: int,
        tenant: str,
        made_at_us: int | None = None,
    ) -> None:
        """Prepare the loop.

        Args:
            reader: Reads the reply topics.
            committer: Opens and commits batches.
            definitions: Names the participants, and finds schemas.
            envelopes: The first stage of a reply.
            payloads: The second stage.
            announced: Reads answers to announcements.
            sweeping: Takes in what participants say after a restore.
            loader: Opens sagas.
            events: Applies events.
            topics: Names topics.
            clock: Paces looks at the topics.
            instruments: What is counted.
            batch_records: The most records of a poll.
            tenant: Whose removed sagas are known.
            made_at_us: When the store was made, if known; it has lost the row of no older saga.
        """
        self._reader = reader
        self._committer = committer
        self._definitions = definitions
        self._envelopes = envelopes
        self._payloads = payloads
        self._announced = announced
        self._sweeping = sweeping
        self._loader = loader
        self._events = events
        self._topics = topics
        self._clock = clock
        self._instruments = instruments
        self._batch_records = batch_records
        self._tenant = tenant
        self._parking = Parking(committer, loader, instruments)
        self._old_before_ms = 0 if made_at_us is None else made_at_us // 1000
        self._old = 0
        self._followed_at_s, self._followed_generation = -_REFRESH_S, -1
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
        if generation == self._followed_generation and self._clock.monotonic_s() - self._followed_at_s < _REFRESH_S:
            return
        participants = await self._definitions.participants() | self._sweeping.sweeps.awaited()
        await self._reader.follow(self._topics.reply(name) for name in participants)
        self._followed_at_s = self._clock.monotonic_s()
        self._followed_generation = generation

    async def apply(self, records: Sequence[Record]) -> None:
        """One transaction for all of them; should one saga break it, one for each saga."""
        poll = self._read_envelopes(records)
        await self._take_pages(poll)
        await self._definitions.seek_schemas(poll.unknown_schemas)
        advances = self._reader.advances(records)

        async def fold(batch: Batch) -> int:
            batch.advances = advances
            batch.heard = poll.memories(batch.tx.now_us)
            return await self._fold(batch, poll.replies, poll.bad)

        try:
            old = await self._committer.apply(LockFirst(poll.replies, wait=False), fold)
        except (CountMismatch, BadRow) as error:
            self._log.error("batch_broken", error=str(error), sagas=len(poll.replies))
            old = await self._one_by_one(poll, advances)
        await self._reader.applied(advances)
        self._instruments.reply_batch(len(records))
        self._note_old(poll.old + old)

    def _read_envelopes(self, records: Sequence[Record]) -> _Poll:
        poll = _Poll()
        for record in records:
            try:
                if self._announced.is_one(record):
                    poll.note(record, *self._announced.read(record))
                    continue
                reply = self._envelopes.read(record)
            except Exception as error:
                bad = as_bad_message(error)
                if bad.reason == "token_invalid" and self._is_old(parse_saga_id((record.key or b"").decode())):
                    poll.old += 1
                    continue
                self._log.warning("bad_reply", **_where(record), reason=bad.reason)
                poll.bad.append((record, bad))
            else:
                poll.replies.setdefault(reply.saga_id, []).append(reply)
                if (unknown := self._payloads.unknown_schema(reply)) is not None:
                    poll.unknown_schemas.add(unknown)
        return poll

    async def _take_pages(self, poll: _Poll) -> None:
        """Each in a transaction of its own. One that is read twice changes nothing."""
        for record, participant, answer in poll.pages:
            try:
                await self._sweeping.pages.take(participant, answer)
            except BadMessage as bad:
                self._log.warning("bad_reply", **_where(record), reason=bad.reason)
                poll.bad.append((record, bad))

    async def _fold(self, batch: Batch, replies: Replies, bad: Iterable[Bad]) -> int:
        """Apply the replies of the sagas that are locked, and find a place for all others.

        Returns:
            How many replies are to sagas that are older than this store, or removed.
        """
        tx = batch.tx
        unlocked = [saga_id for saga_id in replies if saga_id not in tx.locked]
        stored = await tx.exists(unlocked) if unlocked else ()
        held = [saga_id for saga_id in unlocked if saga_id in stored]
        absent = [saga_id for saga_id in unlocked if saga_id not in stored]
        works = await self._loader.open(tx)
        events, unread = self._read_payloads(works, replies)
        await self._events.fold(tx, events, Env(now_us=tx.now_us))
        batch.works.extend(works.values())
        batch.dead_letters.extend(dead_letter(CONSUMER, record, problem, tx.now_us) for record, problem in [*bad, *unread])
        unopened = [saga_id for saga_id in tx.locked if saga_id not in works]
        nobodys = await self._sweeping.undone.take(tx, {saga_id: replies[saga_id] for saga_id in absent})
        batch.inbox.extend(_inbox([*held, *unopened], replies, tx.now_us))
        if not all(map(self._is_old, nobodys)):
            # Removed sagas have ids of that time or before. No saga with such an id is lost: its
            # start would have been under way for longer than anything is kept, and what a restore
            # has lost began later.
            removed_until_ms = await tx.removed_until_ms(self._tenant)
            self._old_before_ms = max(self._old_before_ms, removed_until_ms + 1)
        lost = [reply for saga_id, of_saga in nobodys.items() if not self._is_old(saga_id) for reply in of_saga]
        if lost:
            self._log.warning("orphan_replies", **about_reply(lost[0].headers), count=len(lost))
        batch.orphans.extend(orphan(reply.record, reply.saga_id, tx.now_us) for reply in lost)
        return sum(len(of_saga) for saga_id, of_saga in nobodys.items() if self._is_old(saga_id))

    def _read_payloads(
        self, works: Mapping[UUID, SagaWork], replies: Replies
    ) -> tuple[list[tuple[SagaWork, list[Reply]]], list[Bad]]:
        """The engine's events of each opened saga, and the replies whose payloads are bad."""
        events: list[tuple[SagaWork, list[Reply]]] = []
        bad: list[Bad] = []
        for saga_id, work in works.items():
            of_saga: list[Reply] = []
            for reply in replies[saga_id]:
                try:
                    of_saga.append(self._payloads.read(reply, work.compiled))
                except Exception as error:
                    problem = as_bad_message(error)
                    known = about(work, reply=reply.headers)
                    self._log.warning("bad_reply", **known, **_where(reply.record), reason=problem.reason)
                    bad.append((reply.record, problem))
            events.append((work, of_saga))
        return events, bad

    async def _one_by_one(self, poll: _Poll, advances: Sequence[Advance]) -> int:
        """Each saga in a transaction of its own; the positions move in a last one.

        The replies of a saga that breaks its transaction become dead letters.
        """
        old, bad = 0, list(poll.bad)
        for saga_id, replies in poll.replies.items():
            known = about_reply(replies[0].headers)
            try:
                async with self._committer.batch(LockFirst([saga_id], wait=False)) as batch:
                    old += await self._fold(batch, {saga_id: replies}, ())
                    known = about(batch.works[0]) if batch.works else known
            except (CountMismatch, BadRow) as error:
                await self._parking.park(saga_id, error, known=known)
                unwritable = BadMessage(UNWRITABLE, "the saga's rows cannot be written: see the log")
                bad += [(reply.record, unwritable) for reply in replies]
        async with self._committer.batch() as batch:
            batch.dead_letters.extend(dead_letter(CONSUMER, record, problem, batch.tx.now_us) for record, problem in bad)
            batch.heard = poll.memories(batch.tx.now_us)
            batch.advances = advances
        return old

    def _is_old(self, saga_id: UUID | None) -> bool:
        """Whether this saga, which is not here, began before the store was made, or was removed: an
        id begins with its time.
        """
        return saga_id is not None and uuid7_unix_ms(saga_id) < self._old_before_ms

    def _note_old(self, count: int) -> None:
        """One line a process: an old topic may hold millions."""
        if not count:
            return
        if not self._old:
            self._log.warning(
                "old_replies_passed_over", advice="their sagas are removed, or of an earlier store; saga_old_replies_total counts"
            )
        self._old += count
        self._instruments.old_replies(count)


def _inbox(saga_ids: Iterable[UUID], replies: Replies, now_us: int) -> list[InboxEvent]:
    """The replies of these sagas, for whoever can lock and open them later."""
    return [
        InboxEvent(id=new_id(now_us), saga_id=saga_id, kind="reply", body=to_inbox(reply.record))
        for saga_id in saga_ids
        for reply in replies[saga_id]
    ]


def _where(record: Record) -> dict[str, str | int]:
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}
