"""Live pages: one look for all who listen, a word when something changed, and an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest

from saga_coordinator.console import live as module
from saga_coordinator.console.live import Live, Topic
from saga_coordinator.store.port import StoreError
from support.situations import Counting, situation


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.005)
    monkeypatch.setattr(module, "TOPICS", {kind: (look, 0.0) for kind, (look, _) in module.TOPICS.items()})


async def heard(events: AsyncIterator[bytes], word: bytes) -> None:
    async with asyncio.timeout(10):
        async for event in events:
            if word in event:
                return
    raise AssertionError("it ended without a word")


def listening(live: Live, name: str = "overview/1h") -> AsyncIterator[bytes]:
    topic = live.topic(name)
    assert topic is not None
    return live.events(name, topic)


async def test_a_change_is_told_to_all_who_listen_and_nothing_else_is(scripted: Any) -> None:
    scripted.situation = situation(Counting().started())
    live = Live(scripted)
    first, second = listening(live), listening(live)
    await heard(first, b"retry")
    await heard(second, b"retry")
    changes = asyncio.gather(heard(first, b"changed"), heard(second, b"changed"))
    await asyncio.sleep(0.05)
    assert not changes.done(), "nothing has changed yet"
    scripted.situation = situation(Counting().started(2))
    await changes


async def test_what_has_changed_since_the_page_was_drawn_or_the_connection_broke_is_told_at_once(scripted: Any) -> None:
    live = Live(scripted)
    topic = live.topic("overview/1h")
    assert topic is not None
    shown = await topic.shown()
    await heard(live.events("overview/1h", topic, seen="0"), b"changed")
    kept_up = live.events("overview/1h", topic, seen=shown)
    await heard(kept_up, b"id: " + shown.encode())
    waiting = asyncio.create_task(heard(kept_up, b"changed"))
    await asyncio.sleep(0.05)
    assert not waiting.done(), "it shows what it showed"
    scripted.stopping = True
    with pytest.raises(AssertionError, match="ended without"):
        await waiting


async def test_it_ends_when_the_instance_stops_and_is_forgotten(scripted: Any) -> None:
    live = Live(scripted)
    events = listening(live)
    await heard(events, b"retry")
    assert live.listeners == 1
    scripted.stopping = True
    async with asyncio.timeout(10):
        assert [event async for event in events] == []
    assert live.listeners == 0
    assert live._topics == {}


async def test_a_silent_connection_says_that_it_is_there(scripted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAID_EVERY_S", 0.01)
    await heard(listening(Live(scripted)), b": still here")


async def test_a_look_serves_all_until_it_is_too_old_and_a_database_that_is_away_changes_nothing() -> None:
    looks: list[str] = []
    away = False

    async def look() -> str:
        looks.append("look")
        if away:
            raise StoreError("no route")
        return str(len(looks))

    kept, at_once = Topic(look, 60.0), Topic(look, 0.0)
    assert {await kept.shown() for _ in range(5)} == {"1"}
    assert looks == ["look"]
    assert await at_once.shown() == "2"
    away = True
    assert await at_once.shown() == "2"


@pytest.mark.parametrize(
    "topic",
    ["", "weather", "overview/1w", "saga/", "saga/1", "list/<script>", "x" * 200, "saga/019b0000-0000-7000-8000-000000000001x"],
)
async def test_a_topic_that_there_is_none_of_is_not_listened_to(browser: httpx.AsyncClient, topic: str) -> None:
    assert (await browser.get("/console/live", params={"topic": topic})).status_code == 204


@pytest.mark.parametrize("topic", ["overview", "overview/1d", "list", "sagas", "saga/019b0000-0000-7000-8000-000000000001"])
def test_topics_of_pages_are_known(scripted: Any, topic: str) -> None:
    assert Live(scripted).topic(topic) is not None


async def test_so_many_listen_and_no_more(browser: httpx.AsyncClient, scripted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted.stopping = True
    answer = await browser.get("/console/live", params={"topic": "overview"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    monkeypatch.setattr("saga_coordinator.console.pages.live.MOST_LISTENERS", 0)
    assert (await browser.get("/console/live", params={"topic": "overview"})).status_code == 204


@dataclass
class Newest:
    """A store's newest saga, at some minute."""

    version: int = 1
    now_us: int = 60_000_000

    async def list_sagas(self, _: object) -> tuple[list[Any], None]:
        return [SimpleNamespace(id=UUID(int=1), version=self.version, attention=())], None

    async def read_now_us(self) -> int:
        return self.now_us


async def test_the_list_is_told_of_its_newest_sagas_at_once_and_of_others_within_a_minute(scripted: Any) -> None:
    newest = Newest()
    scripted.store = SimpleNamespace(list_sagas=newest.list_sagas, now_us=newest.read_now_us)
    topic = Live(scripted).topic("sagas")
    assert topic is not None
    first = await topic.shown()
    newest.version += 1
    changed = await topic.shown()
    newest.now_us += 59_000_000
    same = await topic.shown()
    newest.now_us += 1_000_000
    assert first != changed == same != await topic.shown()
