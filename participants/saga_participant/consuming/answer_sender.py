"""Answers of a process that serves no commands, sent by it: a producer and nothing else, for as
long as it is needed.

What is sent here is recorded already. So whatever goes wrong costs time and nothing else: the
coordinator asks again, some minutes later, and whoever serves the command answers from the row. The
log says when that is how an answer will go.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from saga_messaging.background import end
from saga_messaging.broker import Broker
from saga_messaging.clock import Clock, SystemClock
from saga_messaging.kafka import KafkaBroker
from saga_messaging.settings import KafkaSettings
from saga_participant.barrier.answers import Answer
from saga_participant.consuming.reply_sender import ReplySender
from saga_participant.telemetry.metrics import Metrics
from saga_schemas.topics import Topics

SENT_WITHIN_S: Final = 5.0
"""Leaving an `answering` block waits so long for Kafka's acknowledgement; the same at the end of
the process.
"""
MOST_WAITING: Final = 1000
"""Answers that wait for a Kafka that is away. Each is in its row too."""

_LOG: Final = logging.getLogger("saga_participant")
_ASKED_AGAIN: Final = "it is recorded, and goes out when the coordinator asks again"


async def sent_in_time(sent: asyncio.Future[None] | None) -> None:
    """Wait for the acknowledgement, but not for ever."""
    if sent is None:
        return
    await asyncio.wait({sent}, timeout=SENT_WITHIN_S)
    if not sent.done():
        _LOG.warning("Kafka has not taken an answer within %g s: %s, or when Kafka is back", SENT_WITHIN_S, _ASKED_AGAIN)
    elif sent.cancelled():
        _LOG.warning("an answer was not sent, since sending ended: %s", _ASKED_AGAIN)


def not_sent(why: object) -> None:
    _LOG.warning("an answer is not sent by this process (%s): %s", why, _ASKED_AGAIN)


class Sending:
    """Sends from its making until it is closed, or until its event loop ends."""

    def __init__(
        self, name: str, broker: Broker, *, topics: Topics, clock: Clock, at_end: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """`at_end`: closes what was opened for this alone."""
        self._topic = topics.reply(name)
        self._source = f"{name}/{socket.gethostname()}-{os.getpid()}"
        self._clock = clock
        self._sender = ReplySender(broker, clock, Metrics(name))
        self._at_end = at_end
        self._loop = asyncio.get_running_loop()
        self._waiting: set[asyncio.Future[None]] = set()
        self._task = self._loop.create_task(self._run())

    @property
    def works(self) -> bool:
        """It can be used here and now."""
        return self._loop is asyncio.get_running_loop() and not self._task.done()

    def send(self, answers: Sequence[Answer]) -> asyncio.Future[None] | None:
        """On their way; None where there is nothing to wait for."""
        if len(self._waiting) >= MOST_WAITING:
            not_sent(f"{MOST_WAITING} answers wait for Kafka already")
            return None
        now_us = self._clock.unix_us()
        sent = self._sender.send([answer.outgoing(topic=self._topic, source=self._source, time_us=now_us) for answer in answers])
        if sent is not None:
            self._waiting.add(sent)
            sent.add_done_callback(self._waiting.discard)
        return sent

    async def close(self) -> None:
        """What waits is given a little time."""
        if not self.works:
            return
        if self._waiting:
            await asyncio.wait(set(self._waiting), timeout=SENT_WITHIN_S)
        if self._waiting:
            not_sent(f"{len(self._waiting)} were waiting for Kafka at its end")
        await end((self._task,))

    async def _run(self) -> None:
        try:
            await self._sender.run()
        finally:
            if self._at_end is not None:
                await self._at_end()


def sending_as_configured(name: str) -> Sending:
    """With Kafka as the environment says. ConfigurationError."""
    settings = KafkaSettings.from_env(os.environ)
    broker = KafkaBroker(settings)
    return Sending(name, broker, topics=Topics(settings.topic_prefix), clock=SystemClock(), at_end=broker.stop)
