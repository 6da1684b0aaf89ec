"""What reading and making messages costs, without any I/O: CPU in microseconds a message, by what
is done with it.

The messages are those of the demo's order saga. The coordinator makes a command and reads its
reply while the saga is one of 64 in flight, so what is kept of it from one to the other is still
there; a participant sees each saga for the first time. Every saga is another one: what the caches
of ids would hold for ever is not measured. Beside them: what aiokafka's records cost on their way
through our consumer, producer and Sender; of aiokafka itself only the packing of a batch.

    .venv/bin/python benchmarks/wire.py [--rounds 30] [--tree ../before --tree .]

Several `--tree` are compared, see trees.py.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from trees import Costs, main

import saga_demo
from saga_coordinator.inbound.reply_envelope import ReplyEnvelopes
from saga_messaging.broker import Outgoing, Record, TopicPartition
from saga_messaging.clock import SystemClock
from saga_messaging.kafka.consumer import KafkaConsumer
from saga_messaging.kafka.producer import KafkaProducer
from saga_messaging.kafka.record_sets import mended
from saga_messaging.sender import Dispatch, Sender
from saga_messaging.settings import KafkaSettings
from saga_participant.barrier.answers import Answer
from saga_participant.barrier.entry import Stored
from saga_schemas.catalog import Catalog
from saga_schemas.codec import encode
from saga_schemas.files import read_schemas
from saga_schemas.headers import CommandHeaders, EventHeaders
from saga_schemas.ids import command_id, saga_key, uuid7
from saga_schemas.inbound import read_command_envelope, read_command_payload, read_reply_payload
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.records import encode_event
from saga_schemas.token import TokenKeys

SAGAS = 8192
"""More than any cache of ids holds."""
IN_FLIGHT = 64
GROUPS = 8
"""Of so many sagas, in a round."""
NOW_US = 1_793_000_000_000_000
HOUR_US = 3_600_000_000
CATALOG = Catalog(read_schemas(Path(saga_demo.__file__).parent / "schemas"))
KEYS = TokenKeys.parse("one:" + "6b" * 32)
COMMANDS, REPLIES = "saga.cmd.payment", "saga.reply.payment"


def schema_of(name: str) -> Any:
    return CATALOG.latest(f"shop.{name}")


CHARGE, CHARGED = schema_of("ChargeCard"), schema_of("CardCharged")


class Stopwatch:
    """CPU by what was done."""

    def __init__(self) -> None:
        self._spent: dict[str, tuple[float, int]] = {}

    def each(self, what: str, do: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        """Do it with each of them."""
        began = time.process_time()
        done = [do(item) for item in items]
        self.add(what, time.process_time() - began, len(items))
        return done

    def add(self, what: str, seconds: float, count: int) -> None:
        spent, done = self._spent.get(what, (0.0, 0))
        self._spent[what] = spent + seconds, done + count

    def taken(self) -> Costs:
        costs = {what: spent / count * 1e6 for what, (spent, count) in self._spent.items()}
        self._spent.clear()
        return costs


def command_headers(number: int, token: str, saga: Any, causation_id: str) -> CommandHeaders:
    return CommandHeaders(
        message_id=command_id(saga, 1, 3, 0),
        source="/saga-coordinator/ZkxOUQ7dTVKm",
        record="shop.ChargeCard",
        time_us=NOW_US + number,
        saga_id=saga,
        step="charge",
        kind=Kind.ACTION,
        run=1,
        attempt=1,
        incarnation=1,
        version=3,
        tenant="default",
        definition_hash="5f" * 32,
        expiry_us=NOW_US + number + HOUR_US,
        token=token,
        causation_id=causation_id,
        traceparent=f"00-{number:032x}-{number + 1:016x}-00",
        origin_traceparent=f"00-{number:032x}-{number + 2:016x}-00",
    )


def received(sent: Outgoing) -> Record:
    """Read anew from Kafka: no object is shared with what was sent."""
    headers = tuple((name.encode().decode(), bytes(bytearray(content))) for name, content in sent.headers)
    key, value = (None if part is None else bytes(bytearray(part)) for part in (sent.key, sent.value))
    return Record(topic=sent.topic, partition=0, offset=1, timestamp_ms=1, key=key, value=value, headers=headers)


class Saga:
    """What is known of one beforehand."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.id = uuid7(NOW_US + number, random.Random(number).randbytes(10))
        self.causation_id = f"{number:08x}-4a51-4b0e-8c3b-2d0f3a9b{number:04x}"
        self.token = ""
        headers = command_headers(number, self.sign().token, self.id, self.causation_id)
        value = {"order_id": f"o-{number}", "account": f"a-{number}", "amount": number, "faults": []}
        self.command = Outgoing(topic=COMMANDS, key=saga_key(self.id), value=encode(CHARGE, value), headers=headers.encode())
        self.reply = self.answered(headers)

    def sign(self) -> Saga:
        self.token = KEYS.sign("default", self.id, "charge", Kind.ACTION, 1, 1)
        return self

    def make_command(self) -> Any:
        return command_headers(self.number, self.token, self.id, self.causation_id).encode()

    def make_event(self) -> Any:
        body = encode_event(
            "finished",
            sequence=7,
            saga_id=self.id,
            definition="order",
            version=1,
            phase="COMPLETED",
            at_us=NOW_US + self.number,
            business_key=f"o-{self.number}",
        )
        headers = EventHeaders(
            message_id=command_id(self.id, 1, 7, 0),
            source="/saga-coordinator/ZkxOUQ7dTVKm",
            record="saga.v1.SagaEvent",
            time_us=NOW_US + self.number,
            saga_id=self.id,
            tenant="default",
            sequence=7,
            causation_id=self.causation_id,
        )
        return body, headers.encode()

    def answered(self, headers: CommandHeaders) -> Outgoing:
        now_us = NOW_US + self.number + 900
        content = Stored(record="shop.CardCharged", payload=encode(CHARGED, {"charge_id": f"{self.number}-1"}))
        answer = Answer(
            to=headers, outcome=Outcome.SUCCEEDED, content=content, taken_at_us=now_us, handler_us=500 + self.number % 4000
        )
        return answer.outgoing(topic=REPLIES, source="payment/one", time_us=now_us)


def coordinator(watch: Stopwatch, group: list[Saga]) -> None:
    watch.each("token: sign", Saga.sign, group)
    watch.each("command: make its headers", Saga.make_command, group)
    reader = ReplyEnvelopes(keys=KEYS, tenant="default")
    replies = watch.each("reply: read its envelope", reader.read, [received(saga.reply) for saga in group])
    watch.each("reply: read its payload", lambda reply: read_reply_payload(reply.envelope, CATALOG, CHARGED), replies)
    watch.each("event: make it", Saga.make_event, group)


def participant(watch: Stopwatch, group: list[Saga]) -> None:
    commands = [received(saga.command) for saga in group]
    envelopes = watch.each("command: read its envelope", read_command_envelope, commands)
    watch.each("command: read its payload", lambda envelope: read_command_payload(envelope, CATALOG, CHARGE), envelopes)
    pairs = [(saga, envelope.headers) for saga, envelope in zip(group, envelopes, strict=True)]
    watch.each("reply: make it", lambda pair: pair[0].answered(pair[1]), pairs)


class Acknowledged:
    """A broker, and its producer, that has taken everything at once."""

    usable = True

    def producer(self) -> Acknowledged:
        return self

    async def start(self) -> None:
        pass

    stop = start

    async def send_all(self, records: Sequence[Outgoing], *, timeout_s: float) -> list[None]:
        return [None] * len(records)


async def through_sender(watch: Stopwatch, group: list[Outgoing]) -> None:
    broker: Any = Acknowledged()
    sender: Sender[int] = Sender(broker, SystemClock(), max_rows=10_000, max_bytes=1 << 30)
    running = asyncio.create_task(sender.run())
    await asyncio.sleep(0)
    began = time.process_time()
    for number in range(8):
        sender.offer([Dispatch(ticket=number * IN_FLIGHT + place, record=record) for place, record in enumerate(group)])
        await sender.wait_settled()
        sender.forget(sender.take_acked(IN_FLIGHT))
    watch.add("Sender: a record", time.process_time() - began, 8 * len(group))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class PackingClient:
    """As much of AIOKafkaProducer as packs a batch; it is acknowledged at once."""

    def __init__(self) -> None:
        from aiokafka.producer.message_accumulator import BatchBuilder

        self.create_batch = lambda: BatchBuilder(262_144, 0)

    async def partitions_for(self, topic: str) -> set[int]:
        return {0, 1, 2}

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> asyncio.Future[Any]:
        acknowledged = asyncio.get_running_loop().create_future()
        acknowledged.set_result(None)
        return acknowledged


async def through_producer(watch: Stopwatch, group: list[Outgoing]) -> None:
    producer = KafkaProducer({}, KafkaSettings(bootstrap_servers="none:1"))
    producer._client = PackingClient()
    began = time.process_time()
    for _ in range(8):
        await producer.send_all(group, timeout_s=10)
    watch.add("producer: a record, packed", time.process_time() - began, 8 * len(group))


class FetchedClient:
    """As much of AIOKafkaConsumer as a poll asks for."""

    _client = SimpleNamespace(send=None)
    _subscription = SimpleNamespace(subscription=None)

    def __init__(self, found: dict[Any, list[Any]]) -> None:
        self._found = found

    async def getmany(self, *, timeout_ms: int, max_records: int) -> dict[Any, list[Any]]:
        return self._found

    def seek(self, *given: Any) -> None:
        pass

    pause = resume = seek


async def through_consumer(watch: Stopwatch, group: list[Saga]) -> None:
    from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
    from aiokafka.structs import ConsumerRecord

    from saga_messaging.kafka.fetch_guard import FetchGuard

    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    for offset, saga in enumerate(group):
        builder.append(offset, NOW_US // 1000, saga.reply.key, saga.reply.value, list(saga.reply.headers))
    raw, source = bytes(builder.build()), TopicPartition(REPLIES, 0)
    began = time.process_time()
    for _ in range(8):
        mended(raw, source=source, position=0, end=len(group))
    watch.add("consumer: a record, looked through", time.process_time() - began, 8 * len(group))
    found = [
        ConsumerRecord(REPLIES, 0, one.offset, one.timestamp, 0, one.key, one.value, None, 0, 0, tuple(one.headers))
        for one in DefaultRecordBatch(raw)
    ]
    unused: Any = None
    consumer = KafkaConsumer(unused, unused, {}, KafkaSettings(bootstrap_servers="none:1"), None, None)
    client: Any = FetchedClient({source: found})
    consumer._client, consumer._guard = client, FetchGuard(client)
    consumer._assigned([source])
    for _ in range(8):
        consumer.seek(source, 0)
        began = time.process_time()
        assert len(await consumer.poll(timeout_s=1, max_records=500)) == len(group)
        watch.add("consumer: a record, polled", time.process_time() - began, len(group))


def rounds() -> Callable[[], Costs]:
    """Plays a round."""
    gc.disable()
    sagas = [Saga(number) for number in range(SAGAS)]
    gc.enable()
    loop, watch = asyncio.new_event_loop(), Stopwatch()
    groups = _for_ever(sagas)

    def play() -> Costs:
        for _ in range(GROUPS):
            participant(watch, next(groups))
            coordinator(watch, next(groups))
        group = next(groups)
        sent = [saga.reply for saga in group]
        loop.run_until_complete(through_sender(watch, sent))
        loop.run_until_complete(through_producer(watch, sent))
        loop.run_until_complete(through_consumer(watch, group))
        return watch.taken()

    return play


def _for_ever(sagas: list[Saga]) -> Iterator[list[Saga]]:
    while True:
        for start in range(0, len(sagas), IN_FLIGHT):
            yield sagas[start : start + IN_FLIGHT]


if __name__ == "__main__":
    main(__file__, __doc__, rounds, rounds=30)
