"""A real coordinator says why a saga of its own does not move, over HTTP, and which instances there
are."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from saga_cli.commands import watch
from saga_cli.main import main
from saga_coordinator.api.app import create_app
from saga_coordinator.loops import watchdog
from saga_coordinator.server import serve
from saga_coordinator.settings import Settings
from saga_messaging.background import end
from saga_messaging.memory import MemoryBroker
from support.coordinators import closed, opened, register, running, settings_for, start
from support.scripted import ScriptedParticipant, catalog_of, eventually, until

DEFINITION = """
saga: plain
version: 1
input: t.Input
steps:
  - {name: one, participant: one, command: t.Do, compensation: none, timeout: {reask: 200ms}}
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
                    verdicts = [line["verdict"] for line in (await diagnosed())["lines"]]
                    return verdicts.count("found") == 1 and "cannot_tell" not in verdicts  # at first little is known

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


async def test_saga_watch_follows_a_saga_through_a_restart_of_the_coordinator(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watch, "_RETRY_S", 0.05)
    broker, events = MemoryBroker(), list[dict[str, Any]]()
    participant = ScriptedParticipant(broker, "one")
    participant.answering = False

    def seen(event: str) -> bool:
        events.extend(json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{"))
        return any(one["event"] == event for one in events)

    with capture_logs(), socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    settings = settings_for(sqlite_url, port=port)
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, catalog_of("t.Input", "t.Do"))
    answering = asyncio.create_task(participant.run())
    with capture_logs():
        async with serving(settings, broker) as base:
            async with httpx.AsyncClient(base_url=base, trust_env=False) as http:
                started = await http.post("/v1/sagas", json={"definition": "plain", "input": {"id": "x"}})
            watching = asyncio.create_task(
                asyncio.to_thread(main, ["watch", started.json()["id"], "--server", base, "-o", "json"])
            )
            await until(lambda: seen("waiting"))
        await until(lambda: seen("away"))
        participant.answering = True
        async with serving(settings, broker):
            assert await asyncio.wait_for(watching, 30) == 0
    assert seen("end")
    await end([answering])
    told = [one["event"] for one in events]
    assert [name for name in told if name != "waiting" and name != "record"] == ["saga", "away", "back", "end"]
    assert events[-1]["phase"] == "COMPLETED"
    words = [sentence for one in events if one["event"] == "record" for sentence in one["words"]]
    assert any("answered SUCCEEDED to one" in sentence for sentence in words)


@asynccontextmanager
async def serving(settings: Settings, broker: MemoryBroker) -> AsyncIterator[str]:
    """A coordinator with its HTTP API, stopped gracefully."""
    up, stop = asyncio.get_running_loop().create_future(), asyncio.Event()
    task = asyncio.create_task(serve(settings, ready=up.set_result, stop=stop, broker=broker))
    try:
        yield f"http://127.0.0.1:{await asyncio.wait_for(up, 30)}"
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)
