"""Delayed starts on whole coordinators, over HTTP, with a Kafka in memory: they wait, are moved,
are cancelled, and begin once, whoever lives then."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from saga_coordinator.api.app import create_app
from saga_coordinator.console.door import with_console
from saga_coordinator.engine.facts import Announced, CommandSent, PhaseChanged
from saga_coordinator.wiring import Instance
from saga_messaging.background import end
from saga_messaging.memory import MemoryBroker
from saga_schemas.headers.names import START_AT
from saga_schemas.times import format_us
from support.coordinators import closed, journal_of, opened, register, running, saga_of, settings_for
from support.scripted import DONE, ScriptedParticipant, catalog_of, eventually
from support.start_records import CATALOG as ASKED_CATALOG
from support.start_records import DEFINITION as ASKED
from support.start_records import has_letters, send, start_record

DEFINITION = """
saga: trip
version: 1
input: t.Input
key: ${input.id}
deadline: 1h
steps:
  - {name: hotel, participant: hotel, command: t.Do, compensation: t.Undo}
"""
WHY = {"reason": "the customer comes later", "actor": "ada"}
CATALOG = ("t.Input", "t.Do", "t.Undo")


@pytest.fixture(params=["sqlite_url", "database_url"], ids=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@asynccontextmanager
async def served(instance: Instance) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(with_console(create_app(instance.coordinator), instance.coordinator))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as http:
        yield http


async def asked_for(http: httpx.AsyncClient, name: str, request_id: str = "r", **when: str) -> httpx.Response:
    body = {"definition": "trip", "input": {"id": name}, **when}
    return await http.post("/v1/sagas", json=body, headers={"Idempotency-Key": request_id})


async def shown(http: httpx.AsyncClient, saga_id: str) -> dict[str, Any]:
    return dict((await http.get(f"/v1/sagas/{saga_id}")).json())


async def test_a_saga_waits_holds_its_key_and_begins_at_its_time(url: str) -> None:
    broker = MemoryBroker()
    hotel = ScriptedParticipant(broker, "hotel", lambda _: [DONE])
    async with opened(url) as store:
        await register(store, DEFINITION, catalog_of(*CATALOG))
        async with running(store, broker, settings_for(url)) as instance, served(instance) as http:
            tasks = [asyncio.create_task(hotel.run())]
            first = (await asked_for(http, "o-1", start_in="30m")).json()
            again = (await asked_for(http, "o-1", start_in="30m")).json()
            assert (again["id"], again["created"]) == (first["id"], False), "the same request, later"
            other = await asked_for(http, "o-1", start_in="3s")
            assert (other.status_code, other.json()["code"]) == (409, "request_reused")
            held = (await asked_for(http, "o-1", request_id="s")).json()
            assert (held["id"], held["created"]) == (first["id"], False), "its key is held meanwhile"

            saga = await shown(http, first["id"])
            assert (saga["phase"], saga["deadline_at"], saga["begun_at"]) == ("SCHEDULED", None, None)
            assert [(one["name"], one["until"]) for one in saga["waiting"]] == [("start_time", saga["start_at"])]
            (line,) = (await http.get("/v1/sagas", params={"query": "phase = SCHEDULED and begins < +1h"})).json()["items"]
            assert (line["id"], line["begins_at"]) == (first["id"], saga["start_at"])
            for query in ("begins > +1h", "begins is null"):
                assert (await http.get("/v1/sagas", params={"query": query})).json()["items"] == [], query
            found = (await http.get(f"/v1/sagas/{first['id']}/diagnosis")).json()
            said = [one["evidence"] for one in found["lines"] if one["verdict"] == "found"]
            assert [text.partition(":")[0] for text in said] == ["waits for its start time"]
            assert hotel.seen == []

            moved = await http.post(f"/v1/sagas/{first['id']}/start-time", json=WHY | {"start_in": "1s"})
            assert moved.json()["phase"] == "SCHEDULED"
            assert await closed(instance, (await store.sagas_by_key("default", "o-1", None))[0].id) == "COMPLETED"
            row = (await store.sagas_by_key("default", "o-1", None))[0]
            state = await saga_of(store, row.id)
            assert state.start_at_us is not None
            assert state.begun_at_us is not None
            assert state.begun_at_us >= state.start_at_us
            assert state.deadline_at_us == state.begun_at_us + 3_600_000_000
            facts = [fact for _, found in await journal_of(store, row.id) for fact in found]
            assert [fact.event for fact in facts if isinstance(fact, Announced)] == [
                "scheduled",
                "scheduled",
                "started",
                "finished",
            ]
            trace = (await http.get(f"/v1/sagas/{row.id}/trace")).json()
            assert {span["name"] for span in trace["spans"]} == {"scheduled", "start time", "hotel", "trip"}
            await end(tasks)


async def test_a_saga_is_moved_and_what_has_begun_is_not(url: str) -> None:
    broker = MemoryBroker()
    hotel = ScriptedParticipant(broker, "hotel", lambda _: [DONE])
    async with opened(url) as store:
        await register(store, DEFINITION, catalog_of(*CATALOG))
        async with running(store, broker, settings_for(url)) as instance, served(instance) as http:
            tasks = [asyncio.create_task(hotel.run())]
            saga_id = (await asked_for(http, "o-1", start_in="1h")).json()["id"]
            path = f"/v1/sagas/{saga_id}/start-time"
            later = await http.post(path, json=WHY | {"start_in": "300d"})
            assert (later.status_code, later.json()["phase"]) == (202, "SCHEDULED")
            (line,) = (await http.get("/v1/sagas", params={"query": "begins > +299d"})).json()["items"]
            assert line["id"] == saga_id, "the wake-up has moved, too"
            far = await http.post(path, json=WHY | {"start_in": "366d", "start_at": None})
            assert far.status_code == 202
            assert (await http.post(path, json=WHY | {"start_at": "2099-01-01T00:00:00Z"})).json()["code"] == "start_too_far"
            too_far = await asked_for(http, "o-2", request_id="t", start_at="2099-01-01T00:00:00Z")
            assert (too_far.status_code, too_far.json()["code"]) == (422, "start_too_far")

            now = await http.post(path, json=WHY | {"start_in": "0s"})
            assert now.json()["phase"] == "RUNNING"
            row = (await store.sagas_by_key("default", "o-1", None))[0]
            assert await closed(instance, row.id) == "COMPLETED"
            refused = await http.post(path, json=WHY | {"start_in": "1h"})
            assert (refused.status_code, refused.json()["code"]) == (409, "finished")
            acts = (await http.get("/v1/audit", params={"act": "start time"})).json()["items"]
            assert [(one["who"], one["why"]) for one in acts] == [("ada", WHY["reason"])] * 3
            await end(tasks)


async def test_cancelled_before_it_begins_it_ends_at_once_with_nothing_to_undo_and_says_so(url: str) -> None:
    broker = MemoryBroker()
    async with opened(url) as store:
        await register(store, DEFINITION, catalog_of(*CATALOG))
        async with running(store, broker, settings_for(url)) as instance, served(instance) as http:
            saga_id = (await asked_for(http, "o-1", start_in="1h")).json()["id"]
            preview = (await http.get(f"/v1/sagas/{saga_id}/preview")).json()
            assert preview["sentences"] == ["nothing was done that would have to be undone"]
            cancelled = await http.post(f"/v1/sagas/{saga_id}/cancel", json=WHY)
            assert cancelled.json()["phase"] == "COMPENSATED"
            saga = await shown(http, saga_id)
            assert saga["reason"] == f"cancel: {WHY['reason']}; it had not begun: nothing to undo"
            assert (saga["waiting"], saga["steps"][0]["status"]) == ([], "no_effect")
            assert (await store.figures()).sagas_by_phase == {}


async def test_one_instance_dies_before_the_time_and_another_begins_it_once(url: str) -> None:
    broker = MemoryBroker()
    hotel = ScriptedParticipant(broker, "hotel", lambda _: [DONE])
    async with opened(url) as one:
        await register(one, DEFINITION, catalog_of(*CATALOG))
        # It has no timers, and is left as a crash would leave it.
        async with running(one, broker, settings_for(url, roles="api,replies,watchdog")) as first, served(first) as http:
            await asked_for(http, "o-1", start_in="1s")
        row = (await one.sagas_by_key("default", "o-1", None))[0]
        assert row.phase == "SCHEDULED"
    async with opened(url) as two, running(two, broker, settings_for(url)) as second:
        tasks = [asyncio.create_task(hotel.run())]
        assert await closed(second, row.id) == "COMPLETED"
        facts = [fact for _, found in await journal_of(two, row.id) for fact in found]
        assert [fact.phase for fact in facts if isinstance(fact, PhaseChanged)] == ["RUNNING", "COMPLETED"]
        assert [fact.attempt for fact in facts if isinstance(fact, CommandSent)] == [1]
        await end(tasks)
    assert len(hotel.seen) == 1


async def test_a_pause_of_its_definition_holds_it_past_its_time(sqlite_url: str) -> None:
    broker = MemoryBroker()
    hotel = ScriptedParticipant(broker, "hotel", lambda _: [DONE])
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, catalog_of(*CATALOG))
        async with running(store, broker, settings_for(sqlite_url)) as instance, served(instance) as http:
            tasks = [asyncio.create_task(hotel.run())]
            assert (await http.post("/v1/definitions/trip/pause", json=WHY)).status_code == 202
            saga_id = (await asked_for(http, "o-1", start_in="1s")).json()["id"]

            async def due() -> bool:
                saga = await shown(http, saga_id)
                return any("has come" in one["mover"] for one in saga["waiting"])

            await eventually(due)
            assert (await shown(http, saga_id))["phase"] == "SCHEDULED"
            assert (await http.post("/v1/definitions/trip/resume", json=WHY)).status_code == 202
            row = (await store.sagas_by_key("default", "o-1", None))[0]
            assert await closed(instance, row.id) == "COMPLETED"
            await end(tasks)


async def test_over_kafka_a_header_says_when(sqlite_url: str) -> None:
    broker = MemoryBroker()

    def delayed(request_id: str, key: str, at: str) -> Any:
        record = start_record(request_id, key)
        return replace(record, headers=(*record.headers, (START_AT, at.encode())))

    async with opened(sqlite_url) as store:
        await register(store, ASKED, ASKED_CATALOG)
        async with running(store, broker, settings_for(sqlite_url)):
            soon, later = (format_us((time.time_ns() // 1000) + hours * 3_600_000_000) for hours in (1, 2))
            await send(broker, delayed("r-1", "k-1", soon), delayed("r-1", "k-1", soon), delayed("r-1", "k-1", later))
            await send(broker, delayed("r-2", "k-2", "2099-01-01T00:00:00Z"), delayed("r-3", "k-3", "tomorrow"))
            await send(broker, delayed("r-4", "k-4", "2020-01-01T00:00:00Z"))

            async def settled() -> bool:
                return await has_letters(store, 3) and len(await store.sagas_by_key("default", "k-4", None)) == 1

            await eventually(settled)
            letters = await store.dead_letters(before=None, limit=9)
            assert sorted(letter.reason for letter in letters) == ["header_invalid", "request_reused", "start_too_far"]
            (waits,), (begun,) = [await store.sagas_by_key("default", key, None) for key in ("k-1", "k-4")]
            assert (waits.phase, begun.phase) == ("SCHEDULED", "RUNNING")
            assert waits.begins_at_us is not None
            assert format_us(waits.begins_at_us) == soon
            assert begun.begins_at_us is None


async def test_the_console_says_when_it_begins_lists_it_and_moves_it(sqlite_url: str) -> None:
    broker = MemoryBroker()
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, catalog_of(*CATALOG))
        async with running(store, broker, settings_for(sqlite_url)) as instance, served(instance) as http:
            saga_id = (await asked_for(http, "o-1", start_in="3h")).json()["id"]
            page = await told(http, f"/console/sagas/{saga_id}")
            assert "SCHEDULED" in page
            assert "It begins in 2 h , at " in page
            assert "it holds its key meanwhile, and its deadline counts from then" in page
            assert "Waiting because it has not begun" in page
            listed = await told(http, "/console/sagas?query=phase+%3D+SCHEDULED&columns=phase,begins,duration")
            assert "o-1 SCHEDULED in 2 h in 2 h –" in listed

            token = http.cookies["saga_csrf"]
            form = {"token": token, "reason": "the customer came early", "actor": "ada", "start": "2d"}
            moved = await http.post(f"/console/sagas/{saga_id}/start-time", data=form)
            page = await told(http, moved.headers["location"])
            assert "It begins at 20" in page
            assert "It begins in 1 d" in page
            assert "moved its start time the customer came early" in page
            refused = await http.post(f"/console/sagas/{saga_id}/start-time", data=form | {"start": "soon"})
            assert "expected a time with its zone" in await told(http, refused.headers["location"])


async def told(http: httpx.AsyncClient, path: str) -> str:
    """The words of a page."""
    inside = (await http.get(path)).text.split("<body", 1)[1]
    return " ".join(re.sub(r"<[^>]*>", " ", inside).split())
