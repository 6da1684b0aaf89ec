"""Batches of acts in a running coordinator: what one would do, what it does to each saga, once,
whenever it is stopped or killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import httpx
import pytest

from contract.store_rows import by_hand
from saga_coordinator.api.app import create_app
from saga_coordinator.engine.events import Refused
from saga_coordinator.store.port import BatchRow, ListFilter, Store
from saga_coordinator.wiring import Instance
from saga_messaging.background import end
from saga_messaging.memory import MemoryBroker
from saga_schemas.headers import CommandHeaders
from saga_schemas.outcomes import Kind
from support.coordinators import opened, register, running, saga_of, settings_for, start
from support.paths import ROOT
from support.scripted import FENCED, Answer, ScriptedParticipant, eventually, obliging
from support.start_records import CATALOG, DEFINITION

MANY = 200
QUERY = "definition = asked"


@pytest.fixture(params=["sqlite_url", "database_url"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@asynccontextmanager
async def silent(broker: MemoryBroker) -> AsyncIterator[ScriptedParticipant]:
    """A participant that does nothing, and says so where it is asked whether it did."""
    participant = ScriptedParticipant(broker, "one", only_resolves)
    task = asyncio.create_task(participant.run())
    try:
        yield participant
    finally:
        await end([task])


def only_resolves(command: CommandHeaders) -> Sequence[Answer]:
    return [FENCED] if command.kind is Kind.RESOLVE else []


async def started(instance: Instance, count: int, name: str = "k") -> list[UUID]:
    return list(await asyncio.gather(*(start(instance, "asked", {"id": f"{name}-{n}"}) for n in range(count))))


async def over(store: Store, batch: BatchRow) -> BatchRow:
    """The batch, once it runs no more."""

    async def is_over() -> bool:
        found = await store.batch("default", batch.id)
        return found is not None and found.status != "running"

    await eventually(is_over)
    found = await store.batch("default", batch.id)
    assert found is not None
    return found


async def phases(store: Store, ids: Sequence[UUID]) -> set[str]:
    return {row.phase for row in (await store.sagas(ids)).values()}


async def audited(url: str, act: str) -> list[tuple[str, str, str]]:
    rows = await by_hand(url, f"SELECT target, who, why FROM audit WHERE act = '{act}'")
    return [(row[0], row[1], row[2]) for row in rows]


@asynccontextmanager
async def over_http(instance: Instance) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_app(instance.coordinator))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        yield http


async def test_two_hundred_are_cancelled_by_a_query_after_a_dry_run(url: str) -> None:
    broker = MemoryBroker()
    async with opened(url) as store, silent(broker):
        await register(store, DEFINITION, CATALOG)
        async with running(store, broker, settings_for(url)) as instance, over_http(instance) as http:
            ids = await started(instance, MANY)
            body = {"act": "cancel", "query": QUERY, "reason": "wrong prices", "actor": "ada", "rate": 200}

            dry = await http.post("/v1/batches", json={**body, "dry_run": True})
            assert dry.status_code == 200
            told = dry.json()
            assert (told["found"], told["more"], len(told["sample"])) == (MANY, False, 10)
            assert told["sample"][0]["id"] == str(max(ids)), "the youngest first"
            assert told["sample"][0]["steps"] == {"one": ["asked", "resolving"]}
            assert (told["sample"][0]["phase"], told["sample"][0]["phase_after"]) == ("RUNNING", "COMPENSATING")
            assert await phases(store, ids) == {"RUNNING"}
            assert await store.batches("default", before=None, limit=9) == []

            made = await http.post("/v1/batches", json=body)
            assert made.status_code == 201
            later = await start(instance, "asked", {"id": "later"})
            batch = await store.batch("default", UUID(made.json()["id"]))
            assert batch is not None
            await over(store, batch)
            shown = (await http.get(made.headers["Location"])).json()
            assert (shown["status"], shown["found"], shown["done"], shown["refused"], shown["failed"]) == ("done", 200, 200, 0, 0)
            assert await phases(store, [later]) == {"RUNNING"}, "it started later"
            why = f"wrong prices (batch {batch.id})"
            assert sorted(await audited(url, "cancel")) == sorted((str(id), "ada", why) for id in ids)
            assert await audited(url, "batch cancel") == [(f"{batch.id}: {QUERY}", "ada", "wrong prices")]
            assert (await saga_of(store, ids[0])).reason == f"cancel: {why}"

            async def undone() -> bool:
                return await phases(store, ids) == {"COMPENSATED"}

            await eventually(undone)
            registry = instance.coordinator.instruments.registry
            assert registry.get_sample_value("saga_batch_sagas_total", {"act": "cancel", "outcome": "done"}) == MANY


async def test_what_refuses_is_counted_by_its_code_and_passed(sqlite_url: str) -> None:
    broker = MemoryBroker()
    async with opened(sqlite_url) as store, silent(broker) as participant:
        await register(store, DEFINITION, CATALOG)
        async with running(store, broker, settings_for(sqlite_url)) as instance:
            participant.script = obliging
            finished = await started(instance, 7, "done")

            async def ended() -> bool:
                return await phases(store, finished) == {"COMPLETED"}

            await eventually(ended)
            participant.script = only_resolves
            going = await started(instance, 2)
            preview = await instance.coordinator.dry_run_batch(QUERY, "cancel")
            assert {tried.refused for tried in preview.sample} == {None, "finished"}
            made = await instance.coordinator.create_batch(QUERY, "cancel", "enough", "ada", rate=200)
            after = await over(store, made)
            assert (after.done, after.refused, after.failed) == (2, 7, 0)
            assert (await phases(store, going)) <= {"COMPENSATING", "COMPENSATED"}
            with pytest.raises(Refused) as refused:
                await instance.coordinator.create_batch("phase = FORCED", "cancel", "-", "ada")
            assert refused.value.code == "nothing_matches"
            with pytest.raises(Refused) as refused:
                await instance.coordinator.create_batch(QUERY, "waive", "-", "ada")
            assert refused.value.code == "act_unknown"


async def test_silent_steps_are_asked_again_by_a_retry_of_many(sqlite_url: str) -> None:
    broker = MemoryBroker()
    async with opened(sqlite_url) as store, silent(broker) as participant:
        await register(store, DEFINITION, CATALOG)
        async with running(store, broker, settings_for(sqlite_url)) as instance:
            ids = await started(instance, 5)

            async def asked_again() -> bool:
                return all([(await saga_of(store, id)).steps["one"].reasks > 0 for id in ids])

            await eventually(asked_again)
            made = await instance.coordinator.create_batch(QUERY, "retry", "the bank is back", "ada", rate=200)
            assert (await over(store, made)).done == 5
            assert {target for target, _, _ in await audited(sqlite_url, "retry")} == {str(id) for id in ids}
            assert max(command.attempt for command, _ in participant.seen) >= 2


async def test_finished_sagas_are_restarted_once_each_however_often_it_is_asked(sqlite_url: str) -> None:
    broker = MemoryBroker()
    async with opened(sqlite_url) as store, silent(broker) as participant:
        await register(store, DEFINITION, CATALOG)
        async with running(store, broker, settings_for(sqlite_url)) as instance:
            participant.script = obliging
            ids = await started(instance, 3)

            async def ended() -> bool:
                return await phases(store, ids) == {"COMPLETED"}

            await eventually(ended)
            participant.script = only_resolves
            going = (await started(instance, 1, "going"))[0]
            preview = await instance.coordinator.dry_run_batch(QUERY, "restart")
            assert {tried.saga.id: tried.refused for tried in preview.sample} == {**dict.fromkeys(ids), going: "not_finished"}
            for _ in range(2):
                made = await instance.coordinator.create_batch("phase = COMPLETED", "restart", "mended", "ada", rate=200)
                assert (await over(store, made)).done == 3
                assert len((await store.list_sagas(ListFilter(tenant="default")))[0]) == 7
            restarted = await by_hand(sqlite_url, "SELECT target FROM audit WHERE act LIKE 'restart as %'")
            assert sorted(target for (target,) in restarted) == sorted(map(str, ids))


async def test_a_stop_is_the_end_at_once(sqlite_url: str) -> None:
    broker = MemoryBroker()
    async with opened(sqlite_url) as store, silent(broker):
        await register(store, DEFINITION, CATALOG)
        async with running(store, broker, settings_for(sqlite_url)) as instance, over_http(instance) as http:
            await started(instance, 60)
            made = await instance.coordinator.create_batch(QUERY, "cancel", "-", "ada", rate=20)

            async def some() -> bool:
                found = await store.batch("default", made.id)
                return found is not None and found.done >= 3

            await eventually(some)
            answer = await http.post(f"/v1/batches/{made.id}/stop", json={"reason": "enough", "actor": "bob"})
            stopped = answer.json()
            assert (answer.status_code, stopped["status"], stopped["stopped_by"]) == (200, "stopped", "bob")
            again = await http.post(f"/v1/batches/{made.id}/stop", json={"reason": "enough", "actor": "bob"})
            assert (again.status_code, again.json()["code"]) == (409, "batch_over")
            next_one = await instance.coordinator.create_batch("key = k-0", "cancel", "-", "ada", rate=200)
            await over(store, next_one)
            assert len(await audited(sqlite_url, "cancel")) in (stopped["done"], stopped["done"] + 1), "only the other batch's"
            assert await audited(sqlite_url, "batch stop") == [(str(made.id), "bob", "enough")]


async def worked(url: str, store: Store, made: BatchRow, until: int) -> None:
    """A process works on the batch, and is killed once so many sagas are done."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "support.batch_work", url, env=environment)

    async def so_many() -> bool:
        found = await store.batch("default", made.id)
        return found is not None and found.done >= until

    try:
        await eventually(so_many, 120)
    finally:
        child.send_signal(signal.SIGKILL)
        await child.wait()


async def test_a_kill_in_the_middle_acts_on_no_saga_twice_and_leaves_none_out(database_url: str) -> None:
    broker = MemoryBroker()
    async with opened(database_url) as store, silent(broker):
        await register(store, DEFINITION, CATALOG)
        async with running(store, broker, settings_for(database_url, roles="api")) as instance:
            ids = await started(instance, MANY)
            made = await instance.coordinator.create_batch(QUERY, "cancel", "-", "ada", rate=200)
        await worked(database_url, store, made, MANY // 4)
        between = await store.batch("default", made.id)
        assert between is not None
        assert (between.status, between.done < MANY) == ("running", True), "the kill came in the middle"
        await worked(database_url, store, made, MANY)
        assert sorted(target for target, _, _ in await audited(database_url, "cancel")) == sorted(map(str, ids))
        after = await store.batch("default", made.id)
        assert after is not None
        assert (after.done, after.refused, after.failed) == (MANY, 0, 0)
