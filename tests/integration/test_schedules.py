"""Schedules in a running coordinator: ticks that fire once, and what people do with them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise

import httpx
import pytest

from contract.store_rows import by_hand
from saga_coordinator.api.app import create_app
from saga_coordinator.calendar.zones import tzdata_version
from saga_coordinator.engine.events import Refused
from saga_coordinator.loops import schedules
from saga_coordinator.loops.hold_limit import HoldLimit
from saga_coordinator.schedules.document import MissedDocument
from saga_coordinator.schedules.tick_names import tick_text
from saga_coordinator.schedules.turn import STARTS_MOST
from saga_coordinator.schedules.turns import TURN_STARTS
from saga_coordinator.store.port import Store
from saga_coordinator.store.schedule_records import ScheduleStatus, TickOutcome, TickRow
from saga_coordinator.wiring import Instance
from saga_messaging.background import end
from saga_messaging.memory import MemoryBroker
from support.coordinators import opened, register, running, settings_for
from support.scheduled import add_schedules, calendar, overlap, schedule, ticks_of
from support.scripted import ScriptedParticipant, eventually, obliging
from support.start_records import CATALOG, DEFINITION

NEVER = calendar(cron=("0 0 1 1 *",))


@pytest.fixture(params=["sqlite_url", "database_url"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@asynccontextmanager
async def participating(broker: MemoryBroker, answers: object = obliging) -> AsyncIterator[ScriptedParticipant]:
    participant = ScriptedParticipant(broker, "one", answers)  # type: ignore[arg-type]
    task = asyncio.create_task(participant.run())
    try:
        yield participant
    finally:
        await end([task])


@asynccontextmanager
async def system(url: str, *, answering: bool = True) -> AsyncIterator[tuple[Store, Instance]]:
    """A coordinator, and a participant that does what it is asked, or is silent."""
    broker = MemoryBroker()
    async with opened(url) as store:
        await register(store, DEFINITION, CATALOG)
        async with running(store, broker, settings_for(url)) as instance:
            if not answering:
                yield store, instance
                return
            async with participating(broker):
                yield store, instance


@asynccontextmanager
async def over_http(instance: Instance) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_app(instance.coordinator))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        yield http


async def fired(store: Store, name: str) -> list[TickRow]:
    return [tick for tick in await ticks_of(store, name) if tick.outcome == TickOutcome.FIRED]


async def completed(store: Store, name: str, count: int) -> list[TickRow]:
    """Ticks whose sagas have ended, once there are so many."""

    async def are() -> bool:
        return len([tick for tick in await fired(store, name) if tick.phase is not None]) >= count

    await eventually(are)
    return [tick for tick in await fired(store, name) if tick.phase is not None]


async def test_each_second_starts_one_saga_that_is_named_by_its_tick(url: str) -> None:
    async with system(url) as (store, instance):
        row = await instance.coordinator.create_schedule(schedule(), "settle", "ada")
        ticks = await completed(store, "every-second", 3)
        first = ticks[0]
        assert first.at_us % 1_000_000 == 0
        assert first.at_us > row.created_at_us
        gaps = {after.at_us - before.at_us for before, after in pairwise(ticks)}
        assert gaps == {1_000_000}, "no tick is left out and none is twice"
        assert {tick.phase for tick in ticks} == {"COMPLETED"}
        assert first.saga_id is not None
        saga = await store.saga(first.saga_id)
        assert saga is not None
        assert saga.business_key is not None
        assert saga.business_key.startswith("every-second@")
        labels = await store.labels_of([first.saga_id])
        assert labels[first.saga_id]["schedule"] == "every-second"
        audited = await by_hand(url, "SELECT act, target, who, why FROM audit")
        assert [tuple(one) for one in audited] == [("schedule create", "every-second", "ada", "settle")]


async def test_a_trigger_runs_now_and_says_what_became_of_it(url: str) -> None:
    async with system(url, answering=False) as (_, instance):
        coordinator = instance.coordinator
        await coordinator.create_schedule(schedule("yearly", calendar=NEVER), "settle", "ada")
        first = await coordinator.trigger_schedule("yearly", "now", "ada")
        assert (first.outcome, first.source) == ("fired", "trigger")
        assert first.saga_id is not None
        second = await coordinator.trigger_schedule("yearly", "again", "ada")
        assert (second.outcome, second.reason, second.saga_id) == ("skipped", "overlap", first.saga_id)
        third = await coordinator.trigger_schedule("yearly", "both", "ada", overlap="allow:2")
        assert third.outcome == "fired"
        row = await coordinator.schedule("yearly")
        assert (row.fired, row.skipped) == (2, 1)
        with pytest.raises(Refused, match="overlap is one of"):
            await coordinator.trigger_schedule("yearly", "both", "ada", overlap="alow")


async def test_a_tick_that_waits_fires_when_the_saga_before_it_has_ended(url: str) -> None:
    async with system(url, answering=False) as (store, instance):
        coordinator = instance.coordinator
        await coordinator.create_schedule(schedule("yearly", calendar=NEVER, overlap=overlap("queue_one")), "settle", "ada")
        first = await coordinator.trigger_schedule("yearly", "one", "ada")
        second = await coordinator.trigger_schedule("yearly", "two", "ada")
        third = await coordinator.trigger_schedule("yearly", "three", "ada")
        assert [first.outcome, second.outcome, third.outcome] == ["fired", "queued", "skipped"]
        assert third.reason == "queue_full"
        assert first.saga_id is not None
        await coordinator.terminate(first.saga_id, "enough", "ada")

        async def has_fired() -> bool:
            return [tick.outcome for tick in await ticks_of(store, "yearly")] == ["fired", "fired", "skipped"]

        await eventually(has_fired)
        ended = (await ticks_of(store, "yearly"))[0]
        assert ended.phase == "FORCED"


async def test_the_other_is_cancelled_before_the_next_begins(url: str) -> None:
    async with system(url, answering=False) as (store, instance):
        coordinator = instance.coordinator
        await coordinator.create_schedule(schedule("yearly", calendar=NEVER, overlap=overlap("terminate_other")), "settle", "ada")
        first = await coordinator.trigger_schedule("yearly", "one", "ada")
        second = await coordinator.trigger_schedule("yearly", "two", "ada")
        third = await coordinator.trigger_schedule("yearly", "three", "ada")
        assert [second.outcome, third.outcome] == ["queued", "queued"]

        async def replaced() -> bool:
            return [tick.outcome for tick in await ticks_of(store, "yearly")] == ["fired", "skipped", "fired"]

        await eventually(replaced)
        assert first.saga_id is not None
        ended = await store.saga(first.saga_id)
        assert ended is not None
        assert ended.phase == "FORCED"
        assert (await ticks_of(store, "yearly"))[1].reason == "superseded"


async def test_a_pause_holds_ticks_and_they_go_by_the_policy_afterwards(url: str) -> None:
    async with system(url) as (store, instance):
        coordinator = instance.coordinator
        await coordinator.create_schedule(schedule(), "settle", "ada")
        await completed(store, "every-second", 1)
        paused = await coordinator.pause_schedule("every-second", "look", "ada")
        assert (paused.status, paused.paused_by, paused.paused_why) == (ScheduleStatus.PAUSED, "ada", "look")
        before = len(await fired(store, "every-second"))
        await asyncio.sleep(2.2)
        assert len(await fired(store, "every-second")) == before
        await coordinator.resume_schedule("every-second", "go on", "ada")
        ticks = await completed(store, "every-second", before + 2)
        at = [tick.at_us for tick in ticks]
        assert at == sorted(set(at))
        with pytest.raises(Refused, match="not paused"):
            await coordinator.resume_schedule("every-second", "go on", "ada")


async def test_a_backfill_runs_ticks_that_were_before_and_none_twice(url: str) -> None:
    async with system(url) as (store, instance):
        coordinator = instance.coordinator
        row = await coordinator.create_schedule(schedule("hourly", calendar=calendar(cron=("0 * * * *",))), "settle", "ada")
        hour_us = 3_600_000_000
        last_us = row.created_at_us // hour_us * hour_us
        span = {"from_us": last_us - 4 * hour_us, "until_us": last_us}
        assert await coordinator.count_backfill("hourly", **span) == 5
        for expected in ((5, 0), (0, 5)):
            made = await coordinator.backfill_schedule("hourly", "late", "ada", overlap="allow:100", per_minute=6000, **span)

            async def is_over(id: object = made.id) -> bool:
                found = await store.backfill("default", id)  # type: ignore[arg-type]
                return found is not None and found.status == "done"

            await eventually(is_over)
            done = await store.backfill("default", made.id)
            assert done is not None
            assert (done.fired, done.known) == expected
        ticks = await completed(store, "hourly", 5)
        assert [tick.at_us for tick in ticks] == [last_us - n * hour_us for n in range(4, -1, -1)]
        assert {tick.source for tick in ticks} == {"backfill"}
        with pytest.raises(Refused, match="in the future"):
            await coordinator.count_backfill("hourly", from_us=last_us, until_us=last_us + 10 * hour_us)


async def test_a_deleted_schedule_rests_and_its_name_takes_up_where_it_was(url: str) -> None:
    async with system(url) as (store, instance):
        coordinator = instance.coordinator
        await coordinator.create_schedule(schedule(), "settle", "ada")
        await completed(store, "every-second", 1)
        await coordinator.delete_schedule("every-second", "no more", "ada")
        assert (await coordinator.schedule("every-second")).status == ScheduleStatus.DELETED
        with pytest.raises(Refused, match="no schedule"):
            await coordinator.trigger_schedule("every-second", "now", "ada")
        again = await coordinator.create_schedule(schedule(), "again", "ada")
        assert again.version == 2
        with pytest.raises(Refused, match="already"):
            await coordinator.create_schedule(schedule(), "again", "ada")
        ticks = await completed(store, "every-second", 3)
        at = [tick.at_us for tick in ticks]
        assert at == sorted(set(at))


async def test_a_name_that_is_taken_up_again_has_all_its_runs_and_its_success_is_expected_from_now(url: str) -> None:
    async with system(url) as (store, instance):
        coordinator, once = instance.coordinator, schedule(runs=1, expect_success_ms=60_000)
        await coordinator.create_schedule(once, "settle", "ada")
        await completed(store, "every-second", 1)
        await coordinator.delete_schedule("every-second", "no more", "ada")
        await by_hand(url, "UPDATE schedule SET succeeded_at = 1")
        again = await coordinator.create_schedule(once, "again", "ada")
        assert (again.status, again.runs) == (ScheduleStatus.ACTIVE, 0)
        assert again.success_due_at_us == again.changed_at_us + 60_000_000
        assert again.attention is None
        await completed(store, "every-second", 2)


async def test_a_tick_that_cannot_start_calls_a_person_and_the_schedule_goes_on(url: str) -> None:
    async with system(url) as (store, instance):
        coordinator = instance.coordinator
        soon = datetime.fromtimestamp(await store.now_us() // 1_000_000 + 3, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        fails = f"${{string(1 / (schedule.scheduled_for < timestamp('{soon}') ? 1 : 0)) + schedule.tick}}"
        await coordinator.create_schedule(schedule(input={"id": fails}), "settle", "ada")

        async def failed() -> bool:
            return len([tick for tick in await ticks_of(store, "every-second") if tick.outcome == "failed"]) >= 2

        await eventually(failed)
        row = await coordinator.schedule("every-second")
        assert row.attention == "input_invalid"
        await coordinator.update_schedule(schedule(), "mended", "ada")
        before = len(await completed(store, "every-second", 1))
        await completed(store, "every-second", before + 1)
        row = await coordinator.schedule("every-second")
        assert row.attention is None
        assert row.version == 2


async def test_a_schedule_that_cannot_be_read_or_followed_costs_no_other_its_ticks(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedules, "HoldLimit", partial(HoldLimit, schedules=1))  # one that is left takes nobody's place
    async with system(url) as (store, instance):
        coordinator = instance.coordinator
        for name in ("sound", "garbled", "nowhere"):
            await coordinator.create_schedule(schedule(name), "settle", "ada")
        await completed(store, "nowhere", 1)
        zone = "UPDATE schedule SET version = 9, document = replace(document, 'UTC', 'Mars/Olympus') WHERE name = 'nowhere'"
        await by_hand(url, "UPDATE schedule SET version = 9, document = '{}' WHERE name = 'garbled'", zone)
        before = len(await completed(store, "sound", 1))
        await completed(store, "sound", before + 3)

        async def told() -> bool:
            row = await store.schedule("default", "nowhere")
            return row is not None and row.attention == "calendar_invalid" and "Mars/Olympus" in (row.attention_note or "")

        await eventually(told)
        garbled = await store.schedule("default", "garbled")
        assert garbled is not None
        assert garbled.attention is None, "a later release may read it"
        with pytest.raises(Refused, match="not a canonical schedule"):
            await coordinator.next_ticks("garbled", from_us=None, count=1)
        with pytest.raises(Refused, match="a later release wrote it"):
            await coordinator.pause_schedule("garbled", "look", "ada")
        async with over_http(instance) as http:
            listed = (await http.get("/v1/schedules")).json()["items"]
            assert [(one["name"], one["zone"]) for one in listed] == [
                ("garbled", ""),
                ("nowhere", "Mars/Olympus"),
                ("sound", "UTC"),
            ]
            assert (await http.get("/v1/schedules/garbled")).json()["code"] == "schedule_unreadable"
        with pytest.raises(Refused, match="update it first"):
            await coordinator.trigger_schedule("nowhere", "now", "ada")
        assert (await coordinator.pause_schedule("nowhere", "look", "ada")).status == ScheduleStatus.PAUSED
        mended = await coordinator.update_schedule(schedule("nowhere"), "mended", "ada")
        assert (mended.version, mended.status) == (10, ScheduleStatus.PAUSED)
        await coordinator.resume_schedule("nowhere", "mended", "ada")
        ran = len(await fired(store, "nowhere"))
        await completed(store, "nowhere", ran + 1)
        assert (await coordinator.schedule("nowhere")).attention is None


async def test_other_time_zones_than_before_are_looked_at_by_all_schedules(sqlite_url: str) -> None:
    async with system(sqlite_url) as (store, instance):
        await instance.coordinator.create_schedule(schedule("yearly", calendar=NEVER), "settle", "ada")
    far_us = 2**60
    await by_hand(
        sqlite_url,
        f"UPDATE schedule SET wake_at = {far_us}, fire_at = {far_us}, next_at = {far_us}",
        "UPDATE control SET value = 'of the year before' WHERE scope = 'schedules'",
    )
    async with system(sqlite_url) as (store, instance):

        async def is_new() -> bool:
            row = await instance.coordinator.schedule("yearly")
            return row.next_at_us != far_us and row.wake_at_us == row.fire_at_us

        await eventually(is_new)
        assert await store.control("schedules", "default") == {"tzdata": tzdata_version()}


async def test_many_instances_fire_each_tick_once(database_url: str) -> None:
    broker = MemoryBroker()
    async with opened(database_url) as store:
        await register(store, DEFINITION, CATALOG)
        settings = settings_for(database_url)
        async with (
            running(store, broker, settings) as one,
            running(store, broker, settings),
            running(store, broker, settings),
            participating(broker),
        ):
            for number in range(20):
                await one.coordinator.create_schedule(schedule(f"second-{number}", overlap=overlap("allow", 100)), "s", "ada")
            for number in range(20):
                await completed(store, f"second-{number}", 3)
        started = await by_hand(database_url, "SELECT count(*), count(DISTINCT business_key) FROM saga")
        assert started[0][0] == started[0][1]
        ticks = await by_hand(database_url, "SELECT count(*), count(DISTINCT saga_id) FROM schedule_tick WHERE outcome = 'fired'")
        assert ticks[0][0] == ticks[0][1] == started[0][0]


async def test_a_schedule_that_catches_up_lets_those_that_are_due_go_first(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look finds so many: as many that catch up for an hour would keep all others from firing."""
    monkeypatch.setattr(schedules, "SEEN_MOST", 1)
    limits = {
        "overlap": overlap("allow", 100),
        "missed": MissedDocument(policy="run_all", grace_ms=60_000, window_ms=86_400_000),
    }
    async with opened(url) as store:
        await register(store, DEFINITION, CATALOG)
        each_second = calendar(every_ms=1000, end=tick_text(await store.now_us() // 1_000_000 * 1_000_000))
        late = schedule("late", calendar=each_second, **limits)
        await add_schedules(store, late, ago_us=5 * STARTS_MOST * 1_000_000)
        await add_schedules(store, schedule("in-time", calendar=each_second, **limits), ago_us=2_000_000)
        async with running(store, MemoryBroker(), settings_for(url)):

            async def all_fired() -> bool:
                return len(await fired(store, "late")) >= 5 * STARTS_MOST - 1

            await eventually(all_fired)
        first_us = min(tick.fired_at_us or 0 for tick in await fired(store, "in-time"))
        before = [tick for tick in await fired(store, "late") if (tick.fired_at_us or 0) < first_us]
        assert len(before) <= STARTS_MOST


async def test_after_an_outage_a_turn_starts_no_more_than_it_can_do_in_its_time(url: str) -> None:
    """The longer nobody was there the more ticks are due; a turn of all would be lost, and the next
    one, too."""
    broker, count, ticks = MemoryBroker(), 20, 12
    async with opened(url) as store:
        await register(store, DEFINITION, CATALOG)
        end_us = await store.now_us() // 1_000_000 * 1_000_000
        limits = {
            "overlap": overlap("allow", 100),
            "missed": MissedDocument(policy="run_all", grace_ms=60_000, window_ms=86_400_000),
        }
        missed = calendar(every_ms=1000, end=tick_text(end_us))
        each = [schedule(f"second-{number}", calendar=missed, **limits) for number in range(count)]
        rows = await add_schedules(store, *each, ago_us=ticks * 1_000_000)
        async with running(store, broker, settings_for(url)):

            async def over() -> bool:
                return {
                    row.status for row in await store.schedules("default", after="", limit=99, statuses=[*ScheduleStatus])
                } == {"ended"}

            await eventually(over)
        fired_at_us = Counter([tick.fired_at_us for row in rows for tick in await fired(store, row.name)])
        assert fired_at_us.total() in (count * (ticks - 1), count * ticks), "by where in a second it began"
        assert max(fired_at_us.values()) <= TURN_STARTS
