"""A store that is restored, its Kafka, and a participant that remembers what it did: as a barrier
does, it answers from its rows, and tells them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

from saga_coordinator.store import recovery
from saga_coordinator.store.port import Store
from saga_coordinator.wiring import Instance
from saga_messaging.broker import Outgoing, Record
from saga_messaging.memory import MemoryBroker
from saga_schemas.headers import CommandHeaders, answer_announcement
from saga_schemas.inbound import read_announcement
from saga_schemas.outcomes import Kind, Outcome, RowState
from saga_schemas.records import Sweep, SweepPosition, SweptRow, SweptRows, encode_own
from saga_schemas.topics import Topics
from support.coordinators import opened, running, settings_for
from support.orders import until
from support.scripted import DONE, FENCED, UNDONE, Answer, ScriptedParticipant

NO = Answer(outcome=Outcome.REJECTED, code="no")


@dataclass
class Books:
    """Remembers what was done, as a barrier does; some commands it hears and does not answer."""

    done: dict[tuple[UUID, str], Answer] = field(default_factory=dict)
    effects: Counter[tuple[UUID, str]] = field(default_factory=Counter)
    rejects: set[str] = field(default_factory=set)
    silent: set[tuple[UUID, str]] = field(default_factory=set)
    silent_on: set[str] = field(default_factory=set)
    floor: int = 0
    """The incarnation of the latest sweep: commands of a lower one get no answer."""
    page_rows: int = 2

    def rows(self) -> list[SweptRow]:
        """In the order of saga and step."""
        states = {id(DONE): RowState.DONE, id(UNDONE): RowState.UNDONE, id(FENCED): RowState.FENCED, id(NO): RowState.REJECTED}
        return [
            SweptRow(saga_id=saga_id, step=step, run=1, state=states[id(said)])
            for (saga_id, step), said in sorted(self.done.items(), key=lambda one: one[0])
        ]

    def page(self, asked: Sweep, digest: bytes) -> SweptRows:
        after = None if asked.after is None else (asked.after.saga_id, asked.after.step)
        left = [row for row in self.rows() if after is None or (row.saga_id, row.step) > after]
        told = left[: min(asked.limit, self.page_rows)]
        more = len(left) > len(told)
        last = SweepPosition(saga_id=told[-1].saga_id, step=told[-1].step) if more else None
        return SweptRows(rows=tuple(told), after=asked.after, next=last, asked=digest)

    def forget(self, saga_id: UUID) -> None:
        """Restored from a backup that does not know this saga."""
        for step in ("one", "two"):
            self.done.pop((saga_id, step), None)
            self.effects.pop((saga_id, step), None)

    def __call__(self, command: CommandHeaders) -> Sequence[Answer]:
        at = (command.saga_id, command.step)
        if command.incarnation < self.floor or at in self.silent or command.step in self.silent_on:
            return []
        known = self.done.get(at)
        match command.kind:
            case Kind.ACTION if known is None:
                self.done[at] = NO if command.step in self.rejects else DONE
                self.effects[at] += command.step not in self.rejects
            case Kind.ACTION:
                return [FENCED if known in (None, UNDONE, FENCED) else known]
            case Kind.COMPENSATION:
                self.effects[at] -= known is DONE
                self.done[at] = UNDONE if known in (DONE, UNDONE) else FENCED
                return [UNDONE if self.done[at] is UNDONE else Answer(outcome=Outcome.NOTHING_TO_UNDO)]
            case Kind.RESOLVE:
                self.done.setdefault(at, FENCED)
                return [FENCED if known in (None, UNDONE, FENCED) else known]
        return [self.done[at]]


@dataclass
class Bench:
    """A store, its Kafka, and one participant; coordinators come and go."""

    url: str
    folder: Path
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    books: Books = field(default_factory=Books)
    deaf: bool = False
    """It answers no sweep."""

    def __post_init__(self) -> None:
        self.participant = ScriptedParticipant(self.broker, "one", self.books, swept=self.swept)

    def swept(self, record: Record) -> Sequence[Outgoing]:
        """What the participant answers to a sweep."""
        told = read_announcement(record, participant="one", keys=None)
        assert isinstance(told.content, Sweep)
        if self.deaf:
            return []
        self.books.floor = max(self.books.floor, told.headers.incarnation)
        headers = answer_announcement(
            told.headers,
            message_id=str(uuid4()),
            source="/test/one",
            record=SweptRows.avro_name,
            time_us=time.time_ns() // 1000,
        )
        value = encode_own(self.books.page(told.content, told.digest))
        return [Outgoing(topic=Topics().reply("one"), key=told.headers.kind.encode(), value=value, headers=headers.encode())]

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[tuple[Store, Instance]]:
        async with opened(self.url) as store, running(store, self.broker, settings_for(self.url)) as instance:
            yield store, instance

    async def asked(self, saga_id: UUID, step: str) -> None:
        async def heard() -> bool:
            return any((c.saga_id, c.step) == (saga_id, step) for c, _ in self.participant.seen)

        await until(heard, 20, f"{step} was asked")

    async def recover(self, **more: object) -> recovery.Recovered:
        settings: dict[str, object] = {"tenant": "default", "who": "me", "why": "the disk", "sagas_per_s": 500, "force": True}
        return await recovery.recover(self.url, **(settings | more))  # type: ignore[arg-type]
