"""A dead letter that is sent again: its very bytes, once; and what it does once it is read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

import httpx
import pytest

from contract.store_rows import by_hand, new_id
from saga_coordinator.api.app import create_app
from saga_coordinator.engine.events import Refused
from saga_coordinator.engine.facts import CommandSent, ReplySeen
from saga_coordinator.inbound.dead_letters import dead_letter
from saga_coordinator.inbound.redriving import UNDER_WAY_US, RedriveUnknown, Redriving
from saga_coordinator.registry.registration import Act, add_schema
from saga_coordinator.store.port import DeadLetter, RedriveRow, Store
from saga_coordinator.wiring import Instance
from saga_messaging.background import end
from saga_messaging.broker import BrokerError, Outgoing, Record, TopicPartition
from saga_messaging.dead_letters import HEADERS_BYTES, KEY_BYTES, VALUE_BYTES
from saga_messaging.memory import MemoryBroker
from saga_schemas.catalog import Catalog
from saga_schemas.codec import encode
from saga_schemas.errors import BadMessage
from saga_schemas.headers import CommandHeaders
from saga_schemas.ids import started_id
from saga_schemas.outcomes import Outcome
from saga_schemas.schema import Schema
from saga_schemas.topics import Topics
from support.coordinators import closed, journal_of, opened, register, running, settings_for, start
from support.scripted import Answer, ScriptedParticipant, catalog_of, eventually, obliging
from support.start_records import CATALOG, DEFINITION, has_letters, keys_started, send, start_record

TOPIC = "saga.start"
AT = TopicPartition(TOPIC, 3)


@pytest.fixture
async def store(sqlite_url: str) -> AsyncIterator[Store]:
    async with opened(sqlite_url) as opened_store:
        yield opened_store


@pytest.fixture
async def broker() -> MemoryBroker:
    made = MemoryBroker()
    await made.ensure_topics([TOPIC])
    return made


def outgoing(**changed: object) -> Outgoing:
    sent = Outgoing(topic=TOPIC, key=b"k", value=b"\x00value", headers=(("ce_id", b"1"), ("x", b"\xff\x00")), timestamp_ms=7_000)
    return replace(sent, **changed)  # type: ignore[arg-type]


async def lettered(store: Store, broker: MemoryBroker, sent: Outgoing, reason: str = "definition_unknown") -> DeadLetter:
    """A record of the topic, and the letter that it became."""
    broker.append_to(AT, sent)
    return await kept(store, broker.records(TOPIC)[-1], reason)


async def kept(store: Store, record: Record, reason: str = "definition_unknown") -> DeadLetter:
    async with store.transaction() as tx:
        letter = dead_letter("starts", record, BadMessage(reason), tx.now_us)
        await tx.add_dead_letters([letter])
    return letter


def redriving(store: Store, broker: MemoryBroker) -> Redriving:
    return Redriving(store, broker, "default", lambda consumer, outcome: None)


async def redrive(store: Store, broker: MemoryBroker, letter: DeadLetter | UUID, *, again: bool = False) -> RedriveRow:
    id = letter if isinstance(letter, UUID) else letter.id
    return await redriving(store, broker).redrive(id, again=again, who="ada", why="mended")


async def refused(store: Store, broker: MemoryBroker, letter: DeadLetter | UUID, *, again: bool = False) -> str:
    before = len(broker.records(TOPIC))
    with pytest.raises(Refused) as caught:
        await redrive(store, broker, letter, again=again)
    assert len(broker.records(TOPIC)) == before, "nothing is sent"
    return caught.value.code


# --- what is sent ---------------------------------------------------------------------------------


async def test_the_very_record_is_sent_to_where_it_stood(store: Store, broker: MemoryBroker) -> None:
    letter = await lettered(store, broker, outgoing(value=b"v" * (VALUE_BYTES + 1)))
    row = await redrive(store, broker, letter)
    first, second = broker.records(TOPIC)
    assert second == replace(first, offset=1), "key, value, headers, partition and time"
    assert (row.tries, row.who, row.why) == (1, "ada", "mended")
    assert row.sent_at_us is not None
    assert await store.redrives([letter.id]) == {letter.id: row}


async def test_what_is_kept_is_sent_where_the_topic_has_let_go_of_the_record(store: Store, broker: MemoryBroker) -> None:
    letter = await lettered(store, broker, outgoing())
    broker.expire(AT, 1)
    await redrive(store, broker, letter)
    (sent,) = broker.records(TOPIC)
    assert (sent.partition, sent.key, sent.value, sent.headers) == (3, b"k", b"\x00value", outgoing().headers)


async def test_another_record_in_its_place_is_not_taken_for_it(store: Store, broker: MemoryBroker) -> None:
    letter = await lettered(store, broker, outgoing())
    await broker.delete_topics([TOPIC])
    await broker.ensure_topics([TOPIC])
    broker.append_to(AT, outgoing(value=b"of a new topic"))
    await redrive(store, broker, letter)
    assert [record.value for record in broker.records(TOPIC)] == [b"of a new topic", b"\x00value"]


@pytest.mark.parametrize(
    "large",
    [
        {"key": b"k" * (KEY_BYTES + 1)},
        {"value": b"v" * (VALUE_BYTES + 1)},
        {"headers": tuple((f"h{number}", b"x" * 4_000) for number in range(1 + HEADERS_BYTES // 4_000))},
    ],
    ids=["key", "value", "headers"],
)
async def test_what_may_be_cut_is_not_sent(store: Store, broker: MemoryBroker, large: dict[str, object]) -> None:
    letter = await lettered(store, broker, outgoing(**large))
    broker.expire(AT, 1)
    assert await refused(store, broker, letter) == "dead_letter_cut"
    assert await store.redrives([letter.id]) == {}


async def test_a_letter_whose_topic_is_gone_makes_none(store: Store, broker: MemoryBroker) -> None:
    letter = await lettered(store, broker, outgoing())
    await broker.delete_topics([TOPIC])
    assert await refused(store, broker, letter) == "topic_gone"
    assert (await broker.partitions([TOPIC]))[TOPIC] == frozenset()


async def test_a_partition_that_is_gone_is_chosen_by_the_key(store: Store, broker: MemoryBroker) -> None:
    letter = await lettered(store, broker, outgoing())
    few = MemoryBroker(partitions=2)
    await few.ensure_topics([TOPIC])
    await redrive(store, few, letter)
    assert [record.value for record in few.records(TOPIC)] == [b"\x00value"]


@pytest.mark.parametrize("reason", ["unreadable_record", "unreadable_batch", "too_large"])
async def test_what_is_no_message_is_not_sent(store: Store, broker: MemoryBroker, reason: str) -> None:
    assert await refused(store, broker, await lettered(store, broker, outgoing(), reason)) == "not_redrivable"


async def test_neither_is_a_tombstone_nor_a_letter_that_is_not_there(store: Store, broker: MemoryBroker) -> None:
    assert await refused(store, broker, await lettered(store, broker, outgoing(value=None))) == "not_redrivable"
    assert await refused(store, broker, new_id()) == "dead_letter_unknown"


# --- once -----------------------------------------------------------------------------------------


async def test_a_second_time_is_refused_unless_it_is_asked_for(store: Store, broker: MemoryBroker, sqlite_url: str) -> None:
    letter = await lettered(store, broker, outgoing())
    await redrive(store, broker, letter)
    assert await refused(store, broker, letter) == "redriven"
    assert (await redrive(store, broker, letter, again=True)).tries == 2
    assert len(broker.records(TOPIC)) == 3
    acts = await by_hand(sqlite_url, "SELECT act, target, who, why FROM audit ORDER BY id")
    target = f"dead letter {letter.id} of {TOPIC}"
    assert [tuple(act) for act in acts] == [("redrive", target, "ada", "mended"), ("redrive again", target, "ada", "mended")]


async def test_of_two_at_once_one_sends(store: Store, broker: MemoryBroker) -> None:
    letter = await lettered(store, broker, outgoing())
    results = await asyncio.gather(*(redrive(store, broker, letter) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(result, RedriveRow) for result in results) == 1
    assert {result.code for result in results if isinstance(result, Refused)} <= {"redriven", "redrive_under_way"}
    assert len(broker.records(TOPIC)) == 2


async def test_a_letter_that_kafka_did_not_confirm_may_have_been_sent(store: Store, broker: MemoryBroker) -> None:
    letter = await lettered(store, broker, outgoing())
    broker.faults.drop_acks = 1
    with pytest.raises(RedriveUnknown):
        await redrive(store, broker, letter)
    row = (await store.redrives([letter.id]))[letter.id]
    assert (row.sent_at_us, row.note) == (None, None)
    assert await refused(store, broker, letter, again=True) == "redrive_under_way"

    async with store.transaction() as tx:  # as a minute later; and so it stands after a kill between the two
        assert await tx.put_redrive(row, replace(row, asked_at_us=row.asked_at_us - UNDER_WAY_US))
    assert await refused(store, broker, letter) == "redriven"
    assert (await redrive(store, broker, letter, again=True)).sent_at_us is not None


async def test_a_letter_that_kafka_refuses_may_be_sent_when_it_takes_it(store: Store, broker: MemoryBroker) -> None:
    letter = await lettered(store, broker, outgoing())
    broker.faults.refuse = 1
    assert await refused(store, broker, letter) == "redrive_refused"
    assert (await store.redrives([letter.id]))[letter.id].note is not None
    assert (await redrive(store, broker, letter)).sent_at_us is not None


async def test_a_kafka_that_is_away_is_asked_nothing_of_and_nothing_is_noted(store: Store, broker: MemoryBroker) -> None:
    letter = await lettered(store, broker, outgoing())
    broker.faults.unreachable = True
    with pytest.raises(BrokerError):
        await redrive(store, broker, letter)
    assert await store.redrives([letter.id]) == {}


# --- what it does when it is read again -----------------------------------------------------------

DO, DONE = catalog_of("t.Do").latest("t.Do"), catalog_of("t.Done").latest("t.Done")
assert DO is not None and DONE is not None
NOTE = {"name": "note", "type": ["null", "string"], "default": None}
DONE_2 = Schema.parse(DONE.document | {"fields": [*DONE.document["fields"], NOTE]})
REPLIED_CATALOG = Catalog([*catalog_of("t.Input", "t.Next"), Schema.parse(DO.document | {"sagaReply": "t.Done"}), DONE])
REPLIED = """
saga: replied
version: 1
input: t.Input
steps:
  - {name: one, participant: one, command: t.Do, compensation: none, timeout: {reask: 200ms}}
  - {name: next, participant: one, command: t.Next, pivot: true, with: {id: "${steps.one.reply.id}"}}
"""


@asynccontextmanager
async def over_http(instance: Instance) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_app(instance.coordinator))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        yield http


async def only_letter(store: Store) -> DeadLetter:
    await eventually(lambda: has_letters(store, 1))
    (letter,) = await store.dead_letters(before=None, limit=9)
    return letter


async def test_a_redriven_start_begins_its_saga_once_under_the_id_that_it_always_had(sqlite_url: str) -> None:
    broker = MemoryBroker()
    async with opened(sqlite_url) as store, running(store, broker, settings_for(sqlite_url)) as instance:
        record = start_record("r-1", "k-1")
        await send(broker, record)
        letter = await only_letter(store)
        first = broker.records(Topics().start)[0]
        await register(store, DEFINITION, CATALOG)
        async with over_http(instance) as http:
            path = f"/v1/dead-letters/{letter.id}"
            assert (await http.get(path)).json()["redriven"] is None
            body = {"reason": "the definition is registered now", "actor": "ada"}
            answer = await http.post(f"{path}/redrive", json=body)
            assert (answer.status_code, answer.json()["times"], answer.json()["actor"]) == (200, 1, "ada")

            async def begun() -> bool:
                return await keys_started(store) == {"k-1"}

            await eventually(begun)
            (saga,) = await store.sagas_by_key("default", "k-1", None)
            assert saga.id == started_id(first.timestamp_ms, "default", "/test", "r-1"), "as a restore would find it"
            assert ((await http.get("/v1/dead-letters")).json()["items"][0]["redriven"])["reason"] == body["reason"]
            assert (await http.post(f"{path}/redrive", json=body)).json()["code"] == "redriven"
            assert (await http.post(f"{path}/redrive", json={**body, "again": True})).status_code == 200
        await send(broker, start_record("r-2", "k-2"))

        async def behind_it() -> bool:
            return await keys_started(store) == {"k-1", "k-2"}

        await eventually(behind_it)
        assert len(await store.sagas_by_key("default", "k-1", None)) == 1
        assert len(await store.dead_letters(before=None, limit=9)) == 1


def once_in_the_new_schema() -> Callable[[CommandHeaders], Sequence[Answer]]:
    """The first action is answered, in a schema that nobody knows yet; what asks again is not."""
    asked: list[CommandHeaders] = []

    def answers(command: CommandHeaders) -> Sequence[Answer]:
        if command.step != "one":
            return obliging(command)
        asked.append(command)
        payload = encode(DONE_2, {"id": "from the reply", "note": "new"})
        return [Answer(outcome=Outcome.SUCCEEDED, record="t.Done", payload=payload)] if len(asked) == 1 else []

    return answers


async def test_a_redriven_reply_has_its_effect_once(sqlite_url: str) -> None:
    broker = MemoryBroker()
    async with opened(sqlite_url) as store, running(store, broker, settings_for(sqlite_url)) as instance:
        participant = ScriptedParticipant(broker, "one", once_in_the_new_schema())
        task = asyncio.create_task(participant.run())
        try:
            await register(store, REPLIED, REPLIED_CATALOG)
            saga = await start(instance, "replied", {"id": "1"})
            letter = await only_letter(store)
            assert letter.reason == "unknown_schema"
            definitions, act = instance.coordinator.definitions, Act(who="tests")
            await add_schema(store, definitions, subject=None, document=DONE_2.document, tenant="default", act=act)
            await redrive(store, broker, letter)
            assert await closed(instance, saga) == "COMPLETED"
            row = await store.saga(saga)

            await redrive(store, broker, letter, again=True)
            registry = instance.coordinator.instruments.registry

            async def read_again() -> bool:
                return (registry.get_sample_value("saga_replies_stale_total") or 0) >= 1

            await eventually(read_again)
            assert await store.saga(saga) == row, "nothing changed"
            facts = [fact for _, found in await journal_of(store, saga) for fact in found]
            assert [fact.step for fact in facts if isinstance(fact, ReplySeen)] == ["one", "next"]
            assert len([fact for fact in facts if isinstance(fact, CommandSent) and fact.step == "next"]) == 1
        finally:
            await end([task])
