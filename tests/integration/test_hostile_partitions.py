"""What anybody may put into our topics, put into every partition of the start, reply and command
topic of real processes on a real Kafka.

Afterwards thirty good sagas go through, coordinator and participant say that they are ready and
have stayed small, and what could not be read is a dead letter. What a broker refuses to store (it
looks into batches: a checksum, a codec's content, a header without a name) is shown to be refused
here; that it would do no harm either is shown in tests/unit/messaging/test_record_sets.py.
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import TopicPartition as KafkaPartition

from saga_schemas.codec import encode
from saga_schemas.files import read_schemas
from saga_schemas.headers import StartHeaders
from support.paths import TESTS
from support.raw_produce import RawProducer, raw_producer
from support.record_batches import CODECS, Batch, Raw
from support.wire_services import Coordinator, ParticipantProcesses, WireServices

BOOKING: Final = TESTS / "support" / "booking"
PARTITIONS: Final = 6
LARGE_PARTITIONS: Final = 3
"""How many of them get the large ones: enough for several at once."""
GOOD: Final = 30
PATIENCE_S: Final = 90.0
RESIDENT_MB: Final = 250
LARGE_BYTES: Final = 20 * 1024 * 1024
DEFINITION: Final = """
saga: hostile
version: 1
input: booking.Hold
steps:
  - name: book
    participant: booking
    command: booking.Book
    with: {room: "${input.room}", how: DONE, resumed: DONE, lease_ms: 0}
    compensation: none
"""


@dataclass(frozen=True, slots=True)
class Fleet:
    """One coordinator and one participant that have met."""

    coordinator: Coordinator
    participants: ParticipantProcesses

    @property
    def topics(self) -> tuple[str, str, str]:
        prefix = self.coordinator.prefix
        return f"{prefix}saga.start", f"{prefix}saga.reply.booking", f"{prefix}saga.cmd.booking"

    async def dead_letters(self) -> Counter[tuple[str, str]]:
        """By topic and reason; the participant's by its own count."""
        rows = await self.coordinator.database.rows("SELECT topic, reason, count(*) AS n FROM dead_letter GROUP BY topic, reason")
        found = Counter({(row["topic"], row["reason"]): row["n"] for row in rows})
        for line in get(f"{self.participant}/metrics").splitlines():
            if line.startswith("saga_participant_dead_letters_total{"):
                found[self.topics[2], line.partition('reason="')[2].partition('"')[0]] = int(float(line.rpartition(" ")[2]))
        return found

    @property
    def participant(self) -> str:
        return self.participants.health[0]

    async def thirty_good_ones_pass(self) -> None:
        before = await self._completed()
        schema = next(schema for schema in read_schemas(BOOKING) if schema.full_name == "booking.Hold")
        producer = AIOKafkaProducer(bootstrap_servers=self.coordinator.kafka)
        await producer.start()
        for number in range(GOOD):
            headers = StartHeaders(
                message_id=str(uuid.uuid4()),
                source="hostile",
                record="booking.Hold",
                tenant="default",
                definition="hostile",
                time_us=0,
            )
            value, partition = encode(schema, {"room": "9"}), number % PARTITIONS
            await producer.send(self.topics[0], value, partition=partition, headers=list(headers.encode()))
        await producer.stop()
        async with asyncio.timeout(PATIENCE_S):
            while await self._completed() < before + GOOD:  # noqa: ASYNC110  # only asking again can tell
                await asyncio.sleep(0.1)

    async def _completed(self) -> int:
        (row,) = await self.coordinator.database.rows("SELECT count(*) AS n FROM saga WHERE phase = 'COMPLETED'")
        return int(row["n"])

    async def is_well(self) -> None:
        assert get(f"{self.coordinator.server}/readyz")
        assert get(f"{self.participant}/readyz") == "ok\n"
        for pid in (self.coordinator.process.pid, self.participants.instances[0].pid):
            assert pid is not None
            assert resident_mb(pid) < RESIDENT_MB


def get(url: str) -> str:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        return str(answer.read().decode())


def resident_mb(pid: int) -> int:
    """The most it ever was."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


@pytest.fixture(scope="module")
def fleet(services: WireServices) -> Fleet:
    coordinator = services.coordinator()
    participants = services.participants(prefix=coordinator.prefix)
    schemas = [json.loads(path.read_text()) for path in sorted(BOOKING.glob("*.avsc"))]
    coordinator.register(DEFINITION, schemas)
    made = Fleet(coordinator, participants)
    asyncio.run(allow_large_records(made))
    return made


async def allow_large_records(fleet: Fleet) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=fleet.coordinator.kafka)
    await admin.start()
    try:
        wide = {"max.message.bytes": str(2 * LARGE_BYTES)}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=wide) for topic in fleet.topics])
    finally:
        await admin.close()


@pytest.fixture
async def raw(fleet: Fleet) -> AsyncIterator[RawProducer]:
    async with raw_producer(fleet.coordinator.kafka) as producer:
        yield producer


async def told(fleet: Fleet, before: Counter[tuple[str, str]], reason: str, count: int, topics: Sequence[str]) -> None:
    """So many more dead letters with this reason of each topic."""
    missing = list(topics)
    async with asyncio.timeout(PATIENCE_S):
        while missing:
            more = await fleet.dead_letters() - before
            missing = [topic for topic in topics if more[topic, reason] < count]
            await asyncio.sleep(0.1 if missing else 0)


STORED: Final = {
    **{
        f"header name not UTF-8, {codec}": (
            Batch([Raw(value=None), Raw(headers=[(b"caf\xe9", b"x")]), Raw(key=None)], codec),
            {"unreadable_record": 1, "header_missing": 2},
        )
        for codec in CODECS
    },
    "null header value, no time": (Batch([Raw(headers=[(b"x", None)])], timestamp_ms=-1), {"header_missing": 1}),
    "key and value null": (Batch([Raw(key=None, value=None)]), {"header_missing": 1}),
    "bytes behind gzip": (Batch([Raw()], "gzip", spoilt=lambda content: content + b"more"), {"header_missing": 1}),
}


@pytest.mark.parametrize("kind", STORED)
async def test_what_a_broker_stores_is_a_dead_letter_or_nothing_and_holds_nothing_up(
    fleet: Fleet, raw: RawProducer, kind: str
) -> None:
    batch, letters = STORED[kind]
    before, content = await fleet.dead_letters(), batch.encoded()
    for topic in fleet.topics:
        for partition in range(PARTITIONS):
            assert await raw.send(topic, partition, content) == "NoError"
    await fleet.thirty_good_ones_pass()
    for reason, count in letters.items():
        await told(fleet, before, reason, count * PARTITIONS, fleet.topics)
    await fleet.is_well()


LARGE: Final = {
    "20 MB": (Batch([Raw(value=b"x" * LARGE_BYTES)]), "too_large"),
    "growing to 48 MB": (Batch([Raw(value=b"\0" * (48 << 20))], "gzip"), "unreadable_batch"),
}


@pytest.mark.parametrize("kind", LARGE)
async def test_large_records_are_dead_letters_and_cost_bounded_memory(fleet: Fleet, raw: RawProducer, kind: str) -> None:
    batch, reason = LARGE[kind]
    before, content = await fleet.dead_letters(), batch.encoded()
    for topic in fleet.topics:
        for partition in range(LARGE_PARTITIONS):
            assert await raw.send(topic, partition, content) == "NoError"
    await fleet.thirty_good_ones_pass()
    await told(fleet, before, reason, LARGE_PARTITIONS, fleet.topics)
    await fleet.is_well()


REFUSED: Final = {
    "null header name": Batch([Raw(headers=[(None, b"x")])]),
    "checksum": Batch(checksum_off=1),
    "control batch": Batch([Raw(key=b"\0\0\0\1", value=b"\0\0\0\0\0\0")], attributes=0x30, producer=(7, 0, -1)),
    "empty batch": Batch([], last_delta=0),
    "unknown format": Batch(magic=5),
    "unknown codec": Batch(attributes=6),
    **{f"{codec} cut off": Batch([Raw()] * 2, codec, spoilt=lambda c: c[:-2]) for codec in CODECS if codec != "plain"},
}


async def test_what_a_broker_refuses_holds_nothing_up(fleet: Fleet, raw: RawProducer) -> None:
    for batch in REFUSED.values():
        for topic in fleet.topics:
            assert await raw.send(topic, 0, batch.encoded()) != "NoError"
    await fleet.thirty_good_ones_pass()
    await fleet.is_well()


async def test_transactions_and_gaps_are_normal_life(fleet: Fleet) -> None:
    """Aborted records are none, markers lie at the ends, and the first records of one partition are
    gone."""
    before = await fleet.dead_letters()
    producer = AIOKafkaProducer(bootstrap_servers=fleet.coordinator.kafka, transactional_id=fleet.coordinator.prefix)
    await producer.start()
    for commit in (False, True):
        await producer.begin_transaction()
        for topic in fleet.topics:
            for partition in range(PARTITIONS):
                await producer.send(topic, b"of a transaction", partition=partition)
        await (producer.commit_transaction() if commit else producer.abort_transaction())
    await producer.stop()
    await fleet.thirty_good_ones_pass()
    await told(fleet, before, "header_missing", PARTITIONS, fleet.topics)
    more = await fleet.dead_letters() - before
    assert {count for (_, reason), count in more.items() if reason == "header_missing"} == {PARTITIONS}
    admin = AIOKafkaAdminClient(bootstrap_servers=fleet.coordinator.kafka)
    await admin.start()
    await admin.delete_records({KafkaPartition(topic, 0): RecordsToDelete(before_offset=1) for topic in fleet.topics})
    await admin.close()
    await fleet.thirty_good_ones_pass()
    await fleet.is_well()
