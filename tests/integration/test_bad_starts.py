"""Records of `saga.start` that start nothing: each is a dead letter, and what comes behind it starts, on either database."""

from __future__ import annotations

import time

import pytest

from saga_coordinator.store.port import ListFilter, Store
from saga_coordinator.wiring import Instance
from saga_messaging.broker import Outgoing
from saga_messaging.memory import MemoryBroker
from saga_schemas.catalog import Catalog
from saga_schemas.codec import encode
from saga_schemas.headers import StartHeaders
from saga_schemas.topics import Topics
from support.coordinators import opened, register, running, settings_for
from support.orders import until
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


@pytest.fixture(params=["sqlite_url", "database_url"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def start_record(request_id: str, key: str) -> Outgoing:
    headers = StartHeaders(
        message_id=request_id,
        source="/test",
        record="t.Input",
        tenant="default",
        definition="asked",
        definition_version=None,
        time_us=time.time_ns() // 1000,
    )
    schema = CATALOG.latest("t.Input")
    assert schema is not None
    return Outgoing(topic=Topics().start, key=None, value=encode(schema, {"id": key}), headers=headers.encode())


def garbage() -> Outgoing:
    return Outgoing(topic=Topics().start, key=None, value=b"hello", headers=())


async def keys_started(store: Store) -> set[str | None]:
    listed, _ = await store.list_sagas(ListFilter(tenant="default"))
    return {one.business_key for one in listed}


async def send(broker: MemoryBroker, *records: Outgoing) -> None:
    await broker.ensure_topics({record.topic for record in records})
    producer = broker.producer()
    await producer.start()
    assert await producer.send_all(records, timeout_s=5) == [None] * len(records)


async def has_letters(store: Store, count: int) -> bool:
    return len(await store.dead_letters(after=None, limit=100)) >= count


async def test_a_poll_without_one_good_start_is_dead_lettered_and_the_next_start_starts(url: str) -> None:
    broker = MemoryBroker()
    async with opened(url) as store:
        await register(store, DEFINITION, CATALOG)
        async with running(store, broker, settings_for(url, roles="starts,watchdog")) as instance:
            await send(broker, garbage())
            await until(lambda: has_letters(store, 1), 20, "a dead letter")
            await send(broker, start_record("good", "k-1"))

            async def started() -> bool:
                return await keys_started(store) == {"k-1"}

            await until(started, 20, "a saga")
            letters = await store.dead_letters(after=None, limit=100)
            assert [letter.value for letter in letters] == [b"hello"]
            assert await well(instance)


async def well(instance: Instance) -> bool:
    return await instance.coordinator.ready() == []
