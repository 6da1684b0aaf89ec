"""A real coordinator says why a saga of its own does not move, over HTTP, and which instances there
are."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from saga_coordinator.api import create_app
from saga_coordinator.loops import watchdog
from saga_messaging.background import end
from saga_messaging.memory import MemoryBroker
from support.coordinators import closed, opened, register, running, settings_for, start
from support.scripted import ScriptedParticipant, catalog_of, eventually

DEFINITION = """
saga: plain
version: 1
input: t.Input
steps:
  - {name: one, participant: one, command: t.Do, compensation: none}
"""


async def test_it_says_what_keeps_a_saga_and_nothing_once_it_has_ended(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "UNREAD_AFTER_S", 0.0)
    broker = MemoryBroker()
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, catalog_of("t.Input", "t.Do"))
        async with running(store, broker, settings_for(sqlite_url)) as instance:
            transport = httpx.ASGITransport(create_app(instance.coordinator))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as http:
                saga_id = await start(instance, "plain", {"id": "x"})

                async def diagnosed() -> dict[str, Any]:
                    answer = await http.get(f"/v1/sagas/{saga_id}/diagnosis")
                    assert answer.status_code == 200, answer.text
                    return dict(answer.json())

                async def finds_it() -> bool:
                    return bool((await diagnosed())["found"] == 1)

                await eventually(finds_it)
                told = await diagnosed()
                assert told["lines"][0]["check"] == "command-topics"
                assert told["lines"][0]["evidence"].startswith("no consumer on saga.cmd.one")
                assert told["lines"][0]["runbook"] == "docs/operations.md#nobody-reads-the-commands"
                assert (told["phase"], told["definition"], told["id"]) == ("RUNNING", "plain", str(saga_id))
                assert [line["verdict"] for line in told["lines"][1:]] == ["ok"] * (len(told["lines"]) - 1)

                (seen,) = (await http.get("/v1/instances")).json()["items"]
                assert seen["name"].startswith("~"), "it was given no name"
                assert (seen["alive"], seen["problems"], seen["note"]) == (True, [], None)
                assert seen["roles"] == ["api", "projector", "replies", "starts", "sweeper", "timers", "watchdog"]

                answering = asyncio.create_task(ScriptedParticipant(broker, "one").run())
                assert await closed(instance, saga_id) == "COMPLETED"
                told = await diagnosed()
                assert (told["found"], told["summary"]) == (0, "it is COMPLETED")
                await end([answering])
                unknown = await http.get("/v1/sagas/019b0000-0000-7000-8000-000000000001/diagnosis")
                assert (unknown.status_code, unknown.json()["code"]) == (404, "saga_unknown")
