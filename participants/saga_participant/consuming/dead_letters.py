"""Commands whose headers cannot be read: to `saga.dlq.<participant>`, for a few seconds, and on.

Losing one is harmless: the coordinator's row makes the command again. So nothing here ever holds up
a partition for longer.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from saga_messaging.broker import Broker, BrokerError, Record
from saga_messaging.dead_letters import cut, letter_record
from saga_participant.telemetry.metrics import Metrics
from saga_schemas.errors import BadMessage

LIMIT_S: Final = 5.0

_LOG: Final = logging.getLogger("saga_participant")


class DeadLetters:
    """A producer of its own, made when first needed: a bad record never meets a reply."""

    def __init__(self, broker: Broker, topic: str, metrics: Metrics) -> None:
        self._broker = broker
        self._topic = topic
        self._metrics = metrics

    async def send(self, record: Record, bad: BadMessage) -> None:
        """Best effort: at most a few seconds, and no error leaves this."""
        self._metrics.dead_letters[bad.reason] += 1
        _LOG.error("bad command: %s; topic=%s partition=%d offset=%d", bad, record.topic, record.partition, record.offset)
        letter = letter_record(
            self._topic,
            cut(record),
            reason=bad.reason,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
        )
        producer = self._broker.producer()
        failed: Exception | None
        try:
            async with asyncio.timeout(LIMIT_S):
                await producer.start()
                failed = (await producer.send_all([letter], timeout_s=LIMIT_S))[0]
        except (BrokerError, TimeoutError) as error:
            failed = error
        finally:
            await producer.stop()
        if failed is not None:
            _LOG.error("not dead-lettered, gone on: %s; topic=%s offset=%d", failed, record.topic, record.offset)
