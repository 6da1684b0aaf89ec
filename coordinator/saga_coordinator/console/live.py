"""Live pages: a browser listens by server-sent events, and is told when what it shows has changed.

The browser then asks for the page again, so what is drawn is always the page itself. What a topic
shows is looked at every few seconds, once for all who listen to it, and only while somebody does.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final
from uuid import UUID

import orjson

from saga_coordinator.api.facade import Facade
from saga_coordinator.engine.events import Refused
from saga_coordinator.store.port import ListFilter, StoreError
from saga_coordinator.store.schedule_records import ScheduleRow
from saga_coordinator.views.situation import Window
from saga_schemas.ids import valid_name

MOST_LISTENERS: Final = 64
"""Of one instance. Who comes later reads pages that are not live."""
TICK_S: Final = 1.0
"""How soon a listener sees that the instance stops."""
SAID_EVERY_S: Final = 15.0
"""A proxy must not take a silent connection for a dead one."""
LISTENS_MOST_S: Final = 3600.0
"""The browser then connects again."""
_RETRY_MS: Final = 4_000
_TO_THE_MINUTE: Final = len("2026-11-29T14:05")
_MINUTE_US: Final = 60_000_000
_SAGAS: Final = 50
"""The newest, which are looked at for the list; a change of others is shown within a minute. By the
counts of the overview an open list took 0.74 % of a core, and takes 0.23 %."""
_SCHEDULES: Final = 100
"""Those of the list that are looked at; a change of others is shown within a minute."""

Look = Callable[[Facade, str], Awaitable[str]]
"""Says in a text what a topic shows now: another text, another page."""


async def _whole(coordinator: Facade, window: str) -> str:
    """The counts of the overview, and its minute: rates and ages move with the time alone."""
    found = await coordinator.overview(Window(window or Window.HOUR))
    shown = (
        found.at[:_TO_THE_MINUTE],
        found.open,
        found.attention,
        (found.over_time.started, found.over_time.ended),
        [(one.code, one.subject, one.severity) for one in found.troubles],
        [(one.name, one.version) for one in found.definitions],
        [(one.commands, one.answers, one.waiting, one.unread, one.readers) for one in found.participants],
        (found.machine.dead_letters_today, [one.name for one in found.machine.instances]),
    )
    return _digest(shown)


async def _sagas(coordinator: Facade, _: str) -> str:
    """The newest sagas, and the minute."""
    found, _following = await coordinator.store.list_sagas(ListFilter(tenant=coordinator.settings.tenant, limit=_SAGAS))
    now_us = await coordinator.store.now_us()
    return _digest((now_us // _MINUTE_US, [(line.id.hex, line.version, line.attention) for line in found]))


async def _saga(coordinator: Facade, id: str) -> str:
    row = await coordinator.store.saga(UUID(id))
    return "" if row is None or row.tenant != coordinator.settings.tenant else f"{row.version}"


async def _schedules(coordinator: Facade, _: str) -> str:
    """The first of the list, and its minute: the next tick is said in words."""
    now_us, rows = await coordinator.store.now_us(), await coordinator.schedules(limit=_SCHEDULES)
    return _digest((now_us // _MINUTE_US, [_shown(row) for row in rows]))


async def _schedule(coordinator: Facade, name: str) -> str:
    try:
        row = await coordinator.schedule(name)
    except Refused:
        return ""
    now_us, found = await coordinator.store.now_us(), await coordinator.open_ticks([row])
    ticks = [(one.at_us, one.outcome) for part in found.values() for one in (*part.running, *part.queued)]
    backfills = await coordinator.backfills(name, before=None, limit=1)
    far = [(one.id.hex, one.status, one.place_us) for one in backfills]
    return _digest((now_us // _MINUTE_US, _shown(row), ticks, far))


def _shown(row: ScheduleRow) -> tuple[object, ...]:
    """What changes of a schedule with time, and not by a new version."""
    counts = (row.fired, row.queued, row.skipped, row.missed, row.failed, row.failures)
    return (row.name, row.version, row.status, row.cursor_us, row.succeeded_at_us, row.attention, row.changed_at_us, *counts)


def _digest(shown: object) -> str:
    return hashlib.blake2b(orjson.dumps(shown), digest_size=12).hexdigest()


TOPICS: Final[Mapping[str, tuple[Look, float]]] = {
    "overview": (_whole, 10.0),  # as often as its figures are stored: at 5 s an open page took 0.6 % of a core
    "list": (_whole, 10.0),
    "sagas": (_sagas, 10.0),
    "saga": (_saga, 1.0),
    "schedules": (_schedules, 10.0),
    "schedule": (_schedule, 2.0),
}
"""By the part of a topic before its slash: what looks, and how often at most, in seconds."""


class Topic:
    """What one topic shows, looked at once for all who listen."""

    def __init__(self, look: Callable[[], Awaitable[str]], every_s: float) -> None:
        self._look = look
        self._every_s = every_s
        self._turn = asyncio.Lock()
        self._looked_at_s = -math.inf
        self._shown = ""
        self.listeners = 0

    async def shown(self) -> str:
        """What it showed at the latest look. Nobody knows while the database is away: no change."""
        async with self._turn:
            now_s = asyncio.get_running_loop().time()
            if now_s - self._looked_at_s >= self._every_s:
                with suppress(StoreError, TimeoutError):
                    self._shown = await self._look()
                self._looked_at_s = now_s
            return self._shown


class Live:
    """All topics that somebody listens to, in one instance."""

    def __init__(self, coordinator: Facade) -> None:
        self._coordinator = coordinator
        self._topics: dict[str, Topic] = {}
        self.listeners = 0

    def topic(self, name: str) -> Topic | None:
        """A topic by its name, `overview` or `saga/ID`; None: there is none."""
        known = self._topics.get(name)
        return known if known is not None else self._made(name)

    def _made(self, name: str) -> Topic | None:
        kind, _, of = name.partition("/")
        found = TOPICS.get(kind)
        if found is None or not _is_good(kind, of):
            return None
        look, every_s = found
        return Topic(lambda: look(self._coordinator, of), every_s)

    async def events(self, name: str, topic: Topic, seen: str = "") -> AsyncIterator[bytes]:
        """What a listener is sent, until it leaves or the instance stops.

        `seen`: what it showed when the page was drawn, or by the last event that this browser heard
        before the connection broke. A change since then is told at once; empty: nobody knows.
        """
        topic = self._topics.setdefault(name, topic)
        topic.listeners += 1
        self.listeners += 1
        try:
            shown = seen or await topic.shown()
            yield b"retry: %d\nid: %s\n\n" % (_RETRY_MS, shown.encode())
            ends_s = asyncio.get_running_loop().time() + LISTENS_MOST_S
            quiet_s = 0.0
            while not self._coordinator.stopping and asyncio.get_running_loop().time() < ends_s:
                await asyncio.sleep(TICK_S)
                quiet_s += TICK_S
                now = await topic.shown()
                if now != shown:
                    shown, quiet_s = now, 0.0
                    yield b"id: %s\nevent: changed\ndata: \n\n" % now.encode()
                elif quiet_s >= SAID_EVERY_S:
                    quiet_s = 0.0
                    yield b": still here\n\n"
        finally:
            self.listeners -= 1
            topic.listeners -= 1
            if not topic.listeners:
                self._topics.pop(name, None)


def _is_good(kind: str, of: str) -> bool:
    if kind == "saga":
        try:
            return str(UUID(of)) == of
        except ValueError:
            return False
    if kind == "schedule":
        return valid_name(of)
    return of in ("", *Window)
