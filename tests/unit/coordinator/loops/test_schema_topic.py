"""`saga.schemas` is what the coordinator knows, whatever happens to the topic."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from structlog.testing import capture_logs

from saga_coordinator.loops.schema_topic import SchemaTopic
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_messaging.broker import BrokerError, Outgoing, TopicPartition
from saga_messaging.memory import MemoryBroker
from saga_schemas.published import HEADERS, read_published, schema_key
from saga_schemas.records import OWN
from saga_schemas.schema import Schema
from support.hand_clock import HandClock

TOPIC = "saga.schemas"


def schema(name: str, *fields: str) -> Schema:
    return Schema.parse(
        {
            "type": "record",
            "name": name,
            "fields": [{"name": field, "type": ["null", "long"], "default": None} for field in fields],
        }
    )


class Known(DefinitionCache):
    """A cache that was filled by hand."""

    def __init__(self, schemas: Iterable[Schema]) -> None:
        super().__init__(None, "default")  # type: ignore[arg-type]  # nothing is read from the store
        for each in schemas:
            self.catalog.add(each)


def held(broker: MemoryBroker) -> dict[bytes | None, bytes | None]:
    """What a compacted topic would keep."""
    return {record.key: record.value for record in broker.records(TOPIC)}


def topic_of(broker: MemoryBroker, *schemas: Schema) -> SchemaTopic:
    return SchemaTopic(broker=broker, topic=TOPIC, definitions=Known(schemas), clock=HandClock())


ONE, TWO = schema("shop.One", "a"), schema("shop.Two", "a", "b")
EVERYTHING = {schema_key(each.id): each.canonical for each in (*OWN, ONE, TWO)}


async def test_every_schema_stands_there_under_its_id_and_is_written_once() -> None:
    broker = MemoryBroker()
    topic = topic_of(broker, ONE, TWO)
    for _ in range(3):
        await topic.look()
    assert held(broker) == EVERYTHING
    assert len(broker.records(TOPIC)) == len(EVERYTHING)
    assert {record.headers for record in broker.records(TOPIC)} == {HEADERS}
    one = next(record for record in broker.records(TOPIC) if record.key == schema_key(ONE.id))
    assert read_published(one.key, one.value or b"", frozenset({"shop.One"})) == ONE


async def test_a_schema_that_is_registered_later_is_added() -> None:
    broker, known = MemoryBroker(), Known([ONE])
    topic = SchemaTopic(broker=broker, topic=TOPIC, definitions=known, clock=HandClock())
    await topic.look()
    known.catalog.add(TWO)
    await topic.look()
    assert held(broker) == EVERYTHING


async def test_a_topic_that_was_deleted_is_written_again() -> None:
    broker = MemoryBroker()
    topic = topic_of(broker, ONE, TWO)
    await topic.look()
    await topic.look()
    await broker.delete_topics([TOPIC])
    await topic.look()
    assert held(broker) == EVERYTHING


async def test_what_a_topic_that_is_not_compacted_has_dropped_is_written_again() -> None:
    broker = MemoryBroker()
    topic = topic_of(broker, ONE, TWO)
    await topic.look()
    await topic.look()
    broker.expire(TopicPartition(TOPIC, 0), len(EVERYTHING) - 1)
    await topic.look()
    assert held(broker) == EVERYTHING


@pytest.mark.parametrize("value", [None, b"{}", TWO.canonical])
async def test_what_somebody_else_wrote_over_an_entry_is_put_right(value: bytes | None) -> None:
    broker = MemoryBroker()
    topic = topic_of(broker, ONE, TWO)
    await topic.look()
    await broker.producer().send_all([Outgoing(topic=TOPIC, key=schema_key(ONE.id), value=value, headers=())], timeout_s=1)
    await topic.look()
    assert held(broker) == EVERYTHING


async def test_two_coordinators_agree_after_one_look_each() -> None:
    broker = MemoryBroker()
    topics = [topic_of(broker, ONE, TWO) for _ in range(2)]
    for _ in range(4):
        for topic in topics:
            await topic.look()
    assert held(broker) == EVERYTHING
    assert len(broker.records(TOPIC)) == len(EVERYTHING)


async def test_a_schema_the_broker_will_not_take_keeps_no_other_from_its_place() -> None:
    broker = MemoryBroker(max_message_bytes=2_000)
    large = schema("shop.Large", *(f"field_{n}" for n in range(60)))
    with pytest.raises(BrokerError, match="larger than"):
        await topic_of(broker, large, ONE, TWO).look()
    assert held(broker) == EVERYTHING


async def test_a_bug_met_while_looking_ends_no_process_and_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    broker, clock = MemoryBroker(), HandClock()
    topic = SchemaTopic(broker=broker, topic=TOPIC, definitions=Known([ONE, TWO]), clock=clock)

    async def bug(*_: object) -> None:
        raise KeyError("a secret")

    with capture_logs() as lines, monkeypatch.context() as broken:
        broken.setattr(MemoryBroker, "partitions", bug)
        running = asyncio.create_task(topic.run())
        for _ in range(30):
            await clock.move(0.5)
        assert not running.done()
    assert [(line["event"], type(line["exc_info"])) for line in lines] == [("schemas_not_published", KeyError)]
    for _ in range(30):
        await clock.move(0.5)
    assert held(broker) == EVERYTHING
    running.cancel()


async def test_where_the_topic_may_not_be_made_it_is_said_what_to_make() -> None:
    broker = MemoryBroker()
    broker.faults.forbid_topics = True
    topic = topic_of(broker, ONE)
    with pytest.raises(BrokerError, match=r"may not be created here: saga\.schemas; make it with cleanup\.policy=compact"):
        await topic.look()
    broker.faults.forbid_topics = False
    await topic.look()
    assert len(held(broker)) == len(OWN) + 1
