"""Retention in a running coordinator: what is no longer kept goes, keys are free again, open sagas
and their neighbours are untouched, and late replies fill nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from contract.store_rows import by_hand
from saga_coordinator.api.answers import Ready
from saga_coordinator.archive.port import ArchivedSaga, ArchiveError
from saga_coordinator.settings import Settings
from saga_coordinator.store.port import ListFilter, Store
from saga_coordinator.wiring import Instance, build
from saga_messaging.background import end
from saga_messaging.clock import SystemClock
from saga_messaging.errors import ConfigurationError
from saga_messaging.memory import MemoryBroker
from saga_schemas.headers import CommandHeaders
from support.coordinators import closed, opened, register, running, settings_for, start
from support.scripted import ScriptedParticipant, catalog_of, eventually, obliging

CATALOG = catalog_of("t.Input", "t.Do")
QUICK = """
saga: quick
version: 1
input: t.Input
key: ${input.id}
steps:
  - {name: one, participant: one, command: t.Do, compensation: none, timeout: {reask: 1s, expiry: 1s}}
"""
LONG = QUICK.replace("quick", "long").replace("key:", "retention: {sagas: 90d}\nkey:")
GROWING = (
    *("saga", "journal", "saga_listing", "saga_key", "start_request", "outbox", "wakeup"),
    *("inbox_event", "attention", "span_due", "orphan_reply", "dead_letter", "removed_saga"),
)


@pytest.fixture(params=["sqlite_url", "database_url"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def short(url: str, **more: object) -> Settings:
    return settings_for(url, **{"retention_sagas": "1s", "retention_rate": 5_000, **more})


async def rows(url: str) -> dict[str, int]:
    query = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in GROWING)
    return {name: count for name, count in await by_hand(url, query) if count}


@asynccontextmanager
async def answering(broker: MemoryBroker) -> AsyncIterator[ScriptedParticipant]:
    participant = ScriptedParticipant(broker, "one")
    task = asyncio.create_task(participant.run())
    try:
        yield participant
    finally:
        await end([task])


async def finished(instance: Instance, definition: str, *keys: str) -> list[UUID]:
    ids = await asyncio.gather(*(start(instance, definition, {"id": key}) for key in keys))
    assert {await closed(instance, id, 60) for id in ids} == {"COMPLETED"}
    return list(ids)


async def gone(store: Store, definition: str = "quick") -> None:
    async def so() -> bool:
        return not (await store.list_sagas(ListFilter(tenant="default", definition=definition)))[0]

    await eventually(so, 60)


async def send_again(broker: MemoryBroker, participant: ScriptedParticipant, headers: Sequence[CommandHeaders]) -> None:
    producer = broker.producer()
    await producer.start()
    replies = [participant.reply(command, obliging(command)[0]) for command in headers]
    assert await producer.send_all(replies, timeout_s=10) == [None] * len(replies)


async def test_two_thousand_sagas_leave_nothing_but_those_that_are_open_or_kept_longer(url: str) -> None:
    broker = MemoryBroker()
    async with opened(url) as store, answering(broker) as participant:
        await register(store, QUICK, CATALOG)
        await register(store, LONG, CATALOG)
        async with running(store, broker, short(url)) as instance:
            (kept,) = await finished(instance, "long", "kept")
            for at in range(0, 2000, 500):
                await finished(instance, "quick", *(f"k-{n}" for n in range(at, at + 500)))
            await gone(store)
            commands = [headers for headers, _ in participant.seen]
            participant.answering = False
            running_one = await start(instance, "quick", {"id": "k-7"})
            assert (await store.sagas_by_key("default", "k-7", "quick"))[0].id == running_one

            # Every reply comes once more, long after its saga.
            await send_again(broker, participant, [one for one in commands if one.saga_id != kept])

            async def read() -> bool:
                return instance.coordinator.instruments.registry.get_sample_value("saga_old_replies_total") == 2000

            await eventually(read, 60)
            await asyncio.sleep(2.0)
            row = await store.saga(running_one)
            assert row is not None
            assert row.closed_at_us is None
            left = await rows(url)
            assert {name: left.pop(name) for name in ("saga", "saga_listing", "saga_key", "start_request")} == {
                "saga": 2,
                "saga_listing": 2,
                "saga_key": 2,
                "start_request": 2,
            }
            assert left.keys() <= {"journal", "wakeup", "outbox"}
            assert sum(left.values()) <= 12
            participant.answering = True
            assert await closed(instance, running_one) == "COMPLETED"


async def test_keys_may_outlive_their_sagas_and_journals_may_go_before(url: str) -> None:
    broker = MemoryBroker()
    settings = short(url, retention_sagas="4s", retention_journals="1s", retention_keys="1h")
    async with opened(url) as store, answering(broker):
        await register(store, QUICK, CATALOG)
        async with running(store, broker, settings) as instance:
            (one,) = await finished(instance, "quick", "k")

            async def stripped() -> bool:
                return not await store.journal(one, after=0, limit=9)

            await eventually(stripped)
            row = await store.saga(one)
            assert row is not None
            assert row.state_version == row.version
            await gone(store)
            assert await store.saga(one) is None
            assert await start(instance, "quick", {"id": "k"}) == one
            assert await rows(url) == {"saga_key": 1, "start_request": 2, "removed_saga": 1}


async def test_never_removes_nothing(url: str) -> None:
    broker = MemoryBroker()
    async with opened(url) as store, answering(broker):
        await register(store, QUICK, CATALOG)
        async with running(store, broker, short(url, retention_sagas="never")) as instance:
            await finished(instance, "quick", "k")
            await asyncio.sleep(3.0)
        assert (await rows(url))["saga"] == 1


class Shelf:
    """An archive that fails until it is mended."""

    def __init__(self) -> None:
        self.full = True
        self.kept: list[ArchivedSaga] = []

    async def keep(self, sagas: Sequence[ArchivedSaga]) -> None:
        if self.full:
            raise ArchiveError("the disk is full")
        self.kept.extend(sagas)


async def test_nothing_is_removed_while_the_archive_is_full_and_the_instance_says_why(sqlite_url: str) -> None:
    broker, archive = MemoryBroker(), Shelf()
    settings = short(sqlite_url)
    async with opened(sqlite_url) as store, answering(broker):
        await register(store, QUICK, CATALOG)
        instance = await build(settings, store, broker, await store.meta(), SystemClock(), archive)
        tasks = [asyncio.create_task(loop()) for loop in (instance.sender.run, instance.relay.run)]
        tasks += [asyncio.create_task(loop()) for role in sorted(settings.role_set) for loop in instance.loops[role]]
        try:
            (one,) = await finished(instance, "quick", "k")
            registry = instance.coordinator.instruments.registry

            async def waits() -> bool:
                return (registry.get_sample_value("saga_retention_failures_total", {"cause": "archive"}) or 0) >= 1

            await eventually(waits)
            assert await store.saga(one) is not None
            assert await instance.coordinator.ready() == []
            assert instance.coordinator.notes() == ["retention: archive: the disk is full"]
            assert Ready(notes=instance.coordinator.notes()).ready
            assert (registry.get_sample_value("saga_retention_lag_seconds") or 0) > 0
            archive.full = False
            await gone(store)
            assert [each.row.id for each in archive.kept] == [one]
            assert [record.version for record in archive.kept[0].journal] == [1, 2]
            await eventually(lambda: _well(instance))
        finally:
            await end(tasks)


async def _well(instance: Instance) -> bool:
    return instance.coordinator.notes() == []


@pytest.mark.parametrize("retention", ["1s", "59m"])
async def test_sagas_are_kept_for_as_long_as_their_commands_may_be_accepted(sqlite_url: str, retention: str) -> None:
    broker = MemoryBroker()
    async with opened(sqlite_url) as store:
        await register(store, QUICK.replace(", expiry: 1s", ""), CATALOG)
        settings = short(sqlite_url, retention_sagas=retention)
        with pytest.raises(ConfigurationError, match=r"SAGA_RETENTION_SAGAS: sagas of quick@1 .* 1h"):
            await build(settings, store, broker, await store.meta(), SystemClock())
