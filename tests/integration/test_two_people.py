"""Acts of two people in a running coordinator: nothing happens before the second one says so, and
then once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest

from contract.store_rows import by_hand
from saga_coordinator.api.app import create_app
from saga_coordinator.confirmations.gate import ConfirmationNeeded
from saga_coordinator.engine.events import Refused
from saga_coordinator.store.port import Store
from saga_coordinator.wiring import Instance
from saga_messaging.background import end
from saga_messaging.memory import MemoryBroker
from saga_schemas.outcomes import Kind, Outcome
from support.coordinators import closed, opened, register, running, saga_of, settings_for, start
from support.scripted import Answer, ScriptedParticipant, catalog_of, eventually, obliging

CATALOG = catalog_of("t.Input", "t.Do", "t.Undo", "t.Next")
DEFINITION = """
saga: held
version: 1
input: t.Input
steps:
  - {name: one, participant: one, command: t.Do, compensation: t.Undo}
  - {name: next, participant: one, command: t.Next, pivot: true, after: [one]}
"""
ASK = {"actor": "ada", "reason": "refunded by hand"}


@dataclass(frozen=True, slots=True)
class House:
    url: str
    store: Store
    instance: Instance
    http: httpx.AsyncClient

    async def stuck(self) -> UUID:
        """A saga whose compensation was refused: a step of it may be waived."""
        saga = await start(self.instance, "held", {"id": "1"})

        async def is_stuck() -> bool:
            return (await saga_of(self.store, saga)).steps["one"].status == "stuck_back"

        await eventually(is_stuck)
        return saga

    async def post(self, path: str, **body: Any) -> httpx.Response:
        return await self.http.post(path, json=body)

    async def audit(self) -> list[tuple[str, str]]:
        return [(act, who) for act, who in await by_hand(self.url, "SELECT act, who FROM audit ORDER BY id")]


def refusing(command: Any) -> list[Answer]:
    """The pivot is refused, and so is the way back."""
    if command.step == "next":
        return [Answer(outcome=Outcome.REJECTED, code="no")]
    return [Answer(outcome=Outcome.REJECTED, code="no")] if command.kind is Kind.COMPENSATION else list(obliging(command))


@pytest.fixture
async def house(sqlite_url: str) -> AsyncIterator[House]:
    async with at_home(sqlite_url, "waive, terminate,batch") as made:
        yield made


@asynccontextmanager
async def at_home(url: str, acts: str) -> AsyncIterator[House]:
    broker = MemoryBroker()
    settings = settings_for(url, confirm_acts=acts)
    async with opened(url) as store:
        await register(store, DEFINITION, CATALOG)
        async with running(store, broker, settings) as instance:
            task = asyncio.create_task(ScriptedParticipant(broker, "one", refusing).run())
            transport = httpx.ASGITransport(app=create_app(instance.coordinator))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
                try:
                    yield House(url, store, instance, http)
                finally:
                    await end([task])


async def test_a_waive_waits_until_somebody_else_confirms_it(house: House) -> None:
    saga = await house.stuck()
    path = f"/v1/sagas/{saga}/steps/one/waive"
    body = {"evidence": "receipt 4711", "actor": "ada", "unsafe": True}
    asked = await house.post(path, **body)
    assert asked.status_code == 202
    waiting = asked.json()["confirmation"]
    assert (waiting["status"], waiting["actor"], waiting["target"]) == ("pending", "ada", f"step one of {saga}")
    assert (await house.post(path, **body)).json()["confirmation"]["id"] == waiting["id"], "the same wait"
    assert (await saga_of(house.store, saga)).steps["one"].status == "stuck_back"

    place = asked.headers["Location"]
    own = await house.post(f"{place}/confirm", actor="Ada", reason="I am sure")
    assert (own.status_code, own.json()["code"]) == (409, "same_actor")
    nobody = await house.post(f"{place}/confirm", reason="I am sure")
    assert (nobody.status_code, nobody.json()["code"]) == (422, "actor_needed")

    done = await house.post(f"{place}/confirm", actor="bob", reason="I saw the receipt")
    assert (done.status_code, done.json()["status"], done.json()["settled_by"]) == (200, "confirmed", "bob")
    assert await closed(house.instance, saga) == "FORCED"
    assert (await house.post(f"{place}/confirm", actor="carol", reason="-")).json()["code"] == "confirmation_over"
    assert await house.audit() == [("ask for waive", "ada"), ("waive one --unsafe", "ada"), ("confirm waive", "bob")]


async def test_an_act_that_is_not_possible_is_refused_at_once_and_one_that_is_not_any_more_waits_on(house: House) -> None:
    saga = await house.stuck()
    assert (await house.post(f"/v1/sagas/{saga}/steps/next/waive", evidence="-", actor="ada")).json()["code"] == "is_pivot"
    first = await house.post(f"/v1/sagas/{saga}/steps/one/waive", evidence="-", actor="ada", unsafe=True)
    second = await house.post(f"/v1/sagas/{saga}/terminate", **ASK)
    assert (first.status_code, second.status_code) == (202, 202)
    assert (await house.post(f"{second.headers['Location']}/confirm", actor="bob", reason="-")).status_code == 200
    assert await closed(house.instance, saga) == "FORCED"

    late = await house.post(f"{first.headers['Location']}/confirm", actor="bob", reason="-")
    assert (late.status_code, late.json()["code"]) == (409, "finished")
    pending = (await house.http.get("/v1/confirmations")).json()["items"]
    assert [one["id"] for one in pending] == [first.json()["confirmation"]["id"]]
    assert (await house.post(f"{first.headers['Location']}/refuse", actor="ada", reason="it is over")).status_code == 200
    assert (await house.http.get("/v1/confirmations")).json()["items"] == []
    assert len((await house.http.get("/v1/confirmations", params={"pending": "false"})).json()["items"]) == 2


async def test_a_batch_waits_and_is_then_the_one_that_was_confirmed(house: House) -> None:
    saga = await house.stuck()
    body = {"act": "pause", "query": "definition = held", **ASK}
    dry = await house.post("/v1/batches", dry_run=True, **body)
    assert (dry.status_code, dry.json()["found"]) == (200, 1)
    refused = await house.post("/v1/batches", **{**body, "query": "phase = COMPLETED"})
    assert refused.json()["code"] == "nothing_matches", "it is checked before somebody is asked"
    asked = await house.post("/v1/batches", **body)
    assert asked.status_code == 202
    assert (await house.http.get("/v1/batches")).json()["items"] == []

    confirmation = asked.json()["confirmation"]
    assert confirmation["target"] == "pause of 1 sagas: definition = held"
    await house.post(f"/v1/confirmations/{confirmation['id']}/confirm", actor="bob", reason="-")

    async def is_done() -> bool:
        return bool((await house.http.get(f"/v1/batches/{confirmation['id']}")).json()["status"] == "done")

    await eventually(is_done)
    (batch,) = (await house.http.get("/v1/batches")).json()["items"]
    assert (batch["actor"], batch["done"], batch["reason"]) == ("ada", 1, "refunded by hand")
    assert ("pause", "ada") in await house.audit()
    assert (await saga_of(house.store, saga)).phase == "COMPENSATING"


async def test_a_batch_of_an_act_that_needs_two_needs_two(sqlite_url: str) -> None:
    async with at_home(sqlite_url, "terminate") as house:
        await house.stuck()
        coordinator = house.instance.coordinator
        with pytest.raises(ConfirmationNeeded):
            await coordinator.create_batch("definition = held", "terminate", "-", "ada")
        with pytest.raises(Refused) as refused:
            await coordinator.create_batch("definition = held", "terminate", "-", "anonymous")
        assert refused.value.code == "actor_needed"
        assert (await coordinator.create_batch("definition = held", "pause", "-", "ada")).found == 1


async def test_without_the_setting_one_person_is_enough(sqlite_url: str) -> None:
    async with at_home(sqlite_url, "") as house:
        saga = await house.stuck()
        assert (await house.post(f"/v1/sagas/{saga}/steps/one/waive", evidence="-", unsafe=True)).json()["id"] == str(saga)
        assert await closed(house.instance, saga) == "FORCED"
