"""docs/changing-schemas.md as it says: orders keep coming while schemas change, in either order,
and none is turned back by that."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from saga_coordinator.engine.facts import CommandSent
from saga_coordinator.registry.registration import Act, activate, add_schema, register
from saga_coordinator.store.port import Store
from saga_coordinator.views.saga import saga_view
from saga_coordinator.wiring import Instance
from saga_messaging.background import end
from saga_messaging.broker import Broker, Outgoing
from saga_messaging.kafka import KafkaBroker
from saga_messaging.memory import MemoryBroker
from saga_messaging.settings import KafkaSettings
from saga_participant import Participant
from saga_schemas.codec import encode
from saga_schemas.headers import CommandHeaders, StartHeaders
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.schema import Schema
from saga_schemas.topics import Topics
from support.coordinators import closed, journal_of, opened, running, settings_for, start
from support.scripted import Answer, ScriptedParticipant, obliging

Document = dict[str, Any]
CURRENCY: Document = {"name": "currency", "type": ["null", "string"], "default": None}


def record(name: str, *fields: str | Document, **attributes: Any) -> Document:
    made = [one if isinstance(one, dict) else {"name": one, "type": "string"} for one in fields]
    return {"type": "record", "name": name, "fields": made, **attributes}


ORDER, SHIP = record("walk.Order", "id", "account"), record("walk.Ship", "id")
CHARGE = record("walk.Charge", "id", "account", sagaReply="walk.Charged")
CHARGED, REFUND = record("walk.Charged", "receipt"), record("walk.Refund", "receipt")
CHARGE_2 = record("walk.Charge", "id", "account", CURRENCY, sagaReply="walk.Charged")
CHARGED_2 = record("walk.Charged", "receipt", CURRENCY)
ORDER_2 = record("walk.Order", "id", "account", CURRENCY)
OLD = [ORDER, SHIP, CHARGE, CHARGED, REFUND]
DEFINITION = """
saga: order
version: %d
input: walk.Order
steps:
  - name: %s
    participant: bank
    command: walk.Charge
    %s
    timeout: {reask: 500ms}
    compensation: {command: walk.Refund, with: {receipt: "${steps.%s.reply.receipt}"}}
  - name: ship
    participant: carrier
    command: walk.Ship
    pivot: true
    timeout: {reask: 500ms}
"""
FIRST = DEFINITION % (1, "charge", "", "charge")
SECOND = DEFINITION % (2, "charge", "with: {currency: EUR}", "charge")
RENAMED = DEFINITION % (2, "take-money", "", "take-money")


class Charge(BaseModel):
    avro_name: ClassVar[str] = "walk.Charge"
    id: str
    account: str


class Charge2(Charge):
    avro_name: ClassVar[str] = "walk.Charge"
    currency: str | None = None


class Charged(BaseModel):
    avro_name: ClassVar[str] = "walk.Charged"
    receipt: str


class Charged2(Charged):
    avro_name: ClassVar[str] = "walk.Charged"
    currency: str | None = None


class Refund(BaseModel):
    avro_name: ClassVar[str] = "walk.Refund"
    receipt: str


@dataclass(slots=True)
class Bank:
    """A service with its database, which outlives every release of its code."""

    folder: Path
    broker: Broker
    topics: Topics
    currencies: list[str | None] = field(default_factory=list)
    refunded: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def deployed(
        self, *files: Document, command: type[Charge] = Charge, reply: type[Charged] = Charged
    ) -> AsyncIterator[None]:
        """A release that has these files and no others: the older versions were written over."""
        schemas = self.folder / uuid.uuid4().hex
        schemas.mkdir()
        for document in (REFUND, *files):
            (schemas / f"{document['name']}.avsc").write_text(json.dumps(document))
        bank = Participant("bank", database=f"sqlite+aiosqlite:///{self.folder}/bank.db", schemas=schemas)

        async def charge(command: Charge, db: AsyncConnection) -> Charged:
            self.currencies.append(getattr(command, "currency", None))
            return reply(receipt=f"r-{command.id}")

        async def refund(command: Refund, charged: Charged, db: AsyncConnection) -> None:
            assert command.receipt == charged.receipt
            self.refunded.append(charged.receipt)

        charge.__annotations__.update(command=command, **{"return": reply})
        refund.__annotations__.update(charged=reply)
        bank.action(charge)
        bank.compensation(refund)
        async with bank.served(self.broker, topic_prefix=self.topics.prefix):
            yield


@dataclass(slots=True)
class Shop:
    """Everything but the bank's releases."""

    store: Store
    instance: Instance
    broker: Broker
    topics: Topics
    bank: Bank
    carrier: ScriptedParticipant
    open: list[UUID] = field(default_factory=list)

    async def registers(self, definition: str, schemas: Sequence[Document]) -> None:
        """`saga def register FILE --activate`."""
        cache = self.instance.coordinator.definitions
        made = await register(self.store, cache, document=definition, schemas=schemas, tenant="default", act=Act(who="walk"))
        await activate(self.store, cache, tenant="default", name="order", version=made.row.version, act=Act(who="walk"))

    async def adds(self, schema: Document) -> None:
        """`saga schema add FILE`."""
        cache = self.instance.coordinator.definitions
        await add_schema(self.store, cache, subject=None, document=schema, tenant="default", act=Act(who="walk"))

    async def orders(self, count: int = 5) -> None:
        self.open += [await start(self.instance, "order", {"id": uuid.uuid4().hex, "account": "ada"}) for _ in range(count)]

    async def all_completed(self) -> None:
        """And on the way nothing but actions was asked for."""
        for saga_id in self.open:
            assert await closed(self.instance, saga_id, 60) == "COMPLETED"
            facts = [fact for _, found in await journal_of(self.store, saga_id) for fact in found]
            assert {fact.kind for fact in facts if isinstance(fact, CommandSent)} == {Kind.ACTION}
        assert self.bank.refunded == []

    async def waits(self) -> set[str]:
        names: set[str] = set()
        for saga_id in self.open:
            row = await self.store.saga(saga_id)
            assert row is not None
            view = await saga_view(row, store=self.store, definitions=self.instance.coordinator.definitions)
            names |= {waiting.name for waiting in view.waiting}
        return names


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110  # a view of rows tells nobody when it changes
            await asyncio.sleep(0.05)


@pytest.fixture(params=["memory", "kafka"])
async def shop(request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """A coordinator that runs order 1."""
    topics, settings = Topics(), settings_for(sqlite_url)
    broker: Broker = MemoryBroker()
    if request.param == "kafka":
        topics = Topics(f"c{uuid.uuid4().hex[:8]}.")
        kafka = KafkaSettings(
            bootstrap_servers=request.getfixturevalue("kafka_address"), topic_prefix=topics.prefix, partitions=1
        )
        broker, settings = KafkaBroker(kafka), settings_for(sqlite_url, kafka=kafka)
    async with opened(sqlite_url) as store, running(store, broker, settings) as instance:
        carrier = ScriptedParticipant(broker, "carrier", obliging, topics=topics)
        bank = Bank(tmp_path, broker, topics)
        made = Shop(store, instance, broker, topics, bank, carrier)
        await made.registers(FIRST, OLD)
        shipping = asyncio.create_task(carrier.run())
        try:
            yield made
        finally:
            await end((shipping,))
    await broker.stop()


async def test_a_field_of_a_command_participant_first(shop: Shop) -> None:
    async with shop.bank.deployed(CHARGE, CHARGED):
        await shop.orders()
        await shop.all_completed()
    await shop.orders()  # while the bank is being replaced
    async with shop.bank.deployed(CHARGE_2, CHARGED, command=Charge2):
        await shop.orders()
        await shop.all_completed()
        assert set(shop.bank.currencies) == {None}, "order 1 sends what it was registered with"
        await shop.registers(SECOND, [*OLD, CHARGE_2])
        await shop.orders()
        await shop.all_completed()
    assert shop.bank.currencies[-5:] == ["EUR"] * 5


async def test_a_field_of_a_command_definition_first(shop: Shop) -> None:
    async with shop.bank.deployed(CHARGE, CHARGED):
        await shop.orders()
        await shop.adds(CHARGE_2)
        await shop.orders()
        await shop.registers(SECOND, [*OLD, CHARGE_2])
        await shop.orders()
        await shop.all_completed()
        assert set(shop.bank.currencies) == {None}, "an older handler is not shown the new field"
    await shop.orders()
    async with shop.bank.deployed(CHARGE_2, CHARGED, command=Charge2):
        await shop.all_completed()
    assert shop.bank.currencies[-5:] == ["EUR"] * 5


async def test_a_field_of_a_reply_participant_first(shop: Shop) -> None:
    """The mapping of the compensation reads this reply."""
    async with shop.bank.deployed(CHARGE, CHARGED_2, reply=Charged2):
        await shop.orders()

        async def named() -> bool:
            return await shop.waits() == {"reply_unreadable"}

        await until(named)
        await shop.adds(CHARGED_2)
        await shop.orders()
        await shop.all_completed()


async def test_a_field_of_a_reply_schema_first(shop: Shop) -> None:
    async with shop.bank.deployed(CHARGE, CHARGED):
        await shop.adds(CHARGED_2)
        await shop.orders()
        await shop.all_completed()
    async with shop.bank.deployed(CHARGE, CHARGED_2, reply=Charged2):
        await shop.orders()
        await shop.all_completed()
        assert await shop.store.dead_letters(before=None, limit=10) == []


async def test_an_order_that_goes_back_is_undone_by_a_release_whose_files_know_nothing_of_its_reply(shop: Shop) -> None:
    waiting = asyncio.Event()

    def carrier(command: CommandHeaders) -> Sequence[Answer]:
        if not waiting.is_set():
            return []
        return [Answer(outcome=Outcome.REJECTED, code="no_carrier")] if command.kind is Kind.ACTION else obliging(command)

    shop.carrier.script = carrier
    async with shop.bank.deployed(CHARGE, CHARGED):
        await shop.orders(1)

        async def asked() -> bool:
            return bool(shop.carrier.seen)

        await until(asked)
    async with shop.bank.deployed(CHARGE_2, CHARGED_2, command=Charge2, reply=Charged2):
        waiting.set()
        assert await closed(shop.instance, shop.open[0], 60) == "COMPENSATED"
    assert len(shop.bank.refunded) == 1


async def test_a_field_of_the_input(shop: Shop) -> None:
    async with shop.bank.deployed(CHARGE_2, CHARGED, command=Charge2):
        schema = Schema.parse(ORDER_2)
        await starts_on_kafka(shop, schema, "too-early")

        async def refused() -> bool:
            return [letter.reason for letter in await shop.store.dead_letters(before=None, limit=10)] == ["unknown_schema"]

        await until(refused)
        await shop.adds(ORDER_2)
        await starts_on_kafka(shop, schema, "now")

        async def charged() -> bool:
            return len(shop.bank.currencies) == 1

        await until(charged)
        await shop.registers(DEFINITION % (2, "charge", "", "charge"), [*OLD, ORDER_2, CHARGE_2])
        await starts_on_kafka(shop, schema, "with version 2")

        async def passed_on() -> bool:
            return shop.bank.currencies == [None, "CHF"]

        await until(passed_on)


async def starts_on_kafka(shop: Shop, schema: Schema, request: str) -> None:
    headers = StartHeaders(
        message_id=request, source="walk", record="walk.Order", tenant="default", definition="order", time_us=0
    )
    value: Mapping[str, Any] = {"id": request, "account": "ada", "currency": "CHF"}
    producer = shop.broker.producer()
    await producer.start()
    sent = Outgoing(topic=shop.topics.start, key=None, value=encode(schema, dict(value)), headers=headers.encode())
    assert await producer.send_all([sent], timeout_s=30) == [None]
    await producer.stop()


async def test_a_renamed_step(shop: Shop) -> None:
    await shop.orders()
    await shop.registers(RENAMED, OLD)
    await shop.orders()
    async with shop.bank.deployed(CHARGE, CHARGED):
        await shop.all_completed()
    rows = [await shop.store.saga(saga_id) for saga_id in shop.open]
    assert len({row.definition_id for row in rows if row is not None}) == 2, "open sagas stay with their version"
