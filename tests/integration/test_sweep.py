"""After a restore participants tell their rows, and each effect of a lost saga is kept, undone, or
owned by its saga again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from uuid import UUID

import pytest

from contract.store_rows import by_hand
from saga_coordinator.engine.state import Phase
from saga_coordinator.store import recovery
from saga_coordinator.store.port import ListFilter, LostEffect, Store
from saga_coordinator.store.recovering import is_open
from saga_coordinator.sweep.acts import EffectRefused
from saga_coordinator.sweep.undoing import UndoIncomplete
from saga_coordinator.wiring import Instance
from saga_messaging.background import end
from saga_messaging.clock import SystemClock
from saga_schemas.outcomes import Kind
from support import start_records
from support.backups import backed_up
from support.coordinators import closed, opened, register, saga_of, start
from support.horizons import horizon_now
from support.orders import until
from support.restored import Bench
from support.scripted import UNDONE
from support.two_steps import CATALOG, DEFINITION

OF = "default"


@pytest.fixture(params=["sqlite_url", "database_url"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(str(request.getfixturevalue(request.param)), tmp_path)
    answering = asyncio.create_task(made.participant.run())
    async with opened(made.url) as store:
        await register(store, DEFINITION, CATALOG)
    yield made
    await end((answering,))


async def lose(bench: Bench, *names: str) -> list[UUID]:
    """Sagas that end COMPLETED after the backup. It is restored and recovered."""
    async with bench.serving() as (_, instance):
        known = await start(instance, "moved", {"id": "known"})
        assert await closed(instance, known) == "COMPLETED"
        backup = await backed_up(bench.url, bench.folder)
        lost = [await start(instance, "moved", {"id": name}) for name in names]
        for saga_id in lost:
            assert await closed(instance, saga_id) == "COMPLETED"
    backup.restore()
    await bench.recover()
    return lost


async def swept(store: Store) -> None:
    async def is_over() -> bool:
        return not is_open(await store.control("recovery", OF))

    await until(is_over, 30, "all rows are told")


async def status(store: Store, saga_id: UUID, step: str) -> str:
    return next(one.status for one in await store.lost_effects(OF, settled=True) if (one.saga_id, one.step) == (saga_id, step))


def told(effects: list[LostEffect]) -> set[tuple[UUID, str, str, str]]:
    return {(one.saga_id, one.step, one.state, one.status) for one in effects}


async def test_each_effect_of_a_lost_saga_is_listed_and_kept_or_undone_or_owned_again(bench: Bench) -> None:
    kept, undone, adopted = await lose(bench, "kept", "undone", "adopted")
    ours = {"who": "me", "why": "because"}
    async with bench.serving() as (store, instance):
        await swept(store)
        assert told(await store.lost_effects(OF, settled=False)) == {
            (saga_id, step, "DONE", "open") for saga_id in (kept, undone, adopted) for step in ("one", "two")
        }
        acts = instance.coordinator.lost_effects
        for step in ("one", "two"):
            await acts.keep(kept, step, **ours)
            with pytest.raises(UndoIncomplete, match=r"give id \(string\)"):
                await acts.undo(undone, step, definition="moved", version=1, given={}, **ours)
            await acts.undo(undone, step, definition="moved", version=1, given={"id": "undone"}, **ours)
        await acts.adopt(adopted, definition="moved", version=1, input={"id": "adopted"}, **ours)
        assert await closed(instance, adopted) == "COMPLETED"
        for step in ("one", "two"):
            await until(lambda at=step: _is(store, undone, at, "undone"), 30, "its participant answered")  # type: ignore[misc]
            assert [await status(store, saga_id, step) for saga_id in (kept, adopted)] == ["kept", "adopted"]
        assert await store.lost_effects(OF, settled=False) == []
        for act in (acts.keep(kept, "one", **ours), acts.keep(adopted, "one", **ours)):
            with pytest.raises(EffectRefused, match="step one is"):
                await act
        with pytest.raises(EffectRefused, match="no such effect"):
            await acts.keep(kept, "three", **ours)
    assert {at: count for at, count in bench.books.effects.items() if at[0] == undone} == {(undone, "one"): 0, (undone, "two"): 0}
    assert {count for at, count in bench.books.effects.items() if at[0] != undone} == {1}
    asked = {(c.kind, c.incarnation) for c, _ in bench.participant.seen if c.saga_id == undone and c.kind is Kind.COMPENSATION}
    assert asked == {(Kind.COMPENSATION, (await recovery.survey(bench.url)).incarnation)}
    audited = [str(row[0]) for row in await by_hand(bench.url, "SELECT act FROM audit")]
    assert sorted(audited) == [
        "recover",
        "recover adopt",
        *(f"recover {act} {step}" for act in ("keep", "undo") for step in ("one", "two")),
    ]


async def _is(store: Store, saga_id: UUID, step: str, wanted: str) -> bool:
    return await status(store, saga_id, step) == wanted


async def test_an_adopted_saga_goes_back_where_a_participant_has_undone_it_though_the_horizon_passed_it(bench: Bench) -> None:
    (lost,) = await lose(bench, "lost")
    bench.books.done[lost, "two"] = UNDONE
    bench.books.effects[lost, "two"] -= 1
    async with bench.serving() as (store, instance):
        await swept(store)
        assert [one.step for one in await store.lost_effects(OF, settled=False)] == ["one"]
        assert lost in (await horizon_now(store)).horizon.exceptions
        await instance.coordinator.lost_effects.adopt(
            lost, definition="moved", version=None, input={"id": "lost"}, who="me", why="why"
        )
        assert await closed(instance, lost) == "COMPENSATED"
        assert (await saga_of(store, lost)).phase is Phase.COMPENSATED
    assert [bench.books.effects[lost, step] for step in ("one", "two")] == [0, 0]


async def test_a_participant_that_is_silent_holds_the_sweep_and_is_shown_until_it_is_skipped(bench: Bench) -> None:
    bench.deaf = True
    (lost,) = await lose(bench, "lost")
    async with bench.serving() as (store, instance):
        await until(lambda: _unswept(instance, {"one": 0}), 20, "it is shown")
        found = await recovery.status(bench.url, OF)
        assert (found.sweeping, [(one.participant, one.done_at_us) for one in found.sweeps]) == (True, [("one", None)])
        assert is_open(await store.control("recovery", OF))
        await instance.coordinator.lost_effects.skip("one", who="me", why="shut down")
        await swept(store)
        await until(lambda: _unswept(instance, {}), 20, "it is not shown any more")
        assert await store.lost_effects(OF, settled=False) == []
        with pytest.raises(EffectRefused, match="no sweep of one is open"):
            await instance.coordinator.lost_effects.skip("one", who="me", why="again")
        (skipped,) = (await recovery.status(bench.url, OF)).sweeps
        assert skipped.skipped == "shut down"
    assert bench.books.effects[lost, "one"] == 1


async def _unswept(instance: Instance, wanted: dict[str, int]) -> bool:
    return dict(instance.coordinator.unswept()) == wanted


async def test_a_restored_participant_is_asked_again_and_what_stands_there_again_is_listed(bench: Bench) -> None:
    (lost,) = await lose(bench, "lost")
    async with bench.serving() as (store, instance):
        await swept(store)
        for step in ("one", "two"):
            await instance.coordinator.lost_effects.undo(
                lost, step, definition="moved", version=1, given={"id": "lost"}, who="me", why="why"
            )
            await until(lambda at=step: _is(store, lost, at, "undone"), 30, "its participant answered")  # type: ignore[misc]
    before = dict(bench.books.done)
    for step in ("one", "two"):
        bench.books.done[lost, step] = next(said for at, said in before.items() if at[0] != lost)
        bench.books.effects[lost, step] += 1
    done = await bench.recover(participant="one")
    async with bench.serving() as (store, _):
        await swept(store)
        assert told(await store.lost_effects(OF, settled=True)) == {(lost, step, "DONE", "open") for step in ("one", "two")}
    assert bench.books.floor == done.incarnation


class Stopped(SystemClock):
    """Kafka's clock stands still, so that a record that is written again has its time."""

    def __init__(self) -> None:
        self._at_us = super().unix_us()

    def unix_us(self) -> int:
        return self._at_us


async def test_a_start_that_is_read_after_its_saga_was_adopted_is_known_as_its_start(bench: Bench) -> None:
    async with opened(bench.url) as store:
        await register(store, start_records.DEFINITION.replace("key: ${input.id}\n", ""), start_records.CATALOG)
    bench.broker.clock = Stopped()
    record = start_records.start_record("r-1", "kafka")

    async def sagas(store: Store) -> list[UUID]:
        return [one.id for one in (await store.list_sagas(ListFilter(tenant=OF)))[0]]

    async with bench.serving() as (store, instance):
        backup = await backed_up(bench.url, bench.folder)
        await start_records.send(bench.broker, record)
        await until(lambda: _one(sagas(store)), 20, "it began")
        (lost,) = await sagas(store)
        assert await closed(instance, lost) == "COMPLETED"
    backup.restore()
    await bench.recover()
    await bench.broker.delete_topics(["saga.start"])
    async with bench.serving() as (store, instance):
        await swept(store)
        await instance.coordinator.lost_effects.adopt(
            lost, definition="asked", version=1, input={"id": "kafka"}, who="me", why="why"
        )
        await start_records.send(bench.broker, record)

        async def bound() -> bool:
            rows = await by_hand(bench.url, "SELECT source, saga_id FROM start_request ORDER BY source")
            return [str(row[0]) for row in rows] == ["/test", "saga recover adopt"]

        await until(bound, 20, "the request id is its")
        assert await sagas(store) == [lost]
        assert await closed(instance, lost) == "COMPLETED"
    assert set(bench.books.effects.values()) == {1}


async def _one(found: Awaitable[list[UUID]]) -> bool:
    return len(await found) == 1
