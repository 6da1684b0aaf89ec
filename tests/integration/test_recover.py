"""`saga recover`: a coordinator's database is restored from a backup, and every saga that was open
in it ends as its participants know it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from contract.store_rows import by_hand
from saga_coordinator.engine.events import Refused
from saga_coordinator.loops import watchdog
from saga_coordinator.store import recovery
from saga_coordinator.store.port import Store, StoreBusy
from saga_coordinator.store.recovering import Recovering
from saga_coordinator.views.lost_sagas import Effect, lost_saga
from saga_coordinator.wiring import Instance
from saga_messaging.background import end
from saga_messaging.broker import Outgoing
from saga_schemas.outcomes import Kind
from support import start_records
from support.backups import Backup, backed_up
from support.coordinators import closed, opened, register, saga_of, start
from support.orders import until
from support.restored import Bench
from support.two_steps import CATALOG, DEFINITION

SLOWLY = 0.01
"""Sagas a second: none but the first is asked by its wake-up."""


@pytest.fixture(params=["sqlite_url", "database_url"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(str(request.getfixturevalue(request.param)), tmp_path)
    answering = asyncio.create_task(made.participant.run())
    async with opened(made.url) as store:
        await register(store, DEFINITION, CATALOG)
    yield made
    await end((answering,))


@dataclass
class Lived:
    """What was open in the backup, and what became of it before the database was lost."""

    backup: Backup
    forward: UUID
    """Its second step was asked; it ended COMPLETED."""
    back: UUID
    """Its second step was asked, and was rejected after the backup; it ended COMPENSATED."""
    waits: UUID
    """Its second step was asked, and still is."""
    ended: UUID
    """It was COMPLETED in the backup."""
    lost: UUID
    """It began after the backup and was COMPLETED."""


async def live(bench: Bench) -> Lived:
    """Until the database is lost. It is restored, and no coordinator runs."""
    books = bench.books
    async with bench.serving() as (_, instance):
        ended = await start(instance, "moved", {"id": "ended"}, "ended")
        assert await closed(instance, ended) == "COMPLETED"
        books.silent_on = {"two"}
        forward, back, waits = [await start(instance, "moved", {"id": name}, name) for name in ("forward", "back", "waits")]
        for saga_id in (forward, back, waits):
            await bench.asked(saga_id, "two")
        backup = await backed_up(bench.url, bench.folder)
        books.silent, books.silent_on = {(waits, "two"), (back, "two")}, set()
        assert await closed(instance, forward) == "COMPLETED"
        books.silent, books.rejects = {(waits, "two")}, {"two"}
        assert await closed(instance, back) == "COMPENSATED"
        books.rejects = set()
        lost = await start(instance, "moved", {"id": "lost"}, "lost")
        assert await closed(instance, lost) == "COMPLETED"
    backup.restore()
    return Lived(backup, forward, back, waits, ended, lost)


async def test_every_saga_ends_as_its_participants_know_it(bench: Bench) -> None:
    lived = await live(bench)
    found = await recovery.survey(bench.url)
    assert (found.incarnation, found.open_sagas, found.orphans) == (1, 3, 0)
    done = await bench.recover()
    assert (done.before, done.open_sagas) == (1, 3)
    assert [tuple(row) for row in await by_hand(bench.url, "SELECT act, target, who, why FROM audit")] == [
        ("recover", f"incarnation {done.incarnation}", "me", "the disk")
    ]
    with capture_logs() as logs:
        async with bench.serving() as (store, instance):
            assert await closed(instance, lived.forward) == "COMPLETED"
            assert await closed(instance, lived.back) == "COMPENSATED"
            left = {"sagas": 1, "to_ask": 0, "unanswered": {"one": 1}}
            await until(lambda: _now(_told(instance) == left), 20, "one saga is left")
            assert (await recovery.status(bench.url, "default")).waits == {"one": 1}
            bench.books.silent = set()
            assert await closed(instance, lived.waits) == "COMPLETED"
            await until(lambda: _now(_told(instance) is None), 20, "the recovery has ended")
            assert (await saga_of(store, lived.ended)).incarnation == 1, "a finished saga never changes again"
            orphans = [reply async for reply in recovery.orphans(bench.url)]
            assert await start(instance, "moved", {"id": "forward"}, "forward") == lived.forward
    assert [entry["event"] for entry in logs if entry["event"].startswith("recovery_")] == ["recovery_goes_on", "recovery_ended"]
    assert {count for at, count in bench.books.effects.items() if at[0] != lived.back} == {1}
    assert {count for at, count in bench.books.effects.items() if at[0] == lived.back} == {0}
    assert {reply.saga_id for reply in orphans} == {lived.lost}, "what came after the backup is read again"
    lost = lost_saga(lived.lost, orphans)
    assert [(step.step, step.participant, step.effect) for step in lost.steps] == [
        ("one", "one", Effect.STANDS),
        ("two", "one", Effect.STANDS),
    ]
    finished = await recovery.status(bench.url, "default")
    assert (finished.going_on, finished.waits, finished.sagas) == (False, {}, 3)


async def test_a_saga_whose_reply_comes_first_is_recovered_first(bench: Bench) -> None:
    """Replies of the lost time are read again, long before any wake-up; none counts."""
    lived = await live(bench)
    bench.books.silent_on = {"one", "two"}
    done = await bench.recover(sagas_per_s=SLOWLY)
    async with bench.serving() as (store, instance):

        async def recovered(saga_id: UUID) -> bool:
            return (await saga_of(store, saga_id)).recovering

        await until(lambda: recovered(lived.forward), 20, "its reply made it ask")
        await until(lambda: recovered(lived.back), 20, "its reply made it ask")
        for saga_id in (lived.forward, lived.back):
            saga = await saga_of(store, saga_id)
            assert (saga.incarnation, saga.steps["two"].answered, saga.steps["two"].evidence) == (
                done.incarnation,
                False,
                frozenset(),
            )
        assert (await saga_of(store, lived.waits)).incarnation == 1, "nothing came for it, and its turn is later"
        with pytest.raises(Refused, match="waits for every participant"):
            await instance.coordinator.cancel(lived.waits, "no", "me")
        assert (await saga_of(store, lived.waits)).incarnation == 1, "what was refused changes nothing"
        assert await store.recovering() == {"": 1, "one": 2}


async def test_what_a_saga_asks_again_it_asks_under_the_new_incarnation(bench: Bench) -> None:
    """Also when the sweeper sends it: from the row and the journal, with the same bytes."""
    lived = await live(bench)
    bench.books.silent_on = {"one", "two"}
    done = await bench.recover()
    before = len(bench.participant.seen)
    async with bench.serving():
        await until(lambda: _now(len(bench.participant.seen) - before >= 6), 20, "three sagas asked two steps each")
    asked = Counter((c.saga_id, c.step, c.kind, c.incarnation) for c, _ in bench.participant.seen[before:])
    wanted = {
        (saga, step, Kind.ACTION, done.incarnation)
        for saga in (lived.forward, lived.back, lived.waits)
        for step in ("one", "two")
    }
    assert set(asked) == wanted


async def test_twice_is_harmless_and_one_backup_restored_twice_never_gives_an_incarnation_again(bench: Bench) -> None:
    lived = await live(bench)
    first, second = await bench.recover(), await bench.recover()
    assert second.before == first.incarnation < second.incarnation
    lived.backup.restore()
    await asyncio.sleep(2.1)  # incarnations are seconds, or one more than the last
    third = await bench.recover()
    assert third.before == 1
    assert third.incarnation > second.incarnation
    async with bench.serving() as (_, instance):
        bench.books.silent = set()
        for saga_id, phase in ((lived.forward, "COMPLETED"), (lived.back, "COMPENSATED"), (lived.waits, "COMPLETED")):
            assert await closed(instance, saga_id) == phase
        assert await closed(instance, await start(instance, "moved", {"id": "new"})) == "COMPLETED"


async def test_a_coordinator_that_is_alive_is_refused_and_told_of_by_force(bench: Bench) -> None:
    async with bench.serving() as (store, instance):
        bench.books.silent_on = {"two"}
        saga_id = await start(instance, "moved", {"id": "a"})
        await bench.asked(saga_id, "two")
        if bench.url.startswith("sqlite"):
            with pytest.raises(StoreBusy):
                await bench.recover()
            return
        with pytest.raises(recovery.RecoverRefused, match="coordinators are connected"):
            await bench.recover(force=False)
        assert (await store.meta()).incarnation == 1
        done = await bench.recover(sagas_per_s=SLOWLY)

        async def new_ones() -> bool:
            new = await start(instance, "moved", {"id": f"new-{len(bench.participant.seen)}"})
            return (await saga_of(store, new)).incarnation == done.incarnation

        await until(new_ones, 20, "it has learnt of the incarnation")
        await until(lambda: _now((_told(instance) or {}).get("sagas", 0) != 0), 20, "it says so")
        bench.books.silent_on = set()
        assert await closed(instance, saga_id) == "COMPLETED"


async def test_a_coordinator_that_was_seen_a_moment_ago_is_refused(bench: Bench) -> None:
    async with bench.serving() as (store, _):
        assert await store.claim_instance("left", stale_s=20)
        await until(lambda: _seen(store), 20, "the instance has beaten")
    found = await recovery.survey(bench.url)
    assert [sign.partition(" (")[0].rpartition(" ")[0].rpartition(" ")[0].rpartition(" ")[0] for sign in found.alive] == [
        "coordinator left was seen",
        "a coordinator was at work",
    ]
    with pytest.raises(recovery.RecoverRefused, match=r"coordinator left was seen \d+ s ago"):
        await bench.recover(force=False)
    with pytest.raises(recovery.RecoverRefused, match="at incarnation 1 meanwhile"):
        await bench.recover(expected=7)


async def _seen(store: Store) -> bool:
    return "seen_at" in await store.control("life", "default")


async def test_recovering_adds_to_the_journal_and_changes_nothing_that_was_there(bench: Bench) -> None:
    """So spans that were sent before the restore have, sent again, the ids that they had."""
    lived = await live(bench)
    journal = "SELECT saga_id, version, facts FROM journal"
    before = {tuple(row) for row in await by_hand(bench.url, journal)}
    await bench.recover()
    async with bench.serving() as (_, instance):
        assert await closed(instance, lived.forward) == "COMPLETED"
    assert before < {tuple(row) for row in await by_hand(bench.url, journal)}


async def test_a_reply_that_cannot_be_read_is_a_dead_letter_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its row was lost with the database, and so was its position; not the copy in the topic."""
    monkeypatch.setattr(watchdog, "EVERY_S", 0.2)  # it relays the letters
    async with bench.serving() as (store, _):
        backup = await backed_up(bench.url, bench.folder)
        producer = bench.broker.producer()
        await producer.start()
        await producer.send_all([Outgoing(topic="saga.reply.one", key=b"k", value=b"v", headers=())], timeout_s=10)
        await until(lambda: _letters(store, 1, relayed=True), 20, "a dead letter")
    backup.restore()
    await bench.recover()
    async with bench.serving() as (store, _):
        await until(lambda: _letters(store, 1, relayed=True), 20, "the same dead letter")


async def test_both_databases_restored_to_different_moments_agree_in_the_end(bench: Bench) -> None:
    """The participant's is the older one: what it has lost it does again, once."""
    lived = await live(bench)
    bench.books.forget(lived.forward)
    bench.books.forget(lived.back)
    await bench.recover()
    async with bench.serving() as (_, instance):
        for saga_id in (lived.forward, lived.back):
            assert await closed(instance, saga_id) == "COMPLETED", "nothing says no any more"
            assert [bench.books.effects[saga_id, step] for step in ("one", "two")] == [1, 1]


async def test_a_participant_that_was_restored_alone_is_a_conflict_where_answers_contradict(bench: Bench) -> None:
    async with bench.serving() as (store, instance):
        bench.books.silent_on = {"two"}
        saga_id = await start(instance, "moved", {"id": "a"})
        await bench.asked(saga_id, "two")
        bench.books.forget(saga_id)
        bench.books.silent_on = set()
        bench.books.rejects = {"two"}

        async def conflict() -> bool:
            return [(row.step, row.reason) for row in await store.attention_of(saga_id)] == [("one", "conflict")]

        await until(conflict, 20, "its step one is done, and there is nothing to undo")
        await instance.coordinator.waive_step(saga_id, "one", "restored from a backup", "me", unsafe=True)
        assert await closed(instance, saga_id) == "FORCED"


async def test_a_start_over_kafka_heals_and_who_repeats_one_over_http_gets_a_new_saga(bench: Bench) -> None:
    async with opened(bench.url) as store:
        await register(store, start_records.DEFINITION, start_records.CATALOG)
    async with bench.serving() as (store, instance):
        backup = await backed_up(bench.url, bench.folder)
        lost = await start(instance, "moved", {"id": "http"}, "http")
        await start_records.send(bench.broker, start_records.start_record("r-1", "kafka"))
        await until(lambda: _stands(store, "kafka"), 20, "it began")
        (first,) = await store.sagas_by_key("default", "kafka", None)
        for saga_id in (lost, first.id):
            assert await closed(instance, saga_id) == "COMPLETED"
    backup.restore()
    await bench.recover()
    async with bench.serving() as (store, instance):
        await until(lambda: _stands(store, "kafka"), 20, "it began again")
        (second,) = await store.sagas_by_key("default", "kafka", None)
        assert second.id == first.id
        again = await start(instance, "moved", {"id": "http"}, "http")
        assert again != lost
        for saga_id in (again, second.id):
            assert await closed(instance, saga_id) == "COMPLETED"
        assert (await saga_of(store, first.id)).recovered

        async def settled() -> bool:
            effects = await store.lost_effects("default", settled=False)
            return {(one.saga_id, one.step) for one in effects} == {(lost, "one"), (lost, "two")}

        await until(settled, 20, "the other's effects are listed, and only they")
    assert set(bench.books.effects.values()) == {1}, "nothing was done twice"


async def _stands(store: Store, key: str) -> bool:
    return bool(await store.sagas_by_key("default", key, None))


async def _letters(store: Store, count: int, *, relayed: bool) -> bool:
    found = await store.dead_letters(before=None, limit=10)
    return len(found) == count and all(letter.relayed is relayed for letter in found)


def _told(instance: Instance) -> dict[str, object] | None:
    left: Recovering | None = instance.coordinator.recovering()
    return None if left is None else {"sagas": left.sagas, "to_ask": left.to_ask, "unanswered": dict(left.unanswered)}


async def _now(value: bool) -> bool:
    return value
