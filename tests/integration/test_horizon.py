"""The horizon through a running coordinator: announced on Kafka, heard, listed; what participants
say wrongly is a dead letter; no start commits below it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import BaseModel

from contract.store_rows import by_hand
from saga_coordinator.api.app import create_app
from saga_coordinator.starts.requests import StartRequest
from saga_coordinator.store.port import Store
from saga_coordinator.wiring import Instance
from saga_messaging.background import end
from saga_messaging.broker import Broker, Outgoing
from saga_messaging.kafka import KafkaBroker
from saga_messaging.memory import MemoryBroker
from saga_messaging.settings import KafkaSettings
from saga_participant import InProgress, Participant
from saga_schemas.horizon import Horizon
from saga_schemas.ids import uuid7_unix_ms
from saga_schemas.token import TokenKeys
from saga_schemas.topics import Topics
from support.coordinators import TOKEN_KEYS, closed, opened, register, running, settings_for, start
from support.horizons import SECONDS, horizon_at
from support.orders import until
from support.quick_step import CATALOG, QUICK
from support.scripted import ScriptedParticipant


@dataclass
class Bench:
    store: Store
    broker: Broker
    instance: Instance
    participant: ScriptedParticipant
    topics: Topics

    async def send(self, *records: Outgoing) -> None:
        producer = self.broker.producer()
        await producer.start()
        assert await producer.send_all(records, timeout_s=10) == [None] * len(records)
        await producer.stop()


@asynccontextmanager
async def serving(url: str, broker: Broker, topics: Topics) -> AsyncIterator[Bench]:
    participant = ScriptedParticipant(broker, "one", topics=topics)
    participant.hears = True
    task = asyncio.create_task(participant.run())
    async with opened(url) as store:
        await register(store, QUICK, CATALOG)
        async with running(store, broker, settings_for(url, **SECONDS)) as instance:
            yield Bench(store, broker, instance, participant, topics)
    await end([task])


@pytest.fixture
async def bench(sqlite_url: str) -> AsyncIterator[Bench]:
    async with serving(sqlite_url, MemoryBroker(), Topics()) as made:
        assert await closed(made.instance, await _started(made)) == "COMPLETED"
        yield made


class Do(BaseModel):
    id: str


def service(folder: Path) -> Participant:
    """A real participant, which takes only announcements that are signed for it."""
    (folder / "t.Do.avsc").write_text(json.dumps(next(one for one in CATALOG if one.full_name == "t.Do").document))
    keys = TokenKeys.parse(TOKEN_KEYS).announcement_keys().text()
    made = Participant("one", database=f"sqlite+aiosqlite:///{folder}/one.sqlite", schemas=folder, announcement_keys=keys)

    @made.action
    async def one(command: Do) -> InProgress | None:
        return InProgress(lease=timedelta(minutes=5)) if command.id == "later" else None

    return made


async def remembered(folder: Path) -> Horizon:
    """What stands in the participant's database."""
    rows = await by_hand(f"sqlite+aiosqlite:///{folder}/one.sqlite", "SELECT below, exceptions FROM saga_horizon")
    if not rows:
        return Horizon()
    ((below_ms, exceptions),) = rows
    ids = [UUID(bytes=exceptions[at : at + 16]) for at in range(0, len(exceptions), 16)]
    return Horizon(below_ms=below_ms, exceptions=frozenset(ids))


async def test_it_is_announced_on_kafka_heard_and_listed_and_retention_goes_by_it(
    database_url: str, kafka_address: str, tmp_path: Path
) -> None:
    kafka = KafkaSettings(bootstrap_servers=kafka_address, topic_prefix=f"h{uuid4().hex[:12]}.")
    broker, settings = KafkaBroker(kafka), settings_for(database_url, kafka=kafka, retention_sagas="1s", **SECONDS)
    await broker.start()
    participant = service(tmp_path)
    async with opened(database_url) as store:
        await register(store, QUICK, CATALOG)
        async with running(store, broker, settings) as instance, participant.served(broker, topic_prefix=kafka.topic_prefix):
            finished = await start(instance, "quick", {"id": "now"})
            assert await closed(instance, finished) == "COMPLETED"
            still_open = await start(instance, "quick", {"id": "later"})

            async def excepted() -> bool:
                return still_open in (await remembered(tmp_path)).exceptions

            await until(excepted, 60, "the participant hears of the open saga, which is no longer young")
            assert (await remembered(tmp_path)).covers(finished)

            async def gone() -> bool:
                return await store.saga(finished) is None

            await until(gone, 60, "retention removes what is covered")
            assert await store.saga(still_open) is not None

            async def heard() -> bool:
                line = (await listed(instance))["items"][0]
                return line["horizon"] is not None and line["behind_s"] < 30 and line["note"] is None

            await until(heard, 60, "it is listed that the participant heard it")
            found = await listed(instance)
            assert (found["exceptions"], found["announced_at"] is not None) == (1, True)
            (line,) = found["items"]
            assert (line["name"], line["definitions"], line["asked"]) == ("one", ["quick"], True)
            assert line["command_topic"] == f"{kafka.topic_prefix}saga.cmd.one"
            assert line["reply_topic"] == f"{kafka.topic_prefix}saga.reply.one"
    await broker.stop()


async def listed(instance: Instance) -> dict[str, Any]:
    transport = httpx.ASGITransport(create_app(instance.coordinator))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as http:
        found = (await http.get("/v1/participants")).json()
    assert isinstance(found, dict)
    return found


async def test_what_is_no_answer_of_that_participant_is_a_dead_letter_and_stops_no_other(bench: Bench) -> None:
    await until(lambda: _announced(bench), 30, "it is announced")
    (first, *_), topic = bench.participant.announced, bench.topics.reply("one")
    good = bench.participant.heard(first)
    headers = dict(good.headers)
    bad = {
        "token_invalid": replace(good, headers=tuple((headers | {"ce_sagatoken": b"test.AAAA"}).items())),
        "key_mismatch": replace(good, key=b"sweep"),
        "null_key": replace(good, key=None),
        "null_value": replace(good, value=None),
        "tenant_mismatch": replace(good, headers=tuple((headers | {"ce_sagatenant": b"another"}).items())),
    }
    bench.participant.hears = False
    saga = asyncio.create_task(_started(bench))
    await bench.send(*(replace(record, topic=topic) for record in bad.values()), good)
    assert await closed(bench.instance, await saga) == "COMPLETED"

    async def kept() -> bool:
        return len(await bench.store.dead_letters(before=None, limit=50)) >= len(bad)

    await until(kept, 30, "they are dead letters")
    assert {letter.reason for letter in await bench.store.dead_letters(before=None, limit=50)} == bad.keys()
    assert (await bench.store.participant_memories()).keys() == {"one"}


async def test_the_answer_of_one_participant_counts_for_no_other(bench: Bench) -> None:
    await until(lambda: _announced(bench), 30, "it is announced")
    other = QUICK.replace("quick", "other").replace("participant: one", "participant: two")
    await register(bench.store, other, CATALOG)
    await until(lambda: _is_named(bench, "two"), 30, "the other participant is known")
    answer = bench.participant.heard(bench.participant.announced[0])
    await bench.send(replace(answer, topic=bench.topics.reply("two")))

    async def refused() -> bool:
        return [letter.reason for letter in await bench.store.dead_letters(before=None, limit=9)] == ["token_invalid"]

    await until(refused, 30, "it is a dead letter")
    assert "two" not in await bench.store.participant_memories()


async def test_a_start_that_is_below_the_horizon_by_now_takes_a_new_id(bench: Bench) -> None:
    """As after a machine that stood still between making the id and the commit."""
    later_ms = await bench.store.now_us() // 1000 + 3_600_000
    await horizon_at(bench.store, later_ms)
    request = StartRequest(
        tenant="default", definition="quick", input={"id": "late"}, request_id="r", source="test", body_hash=b"0" * 32
    )
    first = await bench.instance.coordinator.start(request)
    assert first.created
    assert uuid7_unix_ms(first.saga_id) >= later_ms
    assert await closed(bench.instance, first.saga_id) == "COMPLETED"
    assert (await bench.instance.coordinator.start(request)).saga_id == first.saga_id
    assert first.saga_id in [headers.saga_id for headers, _ in bench.participant.seen]


async def _started(bench: Bench) -> UUID:
    return await start(bench.instance, "quick", {"id": str(uuid4())})


async def _announced(bench: Bench) -> bool:
    return bool(bench.participant.announced)


async def _is_named(bench: Bench, name: str) -> bool:
    return name in await bench.instance.coordinator.definitions.participants()
