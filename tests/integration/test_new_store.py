"""A new store on a Kafka with a past: it starts nothing again, unless it is told to, and old
replies are no flood."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from contract.store_rows import new_id
from saga_coordinator.inbound.origins import MADE_AT, SCOPE, Origin
from saga_coordinator.server import _checked_meta
from saga_coordinator.settings import Settings
from saga_coordinator.store.port import Store
from saga_coordinator.wiring import Instance
from saga_messaging.background import end
from saga_messaging.kafka import KafkaBroker
from saga_messaging.memory import MemoryBroker
from saga_messaging.settings import KafkaSettings
from saga_schemas.topics import Topics
from support.coordinators import TOKEN_KEYS, closed, opened, register, running, settings_for, signed, start
from support.orders import until
from support.scripted import DONE, ScriptedParticipant
from support.start_records import CATALOG, DEFINITION, keys_started, send, start_record

OTHER_KEYS = "other:" + "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="


@pytest.fixture(params=["sqlite_url", "database_url"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def on_kafka(url: str, **more: object) -> Settings:
    return settings_for(url, kafka=KafkaSettings(bootstrap_servers="127.0.0.1:9"), **more)


@asynccontextmanager
async def serving(store: Store, broker: MemoryBroker, settings: Settings) -> AsyncIterator[Instance]:
    """As `saga serve` does: first what it checks, then the loops."""
    await _checked_meta(settings, store, broker)
    async with running(store, broker, settings) as instance:
        yield instance


async def keys_are(store: Store, *keys: str) -> None:
    async def so() -> bool:
        return await keys_started(store) == set(keys)

    await until(so, 20, f"exactly {keys}")


@pytest.mark.parametrize("value", ["", "soon", "-1", "1.5", "²"])
async def test_a_time_of_making_that_cannot_be_read_keeps_nobody_from_starting(sqlite_url: str, value: str) -> None:
    async with opened(sqlite_url) as store:
        origin = Origin(store, MemoryBroker(), on_kafka(sqlite_url))
        async with store.transaction() as tx:
            await tx.set_control(scope=SCOPE, tenant="default", name=MADE_AT, value=value, who="test", why="by hand")
        assert await origin.made_at_us() is None


async def test_a_new_store_starts_what_is_sent_from_then_on_and_nothing_older(url: str) -> None:
    broker = MemoryBroker()
    await send(broker, *(start_record(f"old-{n}", f"old-{n}") for n in range(20)))
    async with opened(url) as store:
        await register(store, DEFINITION, CATALOG)
        with capture_logs() as told:
            async with serving(store, broker, on_kafka(url, roles="starts")):
                await send(broker, start_record("new", "new"))
                await keys_are(store, "new")
        assert [line["records"] for line in told if line["event"] == "old_starts_left"] == [20]
        await send(broker, start_record("while down", "while-down"))
        async with serving(store, broker, on_kafka(url, roles="starts")):
            await keys_are(store, "new", "while-down")


async def test_a_store_that_was_used_with_the_stand_in_can_be_bound_to_a_kafka_with_a_past(url: str) -> None:
    stand_in, broker = MemoryBroker(partitions=1), MemoryBroker(partitions=1)
    await send(broker, *(start_record(f"old-{n}", f"old-{n}") for n in range(20)))
    async with opened(url) as store:
        await register(store, DEFINITION, CATALOG)
        async with serving(store, stand_in, settings_for(url, roles="starts")):
            await send(stand_in, start_record("tried", "tried"))
            await keys_are(store, "tried")
        async with serving(store, broker, on_kafka(url, roles="starts")):
            await send(broker, start_record("new", "new"))
            await keys_are(store, "tried", "new")


async def test_told_to_it_begins_at_the_beginning_and_that_once(url: str) -> None:
    broker = MemoryBroker()
    await send(broker, start_record("old", "old"))
    async with opened(url) as store:
        await register(store, DEFINITION, CATALOG)
        async with serving(store, broker, on_kafka(url, roles="starts", starts_from_beginning=True)):
            await keys_are(store, "old")


async def test_who_was_surprised_can_still_have_the_old_starts(url: str) -> None:
    broker = MemoryBroker()
    await send(broker, start_record("old", "old"))
    told_to = on_kafka(url, roles="starts", starts_from_beginning=True)
    async with opened(url) as store:
        await register(store, DEFINITION, CATALOG)
        async with serving(store, broker, on_kafka(url, roles="starts")):
            await send(broker, start_record("new", "new"))
            await keys_are(store, "new")
        async with serving(store, broker, told_to):
            await keys_are(store, "new", "old")
        with capture_logs() as lines:
            await _checked_meta(told_to, store, broker)
        assert not [line for line in lines if line["event"] == "starts_read_again"]


async def test_a_topic_that_is_made_after_the_store_is_read_from_its_beginning(url: str) -> None:
    broker = MemoryBroker()
    async with opened(url) as store:
        await register(store, DEFINITION, CATALOG)
        await _checked_meta(on_kafka(url), store, broker)
        await send(broker, start_record("first", "first"))
        async with serving(store, broker, on_kafka(url, roles="starts")):
            await keys_are(store, "first")


async def test_of_two_that_find_a_new_store_one_binds_it(database_url: str) -> None:
    broker = MemoryBroker()
    await send(broker, start_record("old", "old"))
    async with opened(database_url) as one, opened(database_url) as two:
        with capture_logs() as told:
            await asyncio.gather(*(_checked_meta(on_kafka(database_url), store, broker) for store in (one, two)))
        assert [line["records"] for line in told if line["event"] == "old_starts_left"] == [1]
        assert (await one.meta()).kafka_cluster_id == await broker.cluster_id()


@pytest.mark.parametrize("keys", [TOKEN_KEYS, OTHER_KEYS], ids=["the same keys", "other keys"])
async def test_replies_of_an_earlier_store_are_counted_and_fill_nothing(keys: str, sqlite_url: str, database_url: str) -> None:
    broker = MemoryBroker()
    participant = ScriptedParticipant(broker, "one")
    answering = asyncio.create_task(participant.run())
    async with opened(sqlite_url) as earlier:
        await register(earlier, DEFINITION, CATALOG)
        async with serving(earlier, broker, on_kafka(sqlite_url)) as instance:
            for n in range(3):
                assert await closed(instance, await start(instance, "asked", {"id": f"old-{n}"})) == "COMPLETED"
    async with opened(database_url) as store:
        await register(store, DEFINITION, CATALOG)
        settings = on_kafka(database_url, token_keys=keys)
        with capture_logs() as told:
            async with serving(store, broker, settings) as instance:
                registry = instance.coordinator.instruments.registry
                assert await closed(instance, await start(instance, "asked", {"id": "new"})) == "COMPLETED"

                async def counted() -> bool:
                    return registry.get_sample_value("saga_old_replies_total") == 3

                await until(counted, 20, "three old replies")
                assert registry.get_sample_value("saga_orphan_replies_total") == 0
        assert await store.dead_letters(before=None, limit=10) == []
        assert len([line for line in told if line["event"] == "old_replies_passed_over"]) == 1
    await end((answering,))


async def test_a_reply_for_a_saga_that_a_new_store_may_have_lost_is_kept(sqlite_url: str) -> None:
    broker = MemoryBroker()
    participant = ScriptedParticipant(broker, "one")
    answering = asyncio.create_task(participant.run())
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, CATALOG)
        async with serving(store, broker, on_kafka(sqlite_url)) as instance:
            assert await closed(instance, await start(instance, "asked", {"id": "here"})) == "COMPLETED"
            command, _ = participant.seen[0]
            await send(broker, participant.reply(signed(command, saga_id=new_id()), DONE))

            async def kept() -> bool:
                return instance.coordinator.instruments.registry.get_sample_value("saga_orphan_replies_total") == 1

            await until(kept, 20, "an orphan")
    await end((answering,))


async def test_on_a_real_kafka_the_end_of_each_partition_is_remembered(kafka_address: str, sqlite_url: str) -> None:
    prefix = f"t{uuid4().hex[:10]}."
    kafka = KafkaSettings(bootstrap_servers=kafka_address, topic_prefix=prefix)
    broker = KafkaBroker(kafka)
    topic = Topics(prefix).start
    await broker.start()
    try:
        await broker.ensure_topics([topic])
        producer = broker.producer()
        await producer.start()
        old = [replace(start_record(f"old-{n}", f"old-{n}"), topic=topic, key=b"%d" % n) for n in range(30)]
        assert await producer.send_all(old, timeout_s=30) == [None] * 30
        await producer.stop()
        async with opened(sqlite_url) as store:
            with capture_logs() as told:
                await _checked_meta(settings_for(sqlite_url, kafka=kafka), store, broker)
            positions = await store.positions([topic])
        assert sum(position.next_offset for position in positions.values()) == 30
        assert all(position.last_print for position in positions.values())
        assert [line["records"] for line in told if line["event"] == "old_starts_left"] == [30]
    finally:
        await broker.stop()
