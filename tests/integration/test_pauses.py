"""Pauses on whole coordinators: by HTTP and by the facade, with a Kafka in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from saga_coordinator.api.app import create_app
from saga_coordinator.engine.events import Refused
from saga_coordinator.wiring import Instance
from saga_messaging.background import end
from saga_messaging.memory import MemoryBroker
from support.coordinators import closed, opened, register, running, saga_of, settings_for, start
from support.scripted import DONE, ScriptedParticipant, catalog_of, eventually

DEFINITION = """
saga: trip
version: 1
input: t.Input
steps:
  - {name: hotel, participant: hotel, command: t.Do, compensation: none}
  - {name: flight, participant: flight, command: t.Do, compensation: none, after: [hotel]}
"""
WHY = {"reason": "the bank is down", "actor": "ada"}


@asynccontextmanager
async def served(instance: Instance) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(instance.coordinator))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as http:
        yield http


async def answered(http: httpx.AsyncClient, path: str, body: dict[str, str] = WHY) -> dict[str, Any]:
    response = await http.post(path, json=body)
    assert response.status_code == 202, response.text
    return dict(response.json())


async def shown(http: httpx.AsyncClient, saga_id: object) -> dict[str, Any]:
    return dict((await http.get(f"/v1/sagas/{saga_id}")).json())


def asked(participant: ScriptedParticipant) -> int:
    return len(participant.seen)


async def test_a_saga_is_paused_and_resumed_by_http(sqlite_url: str) -> None:
    broker = MemoryBroker()
    hotel, flight = (ScriptedParticipant(broker, name, lambda _: [DONE]) for name in ("hotel", "flight"))
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, catalog_of("t.Input", "t.Do"))
        async with running(store, broker, settings_for(sqlite_url)) as instance, served(instance) as http:
            saga_id = await start(instance, "trip", {"id": "o-1"})
            assert (await answered(http, f"/v1/sagas/{saga_id}/pause"))["phase"] == "RUNNING"
            tasks = [asyncio.create_task(one.run()) for one in (hotel, flight)]

            async def held() -> bool:
                return bool((await shown(http, saga_id))["steps"][1]["status"] == "ready")

            await eventually(held)
            saga = await shown(http, saga_id)
            assert [(one["scope"], one["by"], one["why"]) for one in saga["paused"]] == [("saga", "ada", "the bank is down")]
            assert {one["name"] for one in saga["waiting"]} == {"paused"}
            assert f"saga resume {saga_id}" in saga["waiting"][0]["mover"]
            assert asked(flight) == 0, "the hotel's answer was applied, and nobody asked since"
            preview = (await http.get(f"/v1/sagas/{saga_id}/preview", params={"act": "terminate"})).json()
            assert (preview["stays"], preview["may_stay"]) == (["hotel"], [])

            await answered(http, f"/v1/sagas/{saga_id}/resume")
            assert await closed(instance, saga_id) == "COMPLETED"
            assert (await shown(http, saga_id))["paused"] == []
            refused = await http.post(f"/v1/sagas/{saga_id}/pause", json=WHY)
            assert (refused.status_code, refused.json()["code"]) == (409, "finished")
            await end(tasks)


async def test_a_saga_is_terminated_says_what_is_left_and_is_restarted_once(sqlite_url: str) -> None:
    broker = MemoryBroker()
    hotel = ScriptedParticipant(broker, "hotel", lambda _: [DONE])
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, catalog_of("t.Input", "t.Do"))
        async with running(store, broker, settings_for(sqlite_url)) as instance, served(instance) as http:
            tasks = [asyncio.create_task(hotel.run())]
            saga_id = await start(instance, "trip", {"id": "o-1"})

            async def at_flight() -> bool:
                return bool((await shown(http, saga_id))["steps"][1]["status"] == "asked")

            await eventually(at_flight)
            assert (await answered(http, f"/v1/sagas/{saga_id}/terminate"))["phase"] == "FORCED"
            saga = await shown(http, saga_id)
            assert [(one["step"], one["participant"], one["effect"]) for one in saga["left"]] == [
                ("hotel", "hotel", "stays"),
                ("flight", "flight", "may_stay"),
            ]
            assert (saga["reason"], saga["waiting"], saga["attention"]) == ("terminate: the bank is down", [], [])
            last = (await http.get(f"/v1/sagas/{saga_id}/journal")).json()["items"][-1]
            assert (last["kind"], last["actor"]) == ("terminate", "ada")
            assert {"fact": "left", "step": "flight", "effect": "may_stay"} in last["facts"]

            response = await http.post(f"/v1/sagas/{saga_id}/restart", json=WHY)
            assert response.status_code == 201, response.text
            anew = response.json()["id"]
            again = await http.post(f"/v1/sagas/{saga_id}/restart", json=WHY)
            assert (again.status_code, again.json()["id"]) == (200, anew)
            assert (await shown(http, saga_id))["restarted_as"] == anew
            assert ((await shown(http, anew))["restarted_from"], (await shown(http, anew))["input"]) == (
                str(saga_id),
                {"id": "o-1"},
            )
            early = await http.post(f"/v1/sagas/{anew}/restart", json=WHY)
            assert (early.status_code, early.json()["code"]) == (409, "not_finished")
            await end(tasks)


@pytest.mark.parametrize(("scope", "name"), [("definition", "trip"), ("participant", "flight")])
async def test_a_pause_reaches_every_instance_and_its_end_wakes_every_saga(database_url: str, scope: Any, name: str) -> None:
    broker = MemoryBroker()
    hotel, flight = (ScriptedParticipant(broker, one, lambda _: [DONE]) for one in ("hotel", "flight"))
    settings = settings_for(database_url)
    async with opened(database_url) as one, opened(database_url) as two:
        await register(one, DEFINITION, catalog_of("t.Input", "t.Do"))
        async with running(one, broker, settings) as first, running(two, broker, settings) as second:
            tasks = [asyncio.create_task(flight.run())]
            ids = [await start((first, second)[n % 2], "trip", {"id": f"o-{n}"}) for n in range(6)]
            await first.coordinator.pause_scope(scope, name, "the bank is down", "ada")

            async def heard() -> bool:
                return all(scope_is_known(instance, name) for instance in (first, second))

            await eventually(heard)
            tasks.append(asyncio.create_task(hotel.run()))
            ids.append(await start(second, "trip", {"id": "o-late"}))

            async def held() -> bool:
                sagas = [await saga_of(one, saga_id) for saga_id in ids]
                late = sagas.pop().steps["hotel"].status
                return all(saga.steps["flight"].hold == "paused" for saga in sagas) and late in ("ready", "done")

            await eventually(held)
            assert asked(flight) == 0
            (told,) = await second.coordinator.pauses()
            assert (told.scope, told.name, told.who, told.why) == (scope, name, "ada", "the bank is down")

            await second.coordinator.resume_scope(scope, name, "it is back", "ada")
            assert {await closed(first, saga_id) for saga_id in ids} == {"COMPLETED"}
            assert await first.coordinator.pauses() == []
            with pytest.raises(Refused, match="is not paused"):
                await first.coordinator.resume_scope(scope, name, "again", "ada")
            await end(tasks)


def scope_is_known(instance: Instance, name: str) -> bool:
    """The instance has heard of the pause."""
    pauses = instance.pauses()
    return name in pauses.paused_definitions | pauses.paused_participants


async def test_a_coordinator_that_starts_during_a_pause_asks_nobody(sqlite_url: str) -> None:
    broker = MemoryBroker()
    settings = settings_for(sqlite_url)
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, catalog_of("t.Input", "t.Do"))
        async with running(store, broker, settings) as instance:
            with pytest.raises(Refused, match="no definition other"):
                await instance.coordinator.pause_scope("definition", "other", "r", "ada")
            with pytest.raises(Refused, match="has a step of nobody"):
                await instance.coordinator.pause_scope("participant", "nobody", "r", "ada")
            await instance.coordinator.pause_scope("definition", "trip", "r", "ada")
        async with running(store, broker, settings) as instance:
            saga_id = await start(instance, "trip", {"id": "o-1"})
            assert (await saga_of(store, saga_id)).steps["hotel"].hold == "paused"
