"""A whole coordinator inside the test's process, on any store and broker; stopped gracefully, or
cut off as a crash would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from saga_coordinator.definitions import compile_definition, lint
from saga_coordinator.engine.encoding import decode_facts
from saga_coordinator.engine.facts import Fact
from saga_coordinator.engine.state import Saga
from saga_coordinator.sagas.stored_saga import read_saga
from saga_coordinator.settings import Settings
from saga_coordinator.starts.requests import StartRequest
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import JournalRow, Store
from saga_coordinator.wiring import Instance, build
from saga_messaging.background import end
from saga_messaging.broker import Broker
from saga_messaging.clock import SystemClock
from saga_messaging.settings import KafkaSettings
from saga_schemas.catalog import Catalog
from saga_schemas.headers import CommandHeaders
from saga_schemas.token import TokenKeys
from support.fresh_stores import prepare

TOKEN_KEYS = "test:" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="


def settings_for(url: str, **more: object) -> Settings:
    kafka = KafkaSettings(bootstrap_servers="127.0.0.1:9", stand_in=True)
    return Settings.checked(**{"database_url": url, "token_keys": TOKEN_KEYS, "kafka": kafka, "port": 0, **more})


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    """The store, migrated."""
    store = open_store(url)
    await prepare(url)
    if store.dialect == "postgresql":
        await store.upgrade()  # it may have been there
    await store.start()
    try:
        yield store
    finally:
        await store.stop()


@asynccontextmanager
async def running(store: Store, broker: Broker, settings: Settings) -> AsyncIterator[Instance]:
    """All loops of one instance but the HTTP server.

    Leaving stops it as a crash would: nothing is drained.
    """
    instance = await build(settings, store, broker, await store.meta(), SystemClock())
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(instance.sender.run()), group.create_task(instance.relay.run())]
        tasks += [group.create_task(loop()) for role in sorted(settings.role_set) for loop in instance.loops[role]]
        try:
            yield instance
        finally:
            await end(tasks)


async def register(store: Store, text: str, catalog: Catalog, *, activate: bool = True) -> None:
    """Register and activate a definition, as `saga def register` and `activate` do."""
    document = lint(text, "test.saga.yaml", catalog).required()
    compiled = compile_definition(document, catalog)
    async with store.transaction() as tx:
        await tx.add_schemas([(s.id, s.full_name, json.dumps(s.document).encode()) for s in compiled.reader_schemas.values()])
        await tx.add_definition(
            hash=document.hash,
            tenant="default",
            name=document.saga,
            version=document.version,
            document=document.canonical,
            reader_schemas={name: schema.id for name, schema in compiled.reader_schemas.items()},
            now_us=tx.now_us,
        )
    if not activate:
        return
    async with store.transaction() as tx:
        assert await tx.activate("default", document.saga, document.version)


async def start(instance: Instance, definition: str, input: dict[str, object], request_id: str | None = None) -> UUID:
    request = StartRequest(
        tenant="default",
        definition=definition,
        input=input,
        request_id=request_id or str(uuid4()),
        source="test",
        body_hash=b"0" * 32,
    )
    return (await instance.coordinator.start(request)).saga_id


async def saga_of(store: Store, saga_id: UUID) -> Saga:
    row = await store.saga(saga_id)
    assert row is not None
    return await read_saga(store, row)


async def journal_of(store: Store, saga_id: UUID) -> list[tuple[JournalRow, tuple[Fact, ...]]]:
    """Every transition of the saga, with its facts."""
    found: list[tuple[JournalRow, tuple[Fact, ...]]] = []
    after = 0
    while page := await store.journal(saga_id, after=after, limit=500):
        found += [(row, decode_facts(row.facts)) for row in page]
        after = page[-1].version
    return found


async def closed(instance: Instance, saga_id: UUID, timeout_s: float = 30.0) -> str:
    """The final phase."""
    row = await instance.coordinator.wait_closed(saga_id, timeout_s)
    assert row is not None
    assert row.closed_at_us is not None, f"saga {saga_id} is still {row.phase} after {timeout_s} s"
    return row.phase


def signed(command: CommandHeaders, **changes: Any) -> CommandHeaders:
    """As a coordinator with our keys would have sent it."""
    changed = replace(command, **changes)
    key = (changed.saga_id, changed.step, changed.kind, changed.run, changed.incarnation)
    return replace(changed, token=TokenKeys.parse(TOKEN_KEYS).sign("default", *key))
