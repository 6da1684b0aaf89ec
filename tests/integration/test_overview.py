"""The overview of a real coordinator: figures appear as sagas end, a participant that fails is
told in words, and a restart keeps what was counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from saga_coordinator.api.app import create_app
from saga_coordinator.store.port import Store
from saga_coordinator.telemetry.traffic import COARSE, FINE
from saga_coordinator.wiring import Instance
from saga_messaging.background import end
from saga_messaging.memory import MemoryBroker
from saga_schemas.headers import CommandHeaders
from saga_schemas.outcomes import Kind, Outcome
from support.coordinators import closed, opened, register, running, settings_for, start
from support.scripted import DONE, UNDONE, Answer, ScriptedParticipant, catalog_of

DEFINITION = """
saga: counted
version: 1
input: t.Input
steps:
  - {name: one, participant: part, command: t.Do, compensation: t.Do}
  - {name: two, participant: bank, command: t.Do, compensation: none, retry: {attempts: 500, first: 100ms, cap: 100ms}}
"""
CATALOG = catalog_of("t.Input", "t.Do")


class Bank:
    """Fails while it is down."""

    down = False

    def answers(self, command: CommandHeaders) -> Sequence[Answer]:
        return [Answer(outcome=Outcome.FAILED, code="bank_down")] if self.down else [DONE]


def part(command: CommandHeaders) -> Sequence[Answer]:
    return [UNDONE if command.kind is Kind.COMPENSATION else DONE]


class Watched:
    """One instance after another, on one store."""

    def __init__(self, store: Store, broker: MemoryBroker, bank: Bank) -> None:
        self.store, self.broker, self.bank = store, broker, bank

    @asynccontextmanager
    async def instance(self, url: str) -> AsyncIterator[tuple[Instance, httpx.AsyncClient]]:
        async with running(self.store, self.broker, settings_for(url)) as instance:
            transport = httpx.ASGITransport(create_app(instance.coordinator))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as http:
                yield instance, http


@asynccontextmanager
async def watched(url: str) -> AsyncIterator[Watched]:
    broker, bank = MemoryBroker(), Bank()
    participants = [ScriptedParticipant(broker, "part", part), ScriptedParticipant(broker, "bank", bank.answers)]
    async with opened(url) as store:
        await register(store, DEFINITION, CATALOG)
        answering = [asyncio.create_task(one.run()) for one in participants]
        try:
            yield Watched(store, broker, bank)
        finally:
            await end(answering)


async def until_shown(http: httpx.AsyncClient, shows: Callable[[dict[str, Any]], bool], window: str = "1h") -> dict[str, Any]:
    sentence = ""
    try:
        async with asyncio.timeout(30):
            while True:
                answer = await http.get("/v1/overview", params={"window": window})
                assert answer.status_code == 200, answer.text
                if shows(answer.json()):
                    return dict(answer.json())
                sentence = answer.json()["sentence"]
                await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(f"it shows {sentence!r}")


async def test_figures_appear_trouble_is_told_and_a_restart_keeps_them(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saga_coordinator.overview.gathering.GOOD_FOR_S", 0.05)
    async with watched(sqlite_url) as system:
        async with system.instance(sqlite_url) as (instance, http):
            for _ in range(3):
                assert await closed(instance, await start(instance, "counted", {"id": "x"})) == "COMPLETED"
            # Before its first beat nobody is known to fire timers, and it says so.
            shown = await until_shown(http, lambda found: found["over_time"]["ended"] == 3 and found["well"])
            assert (shown["over_time"]["started"], shown["over_time"]["completed"]) == (3, 1.0)
            assert shown["over_time"]["p50_ms"] > 0
            assert [(one["name"], one["commands"], one["answers"]) for one in shown["participants"]] == [
                ("bank", 3, {"SUCCEEDED": 3}),
                ("part", 3, {"SUCCEEDED": 3}),
            ]
            assert shown["machine"]["commit_p50_ms"] > 0

            system.bank.down = True
            waits = await start(instance, "counted", {"id": "y"})
            shown = await until_shown(
                http,
                lambda found: (
                    any(one["code"] == "participant_fails" for one in found["troubles"]) and found["open"]["sagas"] == 1
                ),
            )
            assert shown["sentence"].startswith("bank answers, but fails: bank_down in")
            bank = shown["participants"][0]
            assert (bank["codes"][0]["outcome"], bank["codes"][0]["code"]) == ("FAILED", "bank_down")
            assert [one["saga_id"] for one in bank["longest"]] in ([str(waits)], []), "between two answers it may be ready"
            system.bank.down = False
            assert await closed(instance, waits) == "COMPLETED"

        async with system.instance(sqlite_url) as (instance, http):
            shown = await until_shown(http, lambda found: found["over_time"]["ended"] == 4, window="1d")
            assert (shown["rates"]["step_s"], len(shown["definitions"])) == (900, 1)
            assert await closed(instance, await start(instance, "counted", {"id": "z"})) == "COMPLETED"
            shown = await until_shown(http, lambda found: found["over_time"]["ended"] == 5)
            assert shown["over_time"]["started"] == 5
        tokens = {row.instance for row in await system.store.traffic("default", FINE, since=0, until=2**40)}
        assert len(tokens) == 2, "the second process wrote over nothing of the first"


async def test_an_instance_at_rest_writes_no_figures(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(sqlite_url) as system, system.instance(sqlite_url) as (_, http):
        for _ in range(3):
            assert (await http.get("/v1/overview")).json()["sentence"] == "all is well, and nothing runs"
        for minutes in (FINE, COARSE):
            assert await system.store.traffic("default", minutes, since=0, until=2**40) == []


async def test_a_window_that_there_is_none_of_is_refused(sqlite_url: str) -> None:
    async with watched(sqlite_url) as system, system.instance(sqlite_url) as (_, http):
        refused = await http.get("/v1/overview", params={"window": "1w"})
        assert (refused.status_code, refused.json()["code"]) == (422, "request_invalid")
