"""Starts that come over Kafka, of the smallest saga: its definition, the records, and what came of
them."""

from __future__ import annotations

import time

from saga_coordinator.store.port import ListFilter, Store
from saga_messaging.broker import Outgoing
from saga_messaging.memory import MemoryBroker
from saga_schemas.catalog import Catalog
from saga_schemas.codec import encode
from saga_schemas.headers import StartHeaders
from saga_schemas.topics import Topics
from support.scripted import catalog_of

CATALOG: Catalog = catalog_of("t.Input", "t.Do")
DEFINITION = """
saga: asked
version: 1
input: t.Input
key: ${input.id}
steps:
  - {name: one, participant: one, command: t.Do, compensation: none, timeout: {reask: 1s}}
"""


def start_record(request_id: str, key: str, version: int | None = None) -> Outgoing:
    """Of this version, or of the active one."""
    headers = StartHeaders(
        message_id=request_id,
        source="/test",
        record="t.Input",
        tenant="default",
        definition="asked",
        definition_version=version,
        time_us=time.time_ns() // 1000,
    )
    schema = CATALOG.latest("t.Input")
    assert schema is not None
    return Outgoing(topic=Topics().start, key=None, value=encode(schema, {"id": key}), headers=headers.encode())


async def keys_started(store: Store) -> set[str | None]:
    listed, _ = await store.list_sagas(ListFilter(tenant="default"))
    return {one.business_key for one in listed}


async def send(broker: MemoryBroker, *records: Outgoing) -> None:
    await broker.ensure_topics({record.topic for record in records})
    producer = broker.producer()
    await producer.start()
    assert await producer.send_all(records, timeout_s=5) == [None] * len(records)


async def has_letters(store: Store, count: int) -> bool:
    return len(await store.dead_letters(before=None, limit=100)) >= count
