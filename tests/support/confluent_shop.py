"""Order sagas on a real Kafka, started and read by Confluent's own client: the coordinator within
the test's process, scripted participants, every kind of message on every topic."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast
from uuid import uuid4

import httpx
from confluent_kafka import Consumer, Message, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from saga_coordinator.server import serve
from saga_messaging.background import end
from saga_messaging.kafka import KafkaBroker
from saga_messaging.settings import KafkaSettings
from saga_schemas.catalog import Catalog
from saga_schemas.codec import encode
from saga_schemas.files import read_schemas
from saga_schemas.headers import CommandHeaders, StartHeaders
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.plain import from_plain
from saga_schemas.topics import Topics
from support.coordinators import settings_for
from support.paths import DEMO
from support.scripted import FENCED, UNDONE, Answer, ScriptedParticipant, eventually, until

CATALOG: Final = Catalog(read_schemas(DEMO / "schemas"))
INPUT: Final = (DEMO / "schemas" / "shop.PlaceOrder.avsc").read_text()
PARTICIPANTS: Final = ("inventory", "payment", "shipping")
LIMIT_S: Final = 60.0
KINDS: Final = {
    "saga.start": {"shop.PlaceOrder"},
    "saga.events": {"saga.v1.SagaEvent"},
    "saga.cmd.inventory": {"shop.ReserveStock", "shop.ReleaseStock"},
    "saga.cmd.payment": {"shop.ChargeCard", "shop.RefundCard", "saga.v1.Empty"},
    "saga.cmd.shipping": {"shop.BookCarrier"},
    "saga.reply.inventory": {"shop.StockReserved", "saga.v1.Progress", "saga.v1.Empty"},
    "saga.reply.payment": {"shop.CardCharged", "saga.v1.Failure", "saga.v1.Empty"},
    "saga.reply.shipping": {"shop.CarrierBooked", "saga.v1.Failure"},
}
"""Every record that the sagas of the test put on each topic."""


# --- the participants -----------------------------------------------------------------------------


def done(record: str, plain: dict[str, Any]) -> Answer:
    schema = CATALOG.latest(record)
    assert schema is not None
    return Answer(outcome=Outcome.SUCCEEDED, record=record, payload=encode(schema, from_plain(schema, plain)))


NO: Final = Answer(outcome=Outcome.REJECTED, code="no_carrier")
USUAL: Final = {
    "reserve": [
        Answer(outcome=Outcome.IN_PROGRESS, note="counting", sequence=1),
        done("shop.StockReserved", {"reservation_id": "r-1"}),
    ],
    "charge": [done("shop.CardCharged", {"charge_id": "c-1"})],
    "ship": [done("shop.CarrierBooked", {"parcel_id": "p-1"})],
}


def answering(refuses: str = "", silent: str = "") -> Callable[[CommandHeaders], Sequence[Answer]]:
    """Payment fails at first; one step may be refused, or its action never answered."""

    def script(command: CommandHeaders) -> Sequence[Answer]:
        if command.kind is not Kind.ACTION:
            return [FENCED if command.kind is Kind.RESOLVE else UNDONE]
        if command.step == silent:
            return []
        if command.step == refuses:
            return [NO]
        if command.step == "charge" and command.attempt == 1:
            return [Answer(outcome=Outcome.FAILED, code="bank_away")]
        return USUAL[command.step]

    return script


# --- a coordinator on a real Kafka, and a client of it --------------------------------------------


@dataclass(frozen=True)
class Shop:
    kafka: KafkaSettings
    server: str
    participants: dict[str, ScriptedParticipant]
    topics: Topics
    http: httpx.AsyncClient

    @property
    def registry(self) -> str:
        """The coordinator's own."""
        return f"{self.server}/registry"

    def answer(self, script: Callable[[CommandHeaders], Sequence[Answer]]) -> None:
        for participant in self.participants.values():
            participant.script = script

    async def ended(self, order: str) -> str:
        """The phase in which the saga of this order ended."""

        async def sagas() -> list[dict[str, Any]]:
            listed: list[dict[str, Any]] = (await self.http.get("/v1/sagas", params={"key": order})).json()["items"]
            return listed

        async def begun() -> bool:
            return bool(await sagas())

        await eventually(begun)
        (found,) = await sagas()
        saga = (await self.http.get(f"/v1/sagas/{found['id']}", params={"wait_s": 30})).json()
        return str(saga["phase"])


@asynccontextmanager
async def shop(kafka_address: str, folder: Path, **more: object) -> AsyncIterator[Shop]:
    """`more` are settings of the coordinator."""
    kafka = KafkaSettings(bootstrap_servers=kafka_address, topic_prefix=f"r{uuid4().hex[:8]}.", partitions=1)
    settings = settings_for(f"sqlite+aiosqlite:///{folder / 'test.sqlite'}", kafka=kafka, **more)
    broker, topics = KafkaBroker(kafka), Topics(kafka.topic_prefix)
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    participants = {name: ScriptedParticipant(broker, name, topics=topics) for name in PARTICIPANTS}
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(serve(settings, ready=port.set_result, stop=stop, broker=broker))
        server = f"http://127.0.0.1:{await port}"
        async with httpx.AsyncClient(base_url=server, timeout=LIMIT_S, trust_env=False) as http:
            documents = [json.loads(path.read_bytes()) for path in sorted((DEMO / "schemas").glob("*.avsc"))]
            definition = {"document": (DEMO / "order.saga.yaml").read_text(), "schemas": documents}
            (await http.post("/v1/definitions", json=definition)).raise_for_status()
            (await http.post("/v1/definitions/order/1/activate", json={})).raise_for_status()
            working = [group.create_task(participant.run()) for participant in participants.values()]
            yield Shop(kafka=kafka, server=server, participants=participants, topics=topics, http=http)
        await end(working)
        stop.set()
        await serving


def start(shop: Shop, order: str) -> None:
    """A start, as an application with Confluent's serializer and its usual settings writes it."""
    topic = shop.topics.start
    serializer = AvroSerializer(SchemaRegistryClient({"url": shop.registry}), INPUT, conf={"auto.register.schemas": False})
    plain = {
        "order_id": order,
        "customer": "ada",
        "account": "a-1",
        "sku": "s-1",
        "quantity": 2,
        "total": 1999,
        "address": "Main St",
    }
    headers = StartHeaders(
        message_id=order,
        source="/shop",
        record="shop.PlaceOrder",
        tenant="default",
        definition="order",
        time_us=time.time_ns() // 1000,
    )
    value = serializer(plain | {"carrier": None, "faults": []}, SerializationContext(topic, MessageField.VALUE))
    producer = Producer({"bootstrap.servers": shop.kafka.bootstrap_servers})
    producer.produce(topic, value, headers=list(headers.encode()))
    assert producer.flush(30) == 0


@contextmanager
def consumer(shop: Shop, topics: Sequence[str]) -> Iterator[Consumer]:
    made = Consumer(
        {
            "bootstrap.servers": shop.kafka.bootstrap_servers,
            "group.id": uuid4().hex,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    made.subscribe(list(topics))
    try:
        yield made
    finally:
        made.close()


def read_all(shop: Shop, registry: str) -> dict[str, set[str]]:
    """Read all topics with Confluent's deserializer and this registry until every kind of message
    was there; the kinds, by topic."""
    found: dict[str, set[str]] = {topic: set() for topic in KINDS}
    read = AvroDeserializer(SchemaRegistryClient({"url": registry}), return_record_name=True)
    until_s = time.monotonic() + LIMIT_S
    with consumer(shop, [shop.kafka.topic_prefix + topic for topic in KINDS]) as records:
        while found != KINDS and time.monotonic() < until_s:
            if (message := records.poll(0.5)) is not None:
                found[str(message.topic()).removeprefix(shop.kafka.topic_prefix)].add(read_one(read, message))
    return found


def read_one(read: AvroDeserializer, message: Message) -> str:
    """The record's name; what it holds has been read."""
    assert message.error() is None
    context = SerializationContext(str(message.topic()), MessageField.VALUE, message.headers())
    value = read(message.value(), context)
    headers = cast("list[tuple[str, bytes]]", message.headers())
    claimed = dict(headers)["ce_type"].decode()
    assert isinstance(value, dict)
    schema = CATALOG.latest(claimed)
    assert schema is None or value.keys() == {field["name"] for field in schema.document["fields"]}
    return claimed


async def run_sagas(running: Shop) -> None:
    """Three sagas, which end in three ways and leave every kind of message behind."""
    running.answer(answering())
    await asyncio.to_thread(start, running, "done")
    assert await running.ended("done") == "COMPLETED"

    running.answer(answering(refuses="ship"))
    await asyncio.to_thread(start, running, "refused")
    assert await running.ended("refused") == "COMPENSATED"

    running.answer(answering(silent="charge"))
    await asyncio.to_thread(start, running, "cancelled")
    payment = running.participants["payment"]
    seen = {command.saga_id for command, _ in payment.seen}
    await until(lambda: bool({command.saga_id for command, _ in payment.seen} - seen))
    (saga_id,) = {command.saga_id for command, _ in payment.seen} - seen
    (await running.http.post(f"/v1/sagas/{saga_id}/cancel", json={"reason": "changed"})).raise_for_status()
    assert await running.ended("cancelled") == "COMPENSATED"
