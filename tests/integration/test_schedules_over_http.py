"""Schedules over HTTP, the coordinator behind it whole: what a person asks for is done, and is told
of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from saga_coordinator.api.app import create_app
from saga_messaging.memory import MemoryBroker
from saga_schemas.catalog import Catalog
from saga_schemas.files import read_schemas
from support.coordinators import opened, register, running, settings_for
from support.paths import ROOT
from support.scripted import eventually

SHOP = ROOT / "participants/saga_demo"
FILE = """\
schedule: settlement
definition: order
calendar: {zone: Europe/Berlin, cron: "* * * * * *"}
overlap: {allow: 100}
input:
  order_id: ${schedule.tick}
  customer: ada
  account: a-1
  sku: s-1
  quantity: 2
  total: 1999
  address: Main St 1
"""
WHY = {"reason": "the bank is down", "actor": "ada"}


@pytest.fixture
async def http(sqlite_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with opened(sqlite_url) as store:
        catalog = Catalog(read_schemas(SHOP / "schemas"))
        await register(store, (SHOP / "order.saga.yaml").read_text(), catalog)
        async with running(store, MemoryBroker(), settings_for(sqlite_url)) as instance:
            transport = httpx.ASGITransport(create_app(instance.coordinator))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
                yield client


async def told(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


async def ticks(http: httpx.AsyncClient) -> list[Any]:
    return list((await told(await http.get("/v1/schedules/settlement/ticks")))["items"])


async def test_a_schedule_ticks_is_paused_run_by_hand_and_deleted(http: httpx.AsyncClient) -> None:
    await told(await http.post("/v1/schedules", json={"document": FILE}), 409)  # every second: is it meant so?
    await told(await http.post("/v1/schedules", json={"document": FILE, "yes": True, **WHY}), 201)

    async def fired() -> bool:
        return len(await ticks(http)) >= 2

    await eventually(fired)
    paused = await told(await http.post("/v1/schedules/settlement/pause", json=WHY))
    assert paused["status"] == "paused" and paused["running"] == paused["counts"]["fired"] >= 2
    decided = await ticks(http)
    saga = await told(await http.get(f"/v1/sagas/{decided[0]['saga_id']}"))
    assert saga["schedule"] == {"name": "settlement", "tick": decided[0]["tick"]}
    assert saga["labels"]["schedule"] == "settlement"

    by_hand = await told(await http.post("/v1/schedules/settlement/trigger", json=WHY))
    assert (by_hand["source"], by_hand["outcome"]) == ("trigger", "fired")
    span = {"from": decided[-1]["tick"], "until": decided[0]["tick"], **WHY}
    counted = await told(await http.post("/v1/schedules/settlement/backfills", json={**span, "dry_run": True}))
    assert counted["found"] == len(decided)

    again = await told(await http.put("/v1/schedules/settlement", json={"document": FILE, "yes": True, "version": 1}))
    assert (again["version"], again["changed"]) == (1, False)
    other = FILE.replace("quantity: 2", "quantity: 3")
    await told(await http.put("/v1/schedules/settlement", json={"document": other, "yes": True, "version": 1}))
    versions = await told(await http.get("/v1/schedules/settlement/versions"))
    assert [one["version"] for one in versions["items"]] == [2, 1]

    await told(await http.delete("/v1/schedules/settlement", params=WHY))
    deleted = await told(await http.get("/v1/schedules/settlement"))
    assert deleted["status"] == "deleted"
    acts = await told(await http.get("/v1/audit", params={"act": "schedule", "who": "ada"}))
    assert [one["act"] for one in acts["items"]] == ["schedule delete", "schedule trigger", "schedule pause", "schedule create"]


async def test_a_calendar_of_days_is_kept_while_a_schedule_excludes_it(http: httpx.AsyncClient) -> None:
    excluding = FILE.replace("}\noverlap", ", exclude: {calendars: [closed]}}\noverlap")
    refused = await told(await http.post("/v1/schedules", json={"document": excluding, "yes": True}), 422)
    assert "closed" in refused["findings"][0]["message"]
    await told(await http.put("/v1/day-calendars/closed", json={"document": {"calendar": "closed", "dates": ["2027-05-01"]}}))
    await told(await http.post("/v1/schedules", json={"document": excluding, "yes": True}), 201)
    await told(await http.delete("/v1/day-calendars/closed", params=WHY), 409)
    await told(await http.delete("/v1/schedules/settlement", params=WHY))
    await told(await http.delete("/v1/day-calendars/closed", params=WHY))
