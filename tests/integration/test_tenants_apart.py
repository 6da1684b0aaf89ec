"""Two tenants in one database: whoever acts for one finds no saga of the other (S14)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

import httpx
import pytest

from saga_coordinator.api.app import create_app
from saga_coordinator.console.door import with_console
from saga_coordinator.coordinator import Coordinator
from saga_coordinator.starts.requests import SagaUnknown
from saga_messaging.memory import MemoryBroker
from support.coordinators import opened, register, running, settings_for, start
from support.scripted import catalog_of

DEFINITION = """
saga: trip
version: 1
input: t.Input
steps:
  - {name: hotel, participant: hotel, command: t.Do, compensation: none}
"""
ACTS: dict[str, Callable[[Coordinator, UUID], Awaitable[object]]] = {
    "cancel": lambda one, saga: one.cancel(saga, "why", "eve"),
    "pause": lambda one, saga: one.pause(saga, "why", "eve"),
    "retry": lambda one, saga: one.retry_step(saga, "hotel", "why", "eve"),
    "limits": lambda one, saga: one.change_limits(saga, "hotel", {"attempts": 3}, "why", "eve"),
    "waive": lambda one, saga: one.waive_step(saga, "hotel", "why", "eve", unsafe=True),
    "restart": lambda one, saga: one.restart(saga, "why", "eve"),
    "terminate": lambda one, saga: one.terminate(saga, "why", "eve"),
}


async def test_no_act_of_one_tenant_comes_to_a_saga_of_another(sqlite_url: str) -> None:
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, catalog_of("t.Input", "t.Do"))
        settings = settings_for(sqlite_url, roles="api")
        others = settings_for(sqlite_url, roles="api", tenant="another")
        async with running(store, MemoryBroker(), settings) as ours, running(store, MemoryBroker(), others) as theirs:
            saga_id = await start(ours, "trip", {"id": "o-1"})
            before = await store.saga(saga_id)

            for act in ACTS.values():
                with pytest.raises(SagaUnknown):
                    await act(theirs.coordinator, saga_id)

            app = with_console(create_app(theirs.coordinator), theirs.coordinator)
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8700") as browser:
                await browser.get("/console/attention")
                form = {"token": browser.cookies["saga_csrf"], "reason": "why", "actor": "eve", "step": "hotel", "unsafe": "yes"}
                for path in (f"attention/{saga_id}/retry", f"attention/{saga_id}/waive", f"sagas/{saga_id}/cancel"):
                    assert (await browser.post(f"/console/{path}", data=form)).status_code == 303
                    assert "There is no such saga." in (await browser.get("/console/attention")).text
            assert await store.saga(saga_id) == before
