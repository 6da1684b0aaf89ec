"""One command from its Kafka record to its acknowledged replies. Whatever is wrong with it, the
next one is served.

An announcement is no command: the listener answers it.
Unreadable with readable headers: UNSUPPORTED, or FAILED where only its schema is unknown.
Unreadable at all: the dead-letter topic. A database that is away: wait here, with the partition
waiting behind, rather than spend the coordinator's attempts. No reply where nothing may be said.
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from saga_messaging.background import backoff
from saga_messaging.broker import Outgoing, Record
from saga_messaging.clock import Clock
from saga_participant.announcements.listener import Listener
from saga_participant.barrier.answers import Answer, unreadable
from saga_participant.barrier.entry import ReceivedCommand
from saga_participant.consuming.dead_letters import DeadLetters
from saga_participant.consuming.keyed_workers import Deferred
from saga_participant.consuming.reply_sender import ReplySender
from saga_participant.consuming.schema_topic import SchemaTopic
from saga_participant.delivery.execution import Execution
from saga_participant.handling.handler_time import HandlerTime
from saga_participant.outcomes import SessionLost, Unavailable
from saga_participant.telemetry.command_log import CommandLog, log_of
from saga_participant.telemetry.error_location import one_line
from saga_participant.telemetry.metrics import Metrics
from saga_participant.telemetry.tracing import TraceContext, Tracing
from saga_schemas.errors import BadMessage, UnknownSchema
from saga_schemas.headers import CommandHeaders, UnsupportedProtocol, announcement_kind
from saga_schemas.ids import saga_key
from saga_schemas.inbound import UnreadableCommand, read_command_envelope, read_command_payload
from saga_schemas.outcomes import Outcome
from saga_schemas.records import EMPTY_BYTES, Empty
from saga_schemas.schema import Schema

FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0

_LOG: Final = logging.getLogger("saga_participant")
Acknowledged = asyncio.Future[None]
"""Done when all replies of a command are acknowledged, or given up."""


@dataclass(slots=True, kw_only=True)
class CommandProcessor:
    """Serves commands one at a time; several may be served at once."""

    execution: Execution
    sender: ReplySender
    dead_letters: DeadLetters
    schemas: SchemaTopic
    tracing: Tracing
    metrics: Metrics
    clock: Clock
    reply_topic: str
    source: str
    listener: Listener
    """For what is no command."""

    async def serve(self, record: Record) -> Acknowledged | Deferred | None:
        """The record's offset may move on when what it gives is done, or at once."""
        started = self.clock.monotonic_s()
        if self.metrics.at_work() <= 1:
            self.metrics.finished_at_s = started
        sent: Acknowledged | Deferred | None = None
        try:
            sent = await self._serve(record, self.clock.unix_us())
        except Exception as error:  # a bug of ours must not stop the participant: the coordinator asks again
            self._no_reply(_LOG, record, error)
        self.metrics.commands += not isinstance(sent, Deferred)
        self.metrics.finished_at_s = self.clock.monotonic_s()
        self.metrics.busy_seconds += self.metrics.finished_at_s - started
        return sent

    async def _serve(self, record: Record, taken_at_us: int) -> Acknowledged | Deferred | None:
        if announcement_kind(record.headers) is not None:
            return await self._hear(record)
        try:
            envelope = read_command_envelope(record)
            headers = envelope.headers
            payload = read_command_payload(envelope, self.execution.registry.catalog, self._reader(headers))
        except UnsupportedProtocol as unsupported:
            log = log_of(unsupported.echo.command, kind_known=False)
            log.error("command refused: %s; topic=%s offset=%d", unsupported, record.topic, record.offset)
            return self._send_echo(unsupported, taken_at_us)
        except UnreadableCommand as bad:
            return self._unreadable(bad, taken_at_us)
        except BadMessage as bad:
            await self.dead_letters.send(record, bad)
            return None
        try:
            command = ReceivedCommand(headers=headers, payload=payload.framed, value=payload.value)
            return await self._work(command, record, taken_at_us)
        except Exception as error:
            self._no_reply(log_of(headers), record, error)
            return None

    async def _hear(self, record: Record) -> Acknowledged | None:
        """An announcement. Nobody waits for a database that is away: it is announced again."""
        try:
            answer = await self.listener.answer(record)
        except BadMessage as bad:
            await self.dead_letters.send(record, bad)
            return None
        except Unavailable as away:
            _LOG.warning("an announcement was not heard: %s", away)
            return None
        return None if answer is None else self.sender.send([answer])

    def _unreadable(self, bad: UnreadableCommand, taken_at_us: int) -> Acknowledged | Deferred | None:
        handled = self._reader(bad.headers) is not None
        if handled and isinstance(bad.cause, UnknownSchema):
            known = self.schemas.expect(bad.cause.schema_id)
            if known is not None:
                return Deferred(until=known)
        log_of(bad.headers).error("unreadable command: %s", bad)
        answer = replace(unreadable(bad.headers, bad, handled=handled), taken_at_us=taken_at_us)
        return self.send((answer,), TraceContext())

    def _no_reply(self, log: logging.Logger | CommandLog, record: Record, error: Exception) -> None:
        self.metrics.silent += 1
        at = (record.topic, record.partition, record.offset)
        log.error("no reply: %s; topic=%s partition=%d offset=%d", one_line(error), *at)

    async def _work(self, command: ReceivedCommand, record: Record, taken_at_us: int) -> Acknowledged | None:
        headers = command.headers
        self.metrics.duplicates += headers.attempt > 1
        with self.tracing.process(headers, record) as processing:
            answers = await self._deliver(command)
            processing.answered(answers, headers)
        if not answers:
            self.metrics.silent += 1
        return self.send([_taken(answer, headers, taken_at_us) for answer in answers], processing.reply_context)

    async def _deliver(self, command: ReceivedCommand) -> tuple[Answer, ...]:
        turn, losses, time = 0, 0, HandlerTime(self.clock)
        while True:
            try:
                return await self.execution.deliver(command, losses, time)
            except Unavailable as away:
                turn += 1
                losses += isinstance(away, SessionLost)
                self.metrics.unavailable += 1
                log_of(command.headers).warning("waiting for the database: %s", away)
            await self._wait(turn)

    async def _wait(self, turn: int) -> None:
        self.metrics.waiting += 1
        try:
            await self.clock.sleep(backoff(turn, first_s=FIRST_PAUSE_S, cap_s=LONGEST_PAUSE_S, jitter=random.random()))
        finally:
            self.metrics.waiting -= 1

    def send(self, answers: Sequence[Answer], trace: TraceContext) -> Acknowledged | None:
        """On their way, in this order."""
        for answer in answers:
            self.metrics.answered(answer.outcome)
        now_us = self.clock.unix_us()
        return self.sender.send(
            [
                answer.outgoing(
                    topic=self.reply_topic,
                    source=self.source,
                    time_us=now_us,
                    traceparent=trace.traceparent,
                    tracestate=trace.tracestate,
                )
                for answer in answers
            ]
        )

    def _send_echo(self, unsupported: UnsupportedProtocol, taken_at_us: int) -> Acknowledged | None:
        self.metrics.answered(Outcome.UNSUPPORTED)
        echo = unsupported.echo
        headers = echo.encode(
            message_id=str(uuid.uuid4()),
            source=self.source,
            record=Empty.avro_name,
            time_us=self.clock.unix_us(),
            taken_at_us=taken_at_us,
        )
        key = saga_key(echo.command.saga_id)
        return self.sender.send([Outgoing(topic=self.reply_topic, key=key, value=EMPTY_BYTES, headers=headers)])

    def _reader(self, headers: CommandHeaders) -> Schema | None:
        """The newest schema of the command's record, which its model is bound to."""
        route = self.execution.registry.route(headers.record, headers.kind)
        return None if route is None else route.command.schema


def _taken(answer: Answer, command: CommandHeaders, taken_at_us: int) -> Answer:
    """The answer with when its command was begun. An answer to another command was begun before."""
    return replace(answer, taken_at_us=taken_at_us) if answer.to.message_id == command.message_id else answer
