"""A start may name any registered version, over HTTP's door and over Kafka's; without one it is the
active version's."""

from __future__ import annotations

import asyncio

import pytest

from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.registry.registration import Act, activate, add_schema
from saga_coordinator.starts.requests import StartRefused, StartRequest
from saga_coordinator.store.port import ListFilter, SchemaRow
from saga_messaging.memory import MemoryBroker
from saga_schemas.schema import Schema
from support.coordinators import opened, register, running, settings_for
from support.orders import until
from support.start_records import CATALOG, start_record

FIRST = """
saga: asked
version: 1
input: t.Input
key: ${input.id}
steps:
  - {name: one, participant: one, command: t.Do, compensation: none}
"""
DO = next(schema for schema in CATALOG if schema.full_name == "t.Do")
NEWER = DO.document | {"fields": [*DO.document["fields"], {"name": "note", "type": "string", "default": ""}]}
SECOND = FIRST.replace("version: 1", "version: 2").replace("participant: one", "participant: two")


def request(key: str, version: int | None) -> StartRequest:
    return StartRequest(
        tenant="default",
        definition="asked",
        version=version,
        input={"id": key},
        request_id=f"h-{key}",
        source="http",
        body_hash=b"0" * 32,
    )


async def test_any_registered_version_starts_by_kafka_and_by_http(sqlite_url: str) -> None:
    broker = MemoryBroker()
    async with opened(sqlite_url) as store:
        await register(store, FIRST, CATALOG)
        await register(store, SECOND, CATALOG)  # now it is the active one
        async with running(store, broker, settings_for(sqlite_url, roles="api,starts,replies,watchdog")) as instance:
            producer = broker.producer()
            await producer.start()
            records = [
                start_record("r-k-old", "k-old", 1),
                start_record("r-k-new", "k-new", 2),
                start_record("r-k-any", "k-any"),
                start_record("r-k-none", "k-none", 3),
            ]
            assert await producer.send_all(records, timeout_s=5) == [None] * 4
            await instance.coordinator.start(request("h-old", 1))
            await instance.coordinator.start(request("h-any", None))
            with pytest.raises(StartRefused, match="has no version 3; registered are 1, 2"):
                await instance.coordinator.start(request("h-none", 3))

            async def settled(letters: int) -> bool:
                listed, _ = await store.list_sagas(ListFilter(tenant="default"))
                return len(listed) == 5 and len(await store.dead_letters(before=None, limit=9)) == letters

            await until(lambda: settled(1), 20, "five sagas and a dead letter")
            # The same request id, asked of another version, asks for something else.
            assert await producer.send_all([start_record("r-k-old", "k-old", 2)], timeout_s=5) == [None]
            await until(lambda: settled(2), 20, "a second dead letter")
            listed, _ = await store.list_sagas(ListFilter(tenant="default"))
            versions = {one.business_key: one.definition_version for one in listed}
            assert versions == {"k-old": 1, "k-new": 2, "k-any": 2, "h-old": 1, "h-any": 2}
            letters = await store.dead_letters(before=None, limit=9)
            assert {letter.reason for letter in letters} == {"definition_unknown", "request_reused"}
            known = DefinitionCache(store, "default")
            await known.refresh()
            assert await known.participants() == {"one", "two"}  # whose replies are read


async def test_a_look_that_began_before_an_activation_does_not_undo_it(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look that each instance takes every two seconds may be slow."""
    async with opened(sqlite_url) as store:
        await register(store, FIRST, CATALOG)
        cache, found, go_on = DefinitionCache(store, "default"), asyncio.Event(), asyncio.Event()
        rows, schemas = store.open_definition_ids, store.schemas

        async def slow_rows() -> set[int]:
            found.set()  # the definitions have been read
            await go_on.wait()
            return await rows()

        monkeypatch.setattr(store, "open_definition_ids", slow_rows)
        looking = asyncio.create_task(cache.refresh())
        async with asyncio.timeout(60):
            await found.wait()
        found.clear()
        monkeypatch.setattr(store, "open_definition_ids", rows)

        async def slow_schemas() -> list[SchemaRow]:
            read = await schemas()
            found.set()
            await go_on.wait()
            return read

        monkeypatch.setattr(store, "schemas", slow_schemas)
        looking_at_schemas = asyncio.create_task(cache.refresh_schemas())
        async with asyncio.timeout(60):
            await found.wait()
        monkeypatch.setattr(store, "schemas", schemas)

        await register(store, SECOND, CATALOG)
        await add_schema(store, cache, subject=None, document=NEWER, tenant="default", act=Act(who="tests"))
        await activate(store, cache, tenant="default", name="asked", version=2, act=Act(who="tests"))
        go_on.set()
        async with asyncio.timeout(60):
            await asyncio.gather(looking, looking_at_schemas)

        active = cache.find("asked", None)
        assert active is not None
        assert active.version == 2
        assert Schema.parse(NEWER).id in {row.id for row in cache.schema_rows}


async def test_without_an_active_version_a_start_must_name_one(sqlite_url: str) -> None:
    async with opened(sqlite_url) as store:
        await register(store, FIRST, CATALOG, activate=False)
        async with running(store, MemoryBroker(), settings_for(sqlite_url, roles="api,watchdog")) as instance:
            with pytest.raises(StartRefused) as refused:
                await instance.coordinator.start(request("a", None))
            assert refused.value.code == "definition_inactive"
            assert (await instance.coordinator.start(request("b", 1))).created
