"""What the floor's processes say to each other: the messages of an order saga, and no more."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final
from uuid import UUID

import fastavro
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

PARTITIONS: Final = 3
STEPS: Final = ("reserve", "charge", "ship")
UNDONE_BY: Final = ("release", "refund")
PAYLOAD: Final = {"amount": "12.50", "currency": "EUR", "order": "o-123456"}
HEADERS: Final = [("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]
_FRAMING: Final = b"\0\0\0\0\1"
_STATUSES: Final = ("START", "COMMAND", "OK", "REJECTED", "COMPLETED", "COMPENSATED")
_SCHEMA: Final = fastavro.parse_schema(
    {
        "type": "record",
        "name": "floor.Message",
        "fields": [
            {"name": "saga_id", "type": "string"},
            {"name": "key", "type": "string"},
            {"name": "step", "type": "int"},
            {"name": "operation", "type": "string"},
            {"name": "status", "type": {"type": "enum", "name": "floor.Status", "symbols": list(_STATUSES)}},
            {"name": "rejects", "type": "boolean"},
            {"name": "payload", "type": {"type": "map", "values": "string"}},
        ],
    }
)
FETCH: Final = {"enable_auto_commit": False, "auto_offset_reset": "earliest", "fetch_max_wait_ms": 500, "max_poll_records": 500}


@dataclass(frozen=True, slots=True)
class Message:
    saga_id: str
    key: str
    """Of the business; it goes round with the saga."""
    step: int
    operation: str
    status: str
    rejects: bool
    """Whether the last step will say no."""

    def encoded(self) -> bytes:
        out = io.BytesIO()
        out.write(_FRAMING)
        fastavro.schemaless_writer(out, _SCHEMA, asdict(self) | {"payload": PAYLOAD})
        return out.getvalue()


def decoded(value: bytes) -> Message:
    read: Any = fastavro.schemaless_reader(io.BytesIO(value[len(_FRAMING) :]), _SCHEMA, None)
    del read["payload"]
    return Message(**read)


Outbound = tuple[str, Message]
"""A topic and what goes there."""


class Wire:
    """Idempotent sends of a few large batches, and reads from the beginning, all partitions."""

    def __init__(self, kafka: str, prefix: str) -> None:
        self._kafka = kafka
        self.prefix = prefix
        self._producer: AIOKafkaProducer | None = None

    def topic(self, name: str) -> str:
        return f"{self.prefix}{name}"

    async def consumer(self, *names: str) -> AIOKafkaConsumer:
        made = AIOKafkaConsumer(bootstrap_servers=self._kafka, **FETCH)
        await made.start()
        partitions = [TopicPartition(self.topic(name), number) for name in names for number in range(PARTITIONS)]
        made.assign(partitions)
        await made.seek_to_beginning(*partitions)
        return made

    async def start(self) -> None:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._kafka, enable_idempotence=True, acks="all", linger_ms=0, max_batch_size=262_144
        )
        await self._producer.start()

    async def send(self, messages: list[Outbound]) -> None:
        """Returns when all are acknowledged."""
        assert self._producer is not None
        apart: dict[tuple[str, int], list[Message]] = {}
        for name, message in messages:
            apart.setdefault((name, UUID(message.saga_id).int % PARTITIONS), []).append(message)
        acknowledged = []
        for (name, partition), some in apart.items():
            batch = self._producer.create_batch()
            for message in some:
                parts = {"key": message.saga_id.encode(), "value": message.encoded(), "timestamp": None, "headers": HEADERS}
                if batch.append(**parts) is None:
                    acknowledged.append(await self._producer.send_batch(batch, self.topic(name), partition=partition))
                    batch = self._producer.create_batch()
                    batch.append(**parts)
            acknowledged.append(await self._producer.send_batch(batch, self.topic(name), partition=partition))
        for future in acknowledged:
            await future


def messages_of(polled: Mapping[Any, list[Any]]) -> list[Message]:
    return [decoded(record.value) for records in polled.values() for record in records]
