"""Gathers what the overview is made from, for all who look: once for many, at a bounded cost.

What the watchdog has read for the gauges is not read again. The figures over time are read a piece
at a time (`history.py`), and whom open sagas wait for is told of a sample (`sampling.py`). An
overview is good for two seconds, whoever asks; nobody asks, and nothing is read.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from saga_coordinator.engine.state import Phase
from saga_coordinator.engine.waiting import Held
from saga_coordinator.horizon.participants import named
from saga_coordinator.overview.history import History
from saga_coordinator.overview.sampling import OpenSagas
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.schedules.words import PAUSED_LONG_US, all_needs
from saga_coordinator.store.port import DefinitionRow, Figures, Store, StoreError
from saga_coordinator.store.recovering import Recovering
from saga_coordinator.store.schedule_records import ScheduleCounts, ScheduleRow
from saga_coordinator.telemetry.traffic import COARSE, FINE, MINUTE_US
from saga_coordinator.views.overview import Overview, overview
from saga_coordinator.views.participant_detail import ParticipantDetail, participant_detail
from saga_coordinator.views.situation import OLDEST_SHOWN, Line, SchedulesNow, Situation, Window
from saga_coordinator.views.traffic_periods import Period
from saga_messaging.broker import Broker, BrokerError
from saga_messaging.clock import Clock
from saga_schemas.record_class import record
from saga_schemas.topics import Topics

GOOD_FOR_S: Final = 2.0
HOUR: Final = 60
DAY: Final = 24 * HOUR
LATEST: Final = 10
"""Minutes by which rules see what goes wrong now."""
UNREAD_EVERY_S: Final = 15.0
UNREAD_LIMIT_S: Final = 1.0
"""How long Kafka is asked for unread commands; what it has not answered then is asked later."""
SIZE_EVERY_S: Final = 60.0
SCHEDULES_EVERY_S: Final = 5.0
SCHEDULES_NAMED: Final = 50
"""Schedules that need a person and are told by name."""
INSTANCE_STALE_S: Final = 20.0
FIGURES_OLD_US: Final = 3_000_000
FEW_OPEN: Final = 1_000
_DAY_US: Final = 86_400_000_000

Result = TypeVar("Result")


@record
class Around:
    """What this instance knows without asking anybody."""

    figures: Figures | None
    lag: Mapping[str, int]
    readers: Mapping[str, int | None]
    nobody_reads_for_s: Mapping[str, float]
    kafka_away: str | None
    problems: Mapping[str, str]
    retention: str | None
    schedules: str | None
    recovering: Recovering | None
    unswept: Mapping[str, int]
    timers_seen_us: int | None


class Kept:
    """A value that is read again only now and then."""

    def __init__(self, clock: Clock, every_s: float) -> None:
        self._clock = clock
        self._every_s = every_s
        self._read_at_s = -math.inf
        self._value: Any = None

    async def of(self, read: Callable[[], Awaitable[Result]]) -> Result:
        """The value, read by this where it is too old."""
        now_s = self._clock.monotonic_s()
        if now_s - self._read_at_s >= self._every_s:
            self._value = await read()
            self._read_at_s = now_s
        return self._value  # type: ignore[no-any-return]


class Overviews:
    """The overview of one tenant, as one instance gives it."""

    def __init__(
        self,
        *,
        store: Store,
        broker: Broker,
        definitions: DefinitionCache,
        topics: Topics,
        tenant: str,
        instance: str | None,
        sagas: OpenSagas,
        around: Callable[[], Around],
        store_own: Callable[[], Awaitable[None]],
        pauses: Callable[[], Awaitable[Sequence[Held]]],
        clock: Clock,
    ) -> None:
        """Prepare to gather.

        Args:
            store: Read, as the next two.
            broker: Asked for unread commands.
            definitions: Those known.
            topics: The names of participants' topics.
            tenant: Whose sagas.
            instance: The name of this instance.
            sagas: Tells whom open sagas wait for.
            around: What this instance knows without asking.
            store_own: Stores what this instance has counted.
            pauses: The definitions and participants that are paused.
            clock: For how long what is kept is good.
        """
        self._store = store
        self._broker = broker
        self._definitions = definitions
        self._topics = topics
        self._tenant = tenant
        self._instance = instance
        self._sagas = sagas
        self._around = around
        self._store_own = store_own
        self._pauses = pauses
        self._clock = clock
        self._history = History(store, tenant, clock)
        self._turn = asyncio.Lock()
        self._made: dict[Window, tuple[float, Situation, Overview]] = {}
        self._size = Kept(clock, SIZE_EVERY_S)
        self._unread = Kept(clock, UNREAD_EVERY_S)
        self._schedules = Kept(clock, SCHEDULES_EVERY_S)
        self._lines: tuple[Sequence[DefinitionRow], tuple[Line, ...]] = ((), ())

    async def overview(self, window: Window) -> Overview:
        """The overview, at most two seconds old.

        Raises:
            StoreError: The database does not answer.
        """
        return (await self._latest(window))[1]

    async def participant(self, name: str, window: Window) -> ParticipantDetail | None:
        """One participant over time; None: there is none of this name. Raises StoreError."""
        situation, whole = await self._latest(window)
        return participant_detail(situation, whole, name)

    async def _latest(self, window: Window) -> tuple[Situation, Overview]:
        async with self._turn:
            made = self._made.get(window)
            if made is None or self._clock.monotonic_s() - made[0] >= GOOD_FOR_S:
                situation = await self._situation(window)
                made = self._clock.monotonic_s(), situation, overview(situation)
                self._made[window] = made
            return made[1:]

    async def _situation(self, window: Window) -> Situation:
        await self._store_own()
        around = self._around()
        now_us = await self._store.now_us()
        figures = await self._figures(around.figures, now_us)
        recent, coarse = await self._read(now_us // MINUTE_US)
        periods, before = _of_window(window, recent, coarse)
        return Situation(
            now_us=now_us,
            window=window,
            periods=periods,
            total=self._history.total(periods),
            usual=self._history.total(before),
            recent=recent,
            latest=self._history.total(recent[-LATEST:]),
            lines=self._known_lines(),
            figures=figures,
            attentions=await self._attentions(figures),
            waits=await self._sagas.waits(_begun(figures)),
            nobody_reads={name: now_us - round(for_s * 1e6) for name, for_s in around.nobody_reads_for_s.items()},
            readers=around.readers,
            unread_commands=await self._unread.of(self._unread_commands),
            lag=around.lag,
            kafka_away=around.kafka_away,
            problems=around.problems,
            retention=around.retention,
            schedules=await self._schedules_now(around.schedules),
            recovering=around.recovering,
            unswept=around.unswept,
            pauses=await self._pauses(),
            dead_letters_today=await self._store.dead_letters_since(now_us - _DAY_US) if figures.dead_letters else 0,
            instances=await self._store.live_instances(stale_s=INSTANCE_STALE_S),
            own_name=self._instance,
            timers_seen_us=around.timers_seen_us,
            size_bytes=await self._size.of(self._store.size_bytes),
        )

    async def _figures(self, known: Figures | None, now_us: int) -> Figures:
        """Those of the watchdog, or new ones where these are old and few sagas are open."""
        if known is not None and (now_us - known.now_us < FIGURES_OLD_US or sum(known.sagas_by_phase.values()) > FEW_OPEN):
            return known
        return await self._store.figures()

    async def _read(self, minute: int) -> tuple[list[Period], list[Period]]:
        """The last hour minute by minute, and the last two days coarsely."""
        until = minute + 1
        coarse_until = minute - minute % COARSE + COARSE
        recent = await self._history.periods(FINE, until - HOUR, until)
        return recent, await self._history.periods(COARSE, coarse_until - 2 * DAY - HOUR, coarse_until)

    async def _schedules_now(self, waits: str | None) -> SchedulesNow:
        counts, rows = await self._schedules.of(self._read_schedules)
        found = all_needs(rows, counts.now_us)
        return SchedulesNow(counts=counts, needs=found, more=len(rows) == SCHEDULES_NAMED, waits=waits)

    async def _read_schedules(self) -> tuple[ScheduleCounts, Sequence[ScheduleRow]]:
        counts = await self._store.schedule_counts(self._tenant)
        if not (counts.attention or counts.overdue or counts.paused):
            return counts, ()
        rows = await self._store.schedules_in_need(self._tenant, paused_for_us=PAUSED_LONG_US, limit=SCHEDULES_NAMED)
        return counts, rows

    async def _attentions(self, figures: Figures) -> Any:
        return await self._store.longest_attention(self._tenant, OLDEST_SHOWN) if figures.attention_by_reason else ()

    def _known_lines(self) -> tuple[Line, ...]:
        """By name: the active version, or else the newest. They are parsed when one changes."""
        rows = self._definitions.rows()
        if rows != self._lines[0]:
            self._lines = (rows, _lines(rows))
        return self._lines[1]

    async def _unread_commands(self) -> Mapping[str, int]:
        found: dict[str, int] = {}
        try:
            async with asyncio.timeout(UNREAD_LIMIT_S):
                for name in sorted(await self._definitions.participants()):
                    lag = await self._broker.group_lag(self._topics.command_group(name), [self._topics.command(name)])
                    if lag:
                        found[name] = sum(lag.values())
        except (BrokerError, StoreError, TimeoutError):
            return found
        return found


def _begun(figures: Figures) -> int:
    """Open sagas that may wait for somebody: one that has not begun waits for nobody."""
    return sum(count for (_, phase), count in figures.sagas_by_phase.items() if phase != Phase.SCHEDULED)


def _of_window(window: Window, recent: Sequence[Period], coarse: Sequence[Period]) -> tuple[Sequence[Period], Sequence[Period]]:
    """The periods of the window, and those of the 24 hours before it."""
    day = DAY // COARSE
    if window is Window.DAY:
        return coarse[-day:], coarse[-2 * day : -day]
    hour = HOUR // COARSE
    return recent, coarse[-day - hour : -hour]


def _lines(rows: Sequence[DefinitionRow]) -> tuple[Line, ...]:
    newest: dict[str, DefinitionRow] = {}
    for row in rows:
        known = newest.get(row.name)
        if known is None or (row.active, row.version) > (known.active, known.version):
            newest[row.name] = row
    asked: dict[str, list[str]] = {name: [] for name in newest}
    for participant, definitions in named(newest.values()).items():
        for name in definitions:
            asked[name].append(participant)
    return tuple(
        Line(name=name, version=row.version, active=row.active, participants=tuple(asked[name]))
        for name, row in sorted(newest.items())
    )
