"""Commands whose headers cannot be read: to `saga.dlq.<participant>`, for a few seconds, and on.

Losing one is harmless: the coordinator's row makes the command again. So nothing here ever holds up a partition for longer.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from saga_messaging.broker import Broker, BrokerError, Outgoing, Record
from saga_participant.telemetry.metrics import Metrics
from saga_schemas.errors import BadMessage

LIMIT_S: Final = 5.0
MAX_VALUE_BYTES: Final = 64 * 1024
MAX_HEADER_BYTES: Final = 16 * 1024
MAX_KEY_BYTES: Final = 1024

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
        producer = self._broker.producer()
        failed: Exception | None
        try:
            async with asyncio.timeout(LIMIT_S):
                await producer.start()
                failed = (await producer.send_all([self._letter(record, bad)], timeout_s=LIMIT_S))[0]
        except (BrokerError, TimeoutError) as error:
            failed = error
        finally:
            await producer.stop()
        if failed is not None:
            _LOG.error("not dead-lettered, gone on: %s; topic=%s offset=%d", failed, record.topic, record.offset)

    def _letter(self, record: Record, bad: BadMessage) -> Outgoing:
        """As it was, cut to bounds, with where it came from and why."""
        kept, size = [], 0
        for name, content in record.headers:
            size += len(name) + len(content or b"")
            if size > MAX_HEADER_BYTES:
                break
            kept.append((name, content or b""))
        origin = (
            ("saga_dlq_reason", bad.reason.encode()),
            ("saga_dlq_topic", record.topic.encode()),
            ("saga_dlq_partition", b"%d" % record.partition),
            ("saga_dlq_offset", b"%d" % record.offset),
        )
        key = None if record.key is None else record.key[:MAX_KEY_BYTES]
        value = None if record.value is None else record.value[:MAX_VALUE_BYTES]
        return Outgoing(topic=self._topic, key=key, value=value, headers=(*kept, *origin))
