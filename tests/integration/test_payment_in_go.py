"""The demo's order saga with its payment in Go (examples/payment-go), beside inventory and shipping
in Python."""

from __future__ import annotations

import asyncio
import json
import subprocess
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from saga_schemas.codec import encode
from saga_schemas.files import read_schemas
from saga_schemas.headers import StartHeaders
from saga_schemas.schema import Schema
from support import ledger, shop, sql
from support.cloudevents import Message, messages_of, read_by_sdk
from support.collector import Collector, Span
from support.orders import Order, Placing, all_final, some_orders, until
from support.paths import DEMO, PAYMENT_GO
from support.payment_go import go_command, payment_go
from support.processes import clean_environ
from support.shop import Shop
from support.stored_codecs import CODECS, stored_codecs

DRAIN_LIMIT_S = 120.0
STEP_LIMIT_S = 60.0
PER_CODEC = 20
DELAY = {"step": "charge", "kind": "delay", "times": 1, "ms": 500}
"""Keeps a charge at work for a while, so that a kill meets some."""
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
STARTED = "SELECT count(*) FROM saga"
ACCEPTED = "SELECT count(*) FROM reviews"
CHARGED = "SELECT count(*) FROM effect_ledger WHERE kind = 'action'"

Opened = Callable[..., AbstractAsyncContextManager[Shop]]


@pytest.fixture
def opened(tmp_path: Path, kafka_address: str, postgres_url: Callable[[], str]) -> Opened:
    """Opens shops that take orders: one coordinator, and two payments in Go unless said
    otherwise."""

    @asynccontextmanager
    async def started(instances: int = 2, **settings: str) -> AsyncIterator[Shop]:
        async with shop.opened(
            tmp_path,
            kafka=kafka_address,
            new_database=lambda _: postgres_url(),
            coordinators=1,
            instances={"inventory": 1, "payment": instances, "shipping": 1},
            topic_prefix=f"go-{uuid.uuid4().hex[:8]}.",
            settings={"SAGA_KAFKA_SESSION_TIMEOUT_MS": "4000", **settings},
            payment=payment_go(),
        ) as fleet:
            await fleet.start()
            await fleet.register()
            yield fleet

    return started


async def test_orders_end_right_though_payment_is_killed_five_times_and_every_codec_is_used(opened: Opened) -> None:
    """Before each kill both sides change their codec: the topics of starts and commands are stored
    with it, and the payment that comes back answers with it."""
    placed: dict[str, Order] = {}
    async with opened() as fleet:
        one, other = fleet.instances("payment")
        for codec in CODECS:
            for topic in ("saga.start", "saga.cmd.payment"):
                set_codec(fleet, topic, codec)
            placed |= {order.id: order for order in await start_orders(fleet, PER_CODEC, codec)}
            await charged_at_least(fleet, len(placed) - PER_CODEC // 2)
            await fleet.kill(one)
            await fleet.start(one.with_settings(PAYMENT_COMPRESSION=codec))
            one, other = other, one
        placed |= {order.id: order for order in await start_orders(fleet, PER_CODEC, codec)}
        await until(lambda: more_than(fleet.database, STARTED, len(placed) - 1), STEP_LIMIT_S, "all are started")
        ended = await all_final(fleet.database, DRAIN_LIMIT_S)

        rejected = sum(order.rejected for order in placed.values())
        assert ended.counted == {"COMPLETED": len(placed) - rejected, "COMPENSATED": rejected}
        assert not list(ledger.wrongs(await ledger.read(fleet.ledgers.values()), ended.phases))
        for topic in ("saga.start", "saga.cmd.payment", "saga.reply.payment"):
            assert await stored_codecs(fleet.kafka, fleet.topic_prefix + topic) >= set(CODECS), topic
        await assert_cloudevents(fleet)


async def test_an_answer_given_later_arrives_though_the_payment_that_accepted_it_is_dead(opened: Opened) -> None:
    with Collector("http/protobuf") as collector:
        tracing = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "SAGA_OTLP_ENDPOINT": collector.endpoint,
            "SAGA_OTLP_PROTOCOL": "http/protobuf",
        }
        async with opened(1, PAYMENT_REVIEW_ABOVE="1000", PAYMENT_REVIEW_MS="1500", **tracing) as fleet:
            (payment,) = fleet.instances("payment")
            orders = some_orders(6, rejected=2)
            placing = Placing(fleet.servers)
            await placing.place_all(orders)
            await until(
                lambda: more_than(fleet.ledgers["payment"], ACCEPTED, len(orders) - 1), STEP_LIMIT_S, "all charges are accepted"
            )
            await fleet.kill(payment)
            await fleet.start(payment)
            ended = await all_final(fleet.database, DRAIN_LIMIT_S)

            assert ended.counted == {"COMPLETED": 4, "COMPENSATED": 2}
            assert not list(ledger.wrongs(await ledger.read(fleet.ledgers.values()), ended.phases))
            assert await sql.value(fleet.ledgers["payment"], "SELECT count(*) FROM late_answers") == 0
            await payment.stop()  # it sends its last spans
            await asyncio.to_thread(collector.until, has_refunds)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "SAGA_PAYMENT_DATABASE_URL is not set: write postgresql://user@host:5432/name"),
        ({"PAYMENT_COMPRESSION": "lzma"}, "PAYMENT_COMPRESSION is not usable: it does not match ^(none|gzip|snappy|lz4|zstd)$"),
        ({"SAGA_KAFKA_SECURITY_PROTOCOL": "SSL"}, "SAGA_KAFKA_SECURITY_PROTOCOL is not a setting of this program"),
    ],
)
def test_a_setting_that_cannot_be_used_ends_it_with_one_line(settings: dict[str, str], said: str) -> None:
    done = subprocess.run([payment_go()], env=clean_environ() | settings, capture_output=True, text=True, timeout=30, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (78, "", f"payment: {said}\n")


def test_its_own_tests_pass_and_it_has_the_demos_schemas() -> None:
    done = go_command("test", "-trimpath", "-vet=off", "./...")

    assert done.returncode == 0, done.stdout + done.stderr
    for copied in (PAYMENT_GO / "schemas").iterdir():
        assert json.loads(copied.read_text()) == json.loads((DEMO / "schemas" / copied.name).read_text())


def has_refunds(spans: Sequence[Span]) -> bool:
    """Whether each refund's span is below the coordinator's span of its attempt."""
    named = {span.span_id: span.name for span in spans}
    parents = [named.get(span.parent_id or "") for span in spans if span.name == "process shop.RefundCard"]
    return len(parents) >= 2 and set(parents) == {"undo charge"}


async def assert_cloudevents(fleet: Shop) -> None:
    """The official SDK reads every message, and a start that it writes begins a saga in its
    trace."""
    topics = await asyncio.to_thread(topics_of, fleet)
    messages = await messages_of(fleet.kafka, topics)
    (order,) = some_orders(1, rejected=0)
    start = Message(
        {name: value.decode() for name, value in start_of(order).encode()}
        | {"ce_traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"},
        encode(place_order(), order.input(1)),
    )
    read = await asyncio.to_thread(read_by_sdk, [*messages, start])
    assert len(messages) > 20 * len(topics)
    assert read.ids == [message.headers["ce_id"] for message in (*messages, start)]

    own = read.starts[-1]
    async with producer_of(fleet) as producer:
        headers = [(name, value.encode()) for name, value in own.headers.items()]
        await producer.send_and_wait(f"{fleet.topic_prefix}saga.start", own.value, key=order.id.encode(), headers=headers)
    await until(lambda: more_than(fleet.database, f"{STARTED} WHERE trace_id = '{TRACE}'", 0), STEP_LIMIT_S, "it is started")


def topics_of(fleet: Shop) -> list[str]:
    held = AdminClient({"bootstrap.servers": fleet.kafka}).list_topics(timeout=STEP_LIMIT_S).topics
    kinds = tuple(f"{fleet.topic_prefix}saga.{kind}" for kind in ("start", "cmd.", "reply.", "events"))
    return [topic for topic in held if topic.startswith(kinds)]


def set_codec(fleet: Shop, topic: str, codec: str) -> None:
    """The broker stores the topic with this codec from now on."""
    setting = ConfigEntry("compression.type", codec.replace("none", "uncompressed"), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, fleet.topic_prefix + topic, incremental_configs=[setting])
    admin = AdminClient({"bootstrap.servers": fleet.kafka})
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(STEP_LIMIT_S)


async def start_orders(fleet: Shop, count: int, codec: str) -> list[Order]:
    """Orders over Kafka, from a producer with this codec; one in ten will be rejected."""
    orders = some_orders(count, rejected=count // 10, faults=[DELAY])
    schema, topic = place_order(), f"{fleet.topic_prefix}saga.start"
    async with producer_of(fleet, codec) as producer, asyncio.TaskGroup() as sending:
        for number, order in enumerate(orders):
            value, headers = encode(schema, order.input(number)), list(start_of(order).encode())
            sending.create_task(producer.send_and_wait(topic, value, key=order.id.encode(), headers=headers))
    return orders


@asynccontextmanager
async def producer_of(fleet: Shop, codec: str = "none") -> AsyncIterator[AIOKafkaProducer]:
    compression = None if codec == "none" else codec
    producer = AIOKafkaProducer(bootstrap_servers=fleet.kafka, compression_type=compression, linger_ms=50)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


def start_of(order: Order) -> StartHeaders:
    return StartHeaders(
        message_id=order.id,
        source="/till",
        record="shop.PlaceOrder",
        tenant="default",
        definition="order",
        time_us=1_790_000_000_000_000,
    )


def place_order() -> Schema:
    return next(schema for schema in read_schemas(DEMO / "schemas") if schema.full_name == "shop.PlaceOrder")


async def charged_at_least(fleet: Shop, count: int) -> None:
    await until(lambda: more_than(fleet.ledgers["payment"], CHARGED, count - 1), STEP_LIMIT_S, f"{count} cards are charged")


async def more_than(database: str, query: str, count: int) -> bool:
    return int(await sql.value(database, query)) > count
