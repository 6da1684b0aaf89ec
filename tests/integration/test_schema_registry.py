"""A schema registry beside the coordinator: it gets every schema, gives those that are unknown, and
its outage touches no saga."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from saga_coordinator.loops import registry_copy
from saga_coordinator.registry import adoption
from saga_coordinator.registry.registration import Act, add_schema
from saga_coordinator.settings import Settings
from saga_coordinator.store.port import ListFilter, Store
from saga_coordinator.wiring import Instance
from saga_messaging.background import end
from saga_messaging.broker import Outgoing
from saga_messaging.errors import ConfigurationError
from saga_messaging.memory import MemoryBroker
from saga_schemas.catalog import Catalog
from saga_schemas.codec import encode
from saga_schemas.headers import CommandHeaders, StartHeaders
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.records import OWN
from saga_schemas.schema import Schema
from saga_schemas.topics import Topics
from support.coordinators import closed, opened, register, running, settings_for, start
from support.fake_registry import LOGIN, FakeRegistry, fake_registry
from support.scripted import Answer, ScriptedParticipant, catalog_of, eventually, obliging, until
from support.start_records import send

NOTE = {"name": "note", "type": ["null", "string"], "default": None}
WRONG = {"name": "wrong", "type": "string"}
INPUT, DO, DONE = catalog_of("t.Input", "t.Do", "t.Done")


def later(schema: Schema, field: dict[str, Any]) -> Schema:
    return Schema.parse(schema.document | {"fields": [*schema.document["fields"], field]})


INPUT_2, DONE_2, DONE_WRONG = later(INPUT, NOTE), later(DONE, NOTE), later(DONE, WRONG)
DO = Schema.parse(DO.document | {"sagaReply": "t.Done"})
CATALOG = Catalog([INPUT, DO, DONE, *catalog_of("t.Next")])
MINE = {schema.id: schema.canonical.decode() for schema in (*OWN, *CATALOG)}
DEFINITION = """
saga: replied
version: 1
input: t.Input
key: ${input.id}
steps:
  - {name: one, participant: one, command: t.Do, compensation: none, timeout: {reask: 100ms}}
  - {name: next, participant: one, command: t.Next, pivot: true, with: {id: "${steps.one.reply.id}"}}
"""
SEVENTEEN = 17
"""What the registry calls a schema."""


@dataclass(frozen=True)
class Home:
    store: Store
    instance: Instance
    broker: MemoryBroker
    participant: ScriptedParticipant

    async def reasons(self) -> list[str]:
        return [letter.reason for letter in await self.store.dead_letters(before=None, limit=50)]

    async def add(self, schema: Schema) -> None:
        of = self.instance.coordinator.definitions
        await add_schema(self.store, of, subject=None, document=schema.document, tenant="default", act=Act(who="tests"))


@asynccontextmanager
async def home(url: str, registry: FakeRegistry, **settings: object) -> AsyncIterator[Home]:
    """A coordinator with this registry, and the definition."""
    broker = MemoryBroker()
    timeout_s = 0.5 if registry.silent else 30.0  # a slow machine is no outage
    given = settings_for(url, schema_registry_url=registry.url, schema_registry_timeout_s=timeout_s, **settings)
    async with opened(url) as store:
        await register(store, DEFINITION, CATALOG)
        async with running(store, broker, given) as instance:
            participant = ScriptedParticipant(broker, "one", answering(says(DONE, DONE.id)))
            working = asyncio.create_task(participant.run())
            try:
                yield Home(store, instance, broker, participant)
            finally:
                await end((working,))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are short, so that what follows them can be waited for."""
    monkeypatch.setattr(registry_copy, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr("saga_coordinator.failures.FIRST_PAUSE_S", 0.1)
    monkeypatch.setattr("saga_coordinator.failures.LONGEST_PAUSE_S", 0.2)
    monkeypatch.setattr(adoption, "LEFT_ALONE_S", 0.2)
    monkeypatch.setattr(adoption, "REMEMBERED_S", 0.05)


def says(schema: Schema, schema_id: int, **value: Any) -> Answer:
    """A reply whose schema is written as this number."""
    payload = encode(schema, {"id": "from the reply", **value})
    return Answer(outcome=Outcome.SUCCEEDED, record=schema.full_name, payload=b"\0" + schema_id.to_bytes(4, "big") + payload[5:])


def answering(said: Answer) -> Any:
    def script(command: CommandHeaders) -> Sequence[Answer]:
        return [said] if command.step == "one" and command.kind is Kind.ACTION else obliging(command)

    return script


# --- it gets every schema -------------------------------------------------------------------------


async def test_the_registry_gets_every_schema_under_its_own_id(sqlite_url: str) -> None:
    async with fake_registry() as registry, home(sqlite_url, registry) as it:
        await until(lambda: registry.schemas == MINE)
        await it.add(DONE_2)
        await until(lambda: registry.versions["t.Done"] == {1: DONE.id, 2: DONE_2.id})
        assert registry.versions["saga.v1.SagaEvent"].keys() == {1}
        await until(lambda: not registry.modes)  # others may register as before


async def test_what_is_there_is_not_written_again(sqlite_url: str) -> None:
    async with fake_registry(schemas=dict(MINE)) as registry, home(sqlite_url, registry):
        await until(lambda: len(registry.asked) >= len(MINE))
        assert {request.split()[0] for request in registry.asked} == {"GET"}


async def test_it_logs_in(sqlite_url: str) -> None:
    user, password = LOGIN
    login = {"schema_registry_user": user, "schema_registry_password": password}
    async with fake_registry(login=True) as registry, home(sqlite_url, registry, **login):
        await until(lambda: registry.schemas == MINE)


@pytest.mark.parametrize(("behaviour", "reason"), [({"imports": False}, "mode IMPORT"), ({"numbers": True}, "ids of its own")])
async def test_a_registry_that_takes_no_ids_is_told_so_once(sqlite_url: str, behaviour: dict[str, bool], reason: str) -> None:
    with capture_logs() as lines:
        async with fake_registry(**behaviour) as registry, home(sqlite_url, registry) as it:
            await until(lambda: sum(request.startswith("PUT") for request in registry.asked) >= 3)  # again after each pause
            assert len(registry.schemas) == (1 if registry.numbers else 0)
            assert metric(it, "saga_schema_registry_lacking_schemas") == len(MINE)
            assert metric(it, "saga_schema_registry_failures_total") >= 2
    (told,) = [line for line in lines if line["event"] == "schemas_not_written"]
    assert reason in told["error"]


async def test_one_schema_that_it_does_not_take_keeps_no_other_from_it(sqlite_url: str) -> None:
    with capture_logs() as lines:
        async with fake_registry(refuses=frozenset({"t.Do"})) as registry, home(sqlite_url, registry):
            await until(lambda: registry.asked.count("POST /base/subjects/t.Do/versions") >= 2)
            await until(lambda: registry.schemas == {id_: text for id_, text in MINE.items() if id_ != DO.id})
            await until(lambda: not registry.modes)
    (told,) = [line for line in lines if line["event"] == "schema_not_taken"]
    assert (told["subject"], told["error"]) == ("t.Do", "422: already registered with another id")


async def test_another_schema_under_an_id_of_ours_is_left_as_it_is(sqlite_url: str) -> None:
    other = DONE_2.canonical.decode()
    with capture_logs() as lines:
        async with fake_registry(schemas={DO.id: other}) as registry, home(sqlite_url, registry):
            await until(lambda: registry.schemas == MINE | {DO.id: other})
    assert [line["schema_id"] for line in lines if line["event"] == "schema_not_taken"] == [DO.id]


# --- it gives what is unknown ---------------------------------------------------------------------


async def test_a_reply_in_a_schema_that_the_registry_numbered_is_read(sqlite_url: str) -> None:
    """Also after a restart, with the registry away."""
    async with fake_registry(schemas={SEVENTEEN: DONE_2.canonical.decode()}) as registry:
        async with home(sqlite_url, registry) as it:
            it.participant.script = answering(says(DONE_2, SEVENTEEN, note="new"))
            assert await closed(it.instance, await start(it.instance, "replied", {"id": "1"})) == "COMPLETED"
            assert await it.reasons() == []
            stored = {row.id: row.subject for row in await it.store.schemas()}
            assert stored[DONE_2.id] == "t.Done" and SEVENTEEN not in stored
            assert await it.instance.coordinator.definitions.schema(SEVENTEEN) == DONE_2  # and so `/registry` tells it
        registry.away = True
        async with home(sqlite_url, registry) as it:
            it.participant.script = answering(says(DONE_2, SEVENTEEN, note="new"))
            assert await closed(it.instance, await start(it.instance, "replied", {"id": "2"})) == "COMPLETED"
            assert await it.reasons() == []


async def test_a_start_in_a_schema_that_only_the_registry_knows_begins_a_saga(sqlite_url: str) -> None:
    schemas = {SEVENTEEN: INPUT_2.canonical.decode()}
    async with fake_registry(schemas=schemas) as registry, home(sqlite_url, registry) as it:
        await send(it.broker, start_record("1", INPUT_2, SEVENTEEN))
        await eventually(lambda: begun(it, "1"))
        assert await it.reasons() == []


async def test_a_schema_under_its_own_id_is_found_too(sqlite_url: str) -> None:
    schemas = {INPUT_2.id: INPUT_2.canonical.decode()}
    async with fake_registry(schemas=schemas) as registry, home(sqlite_url, registry) as it:
        await send(it.broker, start_record("1", INPUT_2, INPUT_2.id))
        await eventually(lambda: begun(it, "1"))


async def test_a_fetched_schema_must_pass_as_an_added_one(sqlite_url: str) -> None:
    empty = OWN.latest("saga.v1.Empty")
    assert empty is not None
    fetched = {
        17: later(INPUT, WRONG),  # older starts could not be read under it
        18: Schema.parse({"type": "record", "name": "t.Foreign", "fields": []}),
        19: Schema.parse(empty.document | {"aliases": ["E"]}),
        INPUT_2.id ^ 1: INPUT_2,  # an id of ours is made from the schema
    }
    documents = {number: schema.canonical.decode() for number, schema in fetched.items()}
    async with fake_registry(schemas=documents) as registry, home(sqlite_url, registry) as it:
        before = len(await it.store.schemas())
        await send(it.broker, *(start_record(str(number), schema, number) for number, schema in fetched.items()))
        await eventually(lambda: refused(it, len(fetched)))
        assert await it.reasons() == ["unknown_schema"] * len(fetched)
        assert {f"GET /base/schemas/ids/{number}" for number in fetched} <= set(registry.asked)
        assert len(await it.store.schemas()) == before
        assert all(it.instance.coordinator.definitions.catalog.by_id(number) is None for number in fetched)


async def test_whatever_the_registry_gives_is_no_more_than_an_unknown_schema(sqlite_url: str) -> None:
    documents = {17: "no json", 18: "[]", 19: '"string"'}
    async with fake_registry(schemas=dict(documents)) as registry, home(sqlite_url, registry) as it:
        await send(it.broker, *(start_record(str(number), INPUT_2, number) for number in documents))
        await eventually(lambda: refused(it, len(documents)))
        registry.schemas[20] = "x" * 2_000_000
        await send(it.broker, start_record("20", INPUT_2, 20))
        await eventually(lambda: refused(it, len(documents) + 1))
        assert set(await it.reasons()) == {"unknown_schema"}
        assert {f"GET /base/schemas/ids/{number}" for number in (*documents, 20)} <= set(registry.asked)


# --- its outage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("outage", ["away", "silent"])
async def test_its_outage_touches_no_saga_and_what_it_missed_is_made_good(sqlite_url: str, outage: str) -> None:
    with capture_logs() as lines:
        async with fake_registry(**{outage: True}) as registry, home(sqlite_url, registry) as it:
            assert await closed(it.instance, await start(it.instance, "replied", {"id": "1"})) == "COMPLETED"
            await it.add(DONE_2)  # a registration is done when it is stored
            await until(lambda: metric(it, "saga_schema_registry_failures_total") >= 2)
            assert await it.instance.coordinator.ready() == []
            setattr(registry, outage, False)
            await until(lambda: registry.schemas.keys() == {*MINE, DONE_2.id})
            await until(lambda: metric(it, "saga_schema_registry_lacking_schemas") == 0)
    assert sum(line["event"] == "schemas_not_written" for line in lines) == 1
    assert sum(line["event"] == "schemas_written_again" for line in lines) == 1


async def test_unknown_ids_do_not_wait_for_a_registry_that_is_silent(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first waits for half a second; those that follow do not wait at all."""
    monkeypatch.setattr(adoption, "LEFT_ALONE_S", 60.0)
    async with fake_registry(silent=True) as registry, home(sqlite_url, registry) as it:
        asked = f"GET /base/schemas/ids/{SEVENTEEN}"
        await send(it.broker, *(start_record(f"{number}", INPUT_2, SEVENTEEN) for number in range(20)))
        await eventually(lambda: refused(it, 20))
        assert registry.asked.count(asked) == 1


def setting(**variables: str) -> Settings:
    needed = {"SAGA_DATABASE_URL": "sqlite+aiosqlite:///x.db", "SAGA_KAFKA_BOOTSTRAP_SERVERS": "k:9092"}
    return Settings.from_env(needed | {f"SAGA_SCHEMA_REGISTRY_{name.upper()}": text for name, text in variables.items()})


@pytest.mark.parametrize("url", ["ftp://registry", "registry:8081", "http://user:secret@registry:8081", "http://registry/?a=b"])
def test_a_setting_that_is_no_address_is_refused_without_showing_a_secret(url: str) -> None:
    with pytest.raises(ConfigurationError, match="SAGA_SCHEMA_REGISTRY_URL") as refused:
        setting(url=url)
    assert "secret" not in str(refused.value)


def test_a_password_without_a_user_is_refused_and_never_shown() -> None:
    with pytest.raises(ConfigurationError, match="SAGA_SCHEMA_REGISTRY_USER"):
        setting(url="http://registry", password="secret")
    assert "secret" not in repr(setting(url="http://registry", user="ada", password="secret"))


async def test_what_the_registry_lost_is_written_again(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_copy, "WHOLE_EVERY_S", 0.2)
    async with fake_registry() as registry, home(sqlite_url, registry):
        await until(lambda: registry.schemas == MINE)
        registry.schemas.clear()
        await until(lambda: registry.schemas == MINE)


# --- looking --------------------------------------------------------------------------------------


def start_record(key: str, schema: Schema, number: int) -> Outgoing:
    headers = StartHeaders(
        message_id=str(uuid4()),
        source="/test",
        record=schema.full_name,
        tenant="default",
        definition="replied",
        time_us=time.time_ns() // 1000,
    )
    value = b"\0" + number.to_bytes(4, "big") + encode(schema, value_of(schema, key))[5:]
    return Outgoing(topic=Topics().start, key=None, value=value, headers=headers.encode())


def value_of(schema: Schema, key: str) -> dict[str, Any]:
    """A value of any schema of this file."""
    known = {"id": key, "note": None, "wrong": "w", "padding": 0}
    return {field["name"]: known[field["name"]] for field in schema.document["fields"]}


async def begun(it: Home, key: str) -> bool:
    listed, _ = await it.store.list_sagas(ListFilter(tenant="default", key=key))
    return bool(listed)


async def refused(it: Home, count: int = 1) -> bool:
    return len(await it.reasons()) >= count


def metric(it: Home, name: str) -> float:
    return it.instance.coordinator.instruments.registry.get_sample_value(name) or 0.0
