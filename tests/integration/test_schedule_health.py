"""People see that a schedule does not keep its word: over HTTP, in the overview, in metrics, in a
diagnosis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from saga_coordinator.api.app import create_app
from saga_coordinator.wiring import Instance
from saga_messaging.memory import MemoryBroker
from support.coordinators import opened, register, running, settings_for
from support.moves import value
from support.scheduled import calendar, schedule
from support.scripted import eventually
from support.start_records import CATALOG, DEFINITION

NEVER = calendar(cron=("0 0 1 1 *",))


@pytest.fixture(params=["sqlite_url", "database_url"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@asynccontextmanager
async def served(url: str) -> AsyncIterator[tuple[Instance, httpx.AsyncClient]]:
    """A coordinator whose participants do not answer, and its API."""
    async with opened(url) as store:
        await register(store, DEFINITION, CATALOG)
        async with running(store, MemoryBroker(), settings_for(url)) as instance:
            transport = httpx.ASGITransport(create_app(instance.coordinator))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as http:
                yield instance, http


async def in_need(http: httpx.AsyncClient, reason: str) -> dict[str, Any]:
    """The schedule that needs a person for this reason, once there is one."""
    found: list[dict[str, Any]] = []

    async def is_there() -> bool:
        listed = (await http.get("/v1/attention")).json()
        found[:] = [one for one in listed["schedules_in_need"] if one["reason"] == reason]
        return bool(found)

    await eventually(is_there)
    return found[0]


async def test_the_absence_of_a_success_is_seen_everywhere(url: str) -> None:
    async with served(url) as (instance, http):
        await instance.coordinator.create_schedule(schedule("yearly", calendar=NEVER, expect_success_ms=1_000), "settle", "ada")
        need = await in_need(http, "no_success")
        assert need["sentence"] == "the schedule yearly has had no success in time"
        assert need["note"] == "No saga of it has completed yet."

        async def is_told() -> bool:
            overview = (await http.get("/v1/overview")).json()
            registry = instance.coordinator.instruments.registry
            told = [one["code"] for one in overview["troubles"]]
            return "schedule_overdue" in told and value(registry, "saga_schedules_overdue") == 1

        await eventually(is_told)


async def test_a_schedule_that_paused_itself_says_so_until_it_is_resumed(url: str) -> None:
    async with served(url) as (instance, http):
        coordinator = instance.coordinator
        await coordinator.create_schedule(schedule("yearly", calendar=NEVER, pause_after_failures=1), "settle", "ada")
        tick = await coordinator.trigger_schedule("yearly", "now", "ada")
        assert tick.saga_id is not None

        diagnosis = (await http.get(f"/v1/sagas/{tick.saga_id}/diagnosis")).json()
        assert diagnosis["started_by"]["schedule"] == "yearly"

        await coordinator.terminate(tick.saga_id, "enough", "ada")
        need = await in_need(http, "paused_on_failure")
        assert need["command"] == "saga schedule resume yearly --reason WHY"
        assert "FORCED" in need["note"]

        await coordinator.resume_schedule("yearly", "mended", "ada")
        assert (await http.get("/v1/attention")).json()["schedules_in_need"] == []
