"""Retention in a running coordinator: what is no longer kept goes, keys are free again, open sagas
and their neighbours are untouched, and late replies fill nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import httpx
import pytest

from contract.store_rows import by_hand, new_id
from saga_coordinator.api.app import create_app
from saga_coordinator.api.health import Ready
from saga_coordinator.archive.port import ArchivedSaga, ArchiveError
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.registry.registration import Act, RegistrationRefused
from saga_coordinator.registry.registration import register as register_over_http
from saga_coordinator.retention.purge import PurgeRefused, moment_us
from saga_coordinator.settings import Settings
from saga_coordinator.store.port import InboxEvent, ListFilter, Store
from saga_coordinator.wiring import Instance, build
from saga_messaging.background import end
from saga_messaging.clock import SystemClock
from saga_messaging.errors import ConfigurationError
from saga_messaging.memory import MemoryBroker
from saga_schemas.headers import CommandHeaders
from saga_schemas.times import format_us
from support.coordinators import closed, opened, register, running, settings_for, signed, start
from support.horizons import SECONDS
from support.quick_step import CATALOG, QUICK
from support.scripted import ScriptedParticipant, eventually, obliging

LONG = QUICK.replace("quick", "long").replace("key:", "retention: {sagas: 90d}\nkey:")
GROWING = (
    *("saga", "journal", "saga_listing", "saga_key", "start_request", "outbox", "wakeup"),
    *("inbox_event", "attention", "span_due", "orphan_reply", "dead_letter", "removed_saga"),
)


@pytest.fixture(params=["sqlite_url", "database_url"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def short(url: str, **more: object) -> Settings:
    return settings_for(url, **{"retention_sagas": "1s", "retention_rate": 5_000, **SECONDS, **more})


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
            transport = httpx.ASGITransport(app=create_app(instance.coordinator))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
                shown = (await http.get(f"/v1/sagas/{one}")).json()
                assert (shown["phase"], shown["key"], shown["steps"][0]["status"]) == ("COMPLETED", "k", "done")
                assert (await http.get(f"/v1/sagas/{one}/journal")).json() == {"items": [], "next": None}
                trace = await http.get(f"/v1/sagas/{one}/trace")
                assert (trace.status_code, trace.json()["spans"]) == (200, [])
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


# --- by hand --------------------------------------------------------------------------------------


async def test_a_purge_removes_what_ended_before_and_is_audited(url: str) -> None:
    broker = MemoryBroker()
    async with opened(url) as store, answering(broker) as participant:
        await register(store, QUICK, CATALOG)
        await register(store, LONG, CATALOG)
        async with running(store, broker, settings_for(url, **SECONDS)) as instance:
            coordinator = instance.coordinator
            await finished(instance, "quick", *(f"k-{n}" for n in range(120)))
            await finished(instance, "long", "k-0")
            participant.answering = False
            still_open = await start(instance, "quick", {"id": "open"})
            with pytest.raises(PurgeRefused, match="at least 1s ago"):
                await coordinator.purge("quick", None, "1ms", dry_run=False, who="me", why="test")
            assert await coordinator.purge("quick", 2, "1s", dry_run=True, who="me", why="test") is None
            await asyncio.sleep(2.5)
            before = format_us(await store.now_us() - 1_100_000)

            async def let_go() -> bool:
                dry = await coordinator.purge("quick", 1, before, dry_run=True, who="me", why="test")
                assert dry is not None
                assert (dry.found, dry.removed, len(dry.sample)) == (120, 0, 5)
                return not dry.waiting

            await eventually(let_go)
            assert (await rows(url))["saga"] == 122

            removed = []
            while (
                done := await coordinator.purge("quick", None, before, dry_run=False, who="me", why="the trial is over")
            ) is not None:
                removed.append(done.removed)
                if not done.more:
                    break
            assert removed == [100, 20, 0]
            left = await rows(url)
            assert (left["saga"], left["saga_key"]) == (2, 2)
            assert await store.saga(still_open) is not None
            acts = await by_hand(url, "SELECT who, why, target FROM audit WHERE act = 'purge' ORDER BY id")
            assert [tuple(act) for act in acts] == [
                ("me", "the trial is over", f"quick before {before}: {count} sagas") for count in (100, 20)
            ]


async def test_a_purge_leaves_what_the_horizon_does_not_let_go_and_says_until_when(url: str) -> None:
    broker = MemoryBroker()
    async with opened(url) as store, answering(broker):
        await register(store, QUICK, CATALOG)
        async with running(store, broker, settings_for(url)) as instance:
            await finished(instance, "quick", "k-1", "k-2")
            await asyncio.sleep(1.5)
            before_us = await store.now_us() - 1_000_001
            for dry_run in (True, False):
                told = await instance.coordinator.purge(
                    "quick", None, format_us(before_us), dry_run=dry_run, who="me", why="test"
                )
                assert told is not None
                assert (told.found, told.removed, told.waiting, told.more) == (2 if dry_run else 0, 0, 2, False)
                lag_us = (1 + 300 + 7 * 86_400 + 600) * 1_000_000  # expiry, skew, window, interval
                assert told.waiting_until_us == before_us + lag_us
            assert (await rows(url))["saga"] == 2


@pytest.mark.parametrize("before", ["", "90", "soon", "2026-05-01", "2026-13-01T00:00:00Z", "2026-05-01T00:00:00"])
def test_a_time_that_is_none_is_refused(before: str) -> None:
    with pytest.raises(PurgeRefused, match="write an age"):
        moment_us(before, 0)


def test_a_time_is_an_age_or_a_moment() -> None:
    assert moment_us("90d", 10**15) == 10**15 - 90 * 86_400_000_000
    assert moment_us("1970-01-01T01:00:01.5+01:00", 0) == 1_500_000


# --- what is left of a saga that is removed at the same moment ------------------------------------


async def test_a_reply_that_was_left_for_a_saga_which_is_removed_then_is_dropped(url: str) -> None:
    """A reply finds its saga locked by the removal, which does not see what the reply leaves."""
    broker = MemoryBroker()
    async with opened(url) as store:
        await register(store, QUICK, CATALOG)
        async with store.transaction() as tx:
            await tx.put_inbox([InboxEvent(id=new_id(), saga_id=new_id(), kind="reply", body=b"") for _ in range(3)])
        async with running(store, broker, settings_for(url)) as instance:

            async def dropped() -> bool:
                return "inbox_event" not in await rows(url)

            await eventually(dropped)
            registry = instance.coordinator.instruments.registry
            assert registry.get_sample_value("saga_old_replies_total") == 3


async def test_a_reply_for_a_saga_that_no_removal_explains_is_an_orphan_still(url: str) -> None:
    broker = MemoryBroker()
    async with opened(url) as store, answering(broker) as participant:
        await register(store, QUICK, CATALOG)
        async with running(store, broker, short(url)) as instance:
            await finished(instance, "quick", "k")
            await gone(store)
            (command, _), *_ = participant.seen
            await send_again(broker, participant, [signed(command, saga_id=new_id())])

            async def kept() -> bool:
                return (await rows(url)).get("orphan_reply") == 1

            await eventually(kept)


async def test_a_definition_whose_sagas_would_go_too_soon_is_not_registered(sqlite_url: str) -> None:
    schemas = [schema.document for schema in CATALOG]
    async with opened(sqlite_url) as store:
        definitions = DefinitionCache(store, "default")
        with pytest.raises(RegistrationRefused, match=r"definition_invalid: sagas of quick@1 .* accepted for 1h") as refused:
            await register_over_http(
                store,
                definitions,
                document=QUICK.replace(", expiry: 1s", ""),
                schemas=schemas,
                tenant="default",
                act=Act(who="me"),
                retention=short(sqlite_url).retention,
            )
        assert [finding.code for finding in refused.value.findings] == ["S115"]
        assert await store.definitions("default") == []
