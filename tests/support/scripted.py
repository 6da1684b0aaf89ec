"""Participants that answer as a script says: no barrier, no database.

They speak the wire and nothing else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import uuid4

from saga_messaging.broker import Broker, Outgoing, Record
from saga_schemas.catalog import Catalog
from saga_schemas.headers import CommandHeaders, announcement_kind, answer, answer_announcement, decode_command
from saga_schemas.horizon import Horizon, heard
from saga_schemas.inbound import read_announcement
from saga_schemas.outcomes import AnnouncementKind, Kind, Outcome
from saga_schemas.records import EMPTY_BYTES, Failure, HorizonHeard, Progress, encode_own
from saga_schemas.topics import Topics


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One reply to a command."""

    outcome: Outcome
    code: str = ""
    message: str = ""
    retry_after_ms: int | None = None
    payload: bytes = EMPTY_BYTES
    record: str = "saga.v1.Empty"
    sequence: int | None = None
    note: str = ""
    taken_at_us: int | None = None
    handler_us: int | None = None


DONE = Answer(outcome=Outcome.SUCCEEDED)
UNDONE = Answer(outcome=Outcome.UNDONE)
FENCED = Answer(outcome=Outcome.FENCED)
Script = Callable[[CommandHeaders], Sequence[Answer]]


def obliging(command: CommandHeaders) -> Sequence[Answer]:
    """Says yes to everything."""
    return {Kind.ACTION: [DONE], Kind.COMPENSATION: [UNDONE], Kind.RESOLVE: [FENCED]}[command.kind]


class ScriptedParticipant:
    """Reads its command topic and answers; `seen` lists what it was asked."""

    def __init__(
        self,
        broker: Broker,
        name: str,
        script: Script = obliging,
        *,
        topics: Topics | None = None,
        swept: Callable[[Record], Sequence[Outgoing]] = lambda _: (),
    ) -> None:
        """`swept`: what it answers to a sweep."""
        self._broker = broker
        self._name = name
        self._topics = topics or Topics()
        self.script = script
        self._swept = swept
        self.seen: list[tuple[CommandHeaders, bytes]] = []
        self.answering = True
        """False: commands are read and nothing is said."""
        self.hears = False
        """True: announcements of the horizon are answered."""
        self.remembered = Horizon()
        self.announced: list[Record] = []

    async def run(self) -> None:
        await self._broker.ensure_topics([self._topics.command(self._name), self._topics.reply(self._name)])
        consumer = self._broker.consumer(group=self._topics.command_group(self._name))
        producer = self._broker.producer()
        await consumer.start()
        await producer.start()
        try:
            await consumer.subscribe([self._topics.command(self._name)])
            while True:
                for position in consumer.awaiting_seek():
                    consumer.seek(position, 0)
                records = await consumer.poll(timeout_s=0.2, max_records=1000)
                replies = [reply for record in records for reply in self._replies(record)]
                if replies:
                    await producer.send_all(replies, timeout_s=10)
        finally:
            await consumer.stop()
            await producer.stop()

    def heard(self, record: Record) -> Outgoing:
        """The answer to an announced horizon, which is remembered."""
        told = read_announcement(record, participant=self._name, keys=None)
        assert isinstance(told.content, Horizon)
        self.remembered = heard(self.remembered, told.content)
        headers = answer_announcement(
            told.headers,
            message_id=str(uuid4()),
            source=f"/scripted/{self._name}",
            record=HorizonHeard.avro_name,
            time_us=time.time_ns() // 1000,
        )
        value = encode_own(HorizonHeard.of(self.remembered, told.digest))
        return Outgoing(topic=self._topics.reply(self._name), key=record.key, value=value, headers=headers.encode())

    def _replies(self, record: Record) -> Sequence[Outgoing]:
        match announcement_kind(record.headers):
            case AnnouncementKind.HORIZON:
                self.announced.append(record)
                return [self.heard(record)] if self.hears else []
            case AnnouncementKind.SWEEP:
                return self._swept(record)
            case None:
                pass
        command = decode_command(record.headers)
        self.seen.append((command, record.value or b""))
        if not self.answering:
            return []
        return [self.reply(command, said) for said in self.script(command)]

    def reply(self, command: CommandHeaders, said: Answer) -> Outgoing:
        value, name = _value(said)
        headers = answer(
            command,
            message_id=str(uuid4()),
            source=f"/test/{self._name}",
            record=name,
            time_us=time.time_ns() // 1000,
            outcome=said.outcome,
            seq=said.sequence,
            taken_at_us=said.taken_at_us,
            handler_us=said.handler_us,
        )
        return Outgoing(
            topic=self._topics.reply(self._name), key=str(command.saga_id).encode(), value=value, headers=headers.encode()
        )


def _value(said: Answer) -> tuple[bytes, str]:
    if said.outcome in (Outcome.REJECTED, Outcome.FAILED):
        return encode_own(Failure.of(said.code, said.message, said.retry_after_ms)), "saga.v1.Failure"
    if said.outcome is Outcome.IN_PROGRESS:
        return encode_own(Progress.of(said.note)), "saga.v1.Progress"
    return said.payload, said.record


def catalog_of(*records: str) -> Catalog:
    """Records of one string field `id` each."""
    from saga_schemas.schema import Schema

    return Catalog(
        Schema.parse({"type": "record", "name": name, "fields": [{"name": "id", "type": "string"}]}) for name in records
    )


async def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Wait for something this process can see."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.01)


async def eventually(condition: Callable[[], Awaitable[bool]], timeout_s: float = 30.0) -> None:
    """Wait for something the store can see."""
    async with asyncio.timeout(timeout_s):
        while not await condition():  # noqa: ASYNC110 - the store has no event for it
            await asyncio.sleep(0.02)
