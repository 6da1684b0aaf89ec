"""The console over a whole coordinator inside the test's process, with participants that answer as
a script says. Reasons and messages are hostile: whatever a page shows of them must be text."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import httpx

from saga_coordinator.api.app import create_app
from saga_coordinator.console.door import with_console
from saga_coordinator.store.port import Store
from saga_coordinator.wiring import Instance
from saga_messaging.background import end
from saga_messaging.memory import MemoryBroker
from saga_schemas.headers import CommandHeaders
from saga_schemas.outcomes import Kind, Outcome
from support.coordinators import closed, opened, register, running, settings_for, start
from support.scripted import DONE, FENCED, UNDONE, Answer, ScriptedParticipant, catalog_of, eventually

SCRIPT = "<script>alert(1)</script>"
"""What hostile keys, reasons and messages are made of."""
ORDER = """
saga: order
version: {version}
input: t.Input
key: ${{input.id}}
labels: {{customer: "${{input.id}}"}}
steps:
  - {{name: reserve, participant: inventory, command: t.Do, compensation: t.Do}}
  - {{name: charge, participant: payment, command: t.Do, compensation: {{command: t.Do, retry: {{attempts: 1, first: 1ms}}}}}}
  - {{name: ship, participant: shipping, command: t.Do, pivot: true}}
"""
CATALOG = catalog_of("t.Input", "t.Do")


@dataclass(frozen=True, slots=True)
class ConsoleHome:
    """A coordinator, its participants, and a browser without JavaScript."""

    instance: Instance
    store: Store
    broker: MemoryBroker
    browser: httpx.AsyncClient
    outcomes: dict[str, Outcome]
    """By step, or `undo STEP`, what its participant answers; what is not here succeeds."""

    async def run(self, key: str, *, outcomes: Mapping[str, Outcome] | None = None) -> UUID:
        """A finished saga."""
        saga_id = await self.begin(key, outcomes=outcomes)
        await closed(self.instance, saga_id)
        return saga_id

    async def begin(self, key: str, *, outcomes: Mapping[str, Outcome] | None = None) -> UUID:
        """A saga whose participants answer so from now on."""
        self.outcomes.clear()
        self.outcomes.update(outcomes or {})
        return await start(self.instance, "order", {"id": key}, key)

    async def stick(self, key: str) -> UUID:
        """A saga that needs a person: it has no carrier, and its charge cannot be undone."""
        saga_id = await self.begin(key, outcomes={"ship": Outcome.REJECTED, "undo charge": Outcome.FAILED})

        async def is_stuck() -> bool:
            return bool(await self.store.attention_of(saga_id))

        await eventually(is_stuck)
        return saga_id

    async def page(self, path: str) -> str:
        """The content of a page that must be there."""
        answer = await self.browser.get(f"/console{path}")
        assert answer.status_code == 200, (path, answer.status_code, answer.text[-600:])
        assert SCRIPT not in answer.text and "<script>alert" not in answer.text, path
        return answer.text

    async def act(self, path: str, **fields: str) -> str:
        """Send the form of an act; the sentence on the page that it leads to."""
        if "saga_csrf" not in self.browser.cookies:
            await self.page("/")
        given = {"token": self.browser.cookies["saga_csrf"], "reason": f"because {SCRIPT}", "actor": "ada", **fields}
        answer = await self.browser.post(f"/console{path}", data=given)
        assert answer.status_code == 303, (path, answer.status_code, answer.text[-600:])
        page = await self.browser.get(answer.headers["location"])
        told = re.search(r'role="status">.*?<p>(.*?)</p>', page.text, re.DOTALL)
        assert told is not None, page.text[:3000]
        return told[1]


@asynccontextmanager
async def console_home(url: str, **settings: object) -> AsyncIterator[ConsoleHome]:
    """All of it; the definition `order` 1 is active."""
    broker, outcomes = MemoryBroker(), dict[str, Outcome]()

    def script(command: CommandHeaders) -> Sequence[Answer]:
        name = command.step if command.kind is Kind.ACTION else f"undo {command.step}"
        if command.kind is not Kind.RESOLVE and name in outcomes:
            return [Answer(outcome=outcomes[name], code="no_carrier", message=f"no way {SCRIPT}")]
        return [{Kind.ACTION: DONE, Kind.COMPENSATION: UNDONE, Kind.RESOLVE: FENCED}[command.kind]]

    participants = [ScriptedParticipant(broker, name, script) for name in ("inventory", "payment", "shipping")]
    answering = [asyncio.create_task(one.run()) for one in participants]
    async with opened(url) as store:
        await register(store, ORDER.format(version=1), CATALOG)
        async with running(store, broker, settings_for(url, **settings)) as instance:
            app = with_console(create_app(instance.coordinator), instance.coordinator)
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as browser:
                yield ConsoleHome(instance, store, broker, browser, outcomes)
    await end(answering)
