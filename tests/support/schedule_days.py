"""Days of a schedule, told as scripts on a virtual clock: what each policy makes of them.

A day says what is expected of every tick. It is played over rows in memory, and over each database:
a `Keeper` holds the rows between turns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from saga_coordinator.definitions import compile_definition, lint
from saga_coordinator.schedules.acts import begun_row
from saga_coordinator.schedules.document import MissedDocument, ScheduleDocument
from saga_coordinator.schedules.finishing import finish
from saga_coordinator.schedules.program import Moment, ScheduleProgram, program_of
from saga_coordinator.schedules.settling import COORDINATOR, settle
from saga_coordinator.schedules.turn import Turn
from saga_coordinator.starts.preparation import Prepared
from saga_coordinator.starts.requests import StartRefused
from saga_coordinator.store.identifiers import new_id
from saga_coordinator.store.port import StartClaim
from saga_coordinator.store.schedule_records import (
    AtTurn,
    ScheduleRow,
    ScheduleStatus,
    TickOutcome,
    TickRangeRow,
    TickRow,
)
from support.saga_rows import saga_row
from support.scheduled import calendar, overlap, schedule
from support.start_records import CATALOG, DEFINITION

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
DAY_US = 1_800_057_600_000_000
"""Midnight of some day, UTC."""
COMPILED = compile_definition(lint(DEFINITION, "asked.saga.yaml", CATALOG).required(), CATALOG)
HOURLY = calendar(cron=("0 * * * *",))


def at(text: str) -> int:
    """`HH:MM` of the day, in microseconds since 1970."""
    hours, minutes = text.split(":")
    return DAY_US + int(hours) * HOUR_US + int(minutes) * MINUTE_US


def clock(at_us: int) -> str:
    minutes = (at_us - DAY_US) // MINUTE_US
    return f"{minutes // 60:02}:{minutes % 60:02}"


@dataclass(frozen=True, kw_only=True)
class Day:
    """A script. Times are `HH:MM`; it begins at 00:30."""

    name: str
    document: ScheduleDocument
    lasts_min: int | None = 10
    """How long each saga takes; None: it never ends by itself."""
    phases: Sequence[str] = ("COMPLETED",)
    """In which sagas end, in turn."""
    down: tuple[str, str] | None = None
    """No coordinator runs from then till then."""
    paused: tuple[str, str] | None = None
    triggers: Sequence[tuple[str, str | None]] = ()
    """When, and the overlap policy it goes by."""
    refused: Sequence[str] = ()
    """Ticks that cannot start."""
    until: str = "06:30"
    expected: Sequence[str]
    """`HH:MM outcome [reason] [@HH:MM when it fired, if later]`, and of ranges `HH:MM-HH:MM count
    outcome reason`."""
    status: str = "active"
    attention: str | None = None


def policy(name: Any, limit: int = 1, **more: Any) -> ScheduleDocument:
    return schedule("daily", calendar=HOURLY, overlap=overlap(name, limit), **more)


def missing(name: Any, window_min: int = 24 * 60, grace_min: int = 1, **more: Any) -> ScheduleDocument:
    missed = MissedDocument(policy=name, grace_ms=grace_min * 60_000, window_ms=window_min * 60_000)
    return schedule("daily", calendar=HOURLY, missed=missed, **{"overlap": overlap("allow", 10), **more})


ON_TIME = ("01:00 fired", "02:00 fired", "03:00 fired")

DAYS: Sequence[Day] = (
    Day(name="each hour, sagas of ten minutes", document=policy("skip"), until="03:30", expected=ON_TIME),
    Day(
        name="skip: a saga of ninety minutes is in the way of every other tick",
        document=policy("skip"),
        lasts_min=90,
        until="04:30",
        expected=("01:00 fired", "02:00-02:00 1 skipped overlap", "03:00 fired", "04:00-04:00 1 skipped overlap"),
    ),
    Day(
        name="skip: ticks in the way of one saga are one range",
        document=policy("skip"),
        lasts_min=None,
        until="04:30",
        expected=("01:00 fired", "02:00-04:00 3 skipped overlap"),
    ),
    Day(
        name="queue one: it fires when the other ends, a second is skipped",
        document=policy("queue_one"),
        lasts_min=150,
        until="06:10",
        expected=(
            "01:00 fired",
            "02:00 fired @03:30",
            "03:00-03:00 1 skipped queue_full",
            "04:00 fired @06:00",
            "05:00-05:00 1 skipped queue_full",
            "06:00 queued overlap",
        ),
    ),
    Day(
        name="queue all up to two",
        document=policy("queue_all", 2),
        lasts_min=150,
        until="05:30",
        expected=(
            "01:00 fired",
            "02:00 fired @03:30",
            "03:00 queued overlap",
            "04:00 queued overlap",
            "05:00-05:00 1 skipped queue_full",
        ),
    ),
    Day(
        name="allow two at a time",
        document=policy("allow", 2),
        lasts_min=150,
        until="05:30",
        expected=("01:00 fired", "02:00 fired", "03:00-03:00 1 skipped limit", "04:00 fired", "05:00 fired"),
    ),
    Day(
        name="cancel the other: the newest waits for its compensation",
        document=policy("cancel_other"),
        lasts_min=150,
        phases=("COMPENSATED",),
        until="03:40",
        expected=("01:00 fired", "02:00 skipped superseded", "03:00 fired @03:30"),
    ),
    Day(
        name="terminate the other: the newest waits for its end",
        document=policy("terminate_other"),
        lasts_min=65,
        phases=("FORCED",),
        until="02:30",
        expected=("01:00 fired", "02:00 fired @02:05"),
    ),
    Day(
        name="missed, skip: only what is due after the downtime runs",
        document=missing("skip"),
        down=("01:30", "04:30"),
        until="05:30",
        expected=("01:00 fired", "02:00-04:00 3 missed missed", "05:00 fired"),
    ),
    Day(
        name="missed, run one: the latest runs afterwards",
        document=missing("run_one"),
        down=("01:30", "04:30"),
        until="05:30",
        expected=("01:00 fired", "02:00-03:00 2 missed missed", "04:00 fired @04:30", "05:00 fired"),
    ),
    Day(
        name="missed, run one: none of those before the window",
        document=missing("run_one", window_min=20),
        down=("01:30", "04:30"),
        until="05:30",
        expected=("01:00 fired", "02:00-04:00 3 missed missed", "05:00 fired"),
    ),
    Day(
        name="missed, run all within the window",
        document=missing("run_all", window_min=120),
        down=("01:30", "04:30"),
        until="05:30",
        expected=("01:00 fired", "02:00-02:00 1 missed missed", "03:00 fired @04:30", "04:00 fired @04:30", "05:00 fired"),
    ),
    Day(
        name="missed, run all, one at a time by the queue",
        document=missing("run_all", overlap=overlap("queue_all", 10)),
        down=("01:30", "04:30"),
        until="05:30",
        expected=("01:00 fired", "02:00 fired @04:30", "03:00 fired @04:40", "04:00 fired @04:50", "05:00 fired"),
    ),
    Day(
        name="missed, run all, those in the way skipped",
        document=missing("run_all", overlap=overlap("skip")),
        down=("01:30", "04:30"),
        until="05:30",
        expected=("01:00 fired", "02:00 fired @04:30", "03:00-04:00 2 skipped overlap", "05:00 fired"),
    ),
    Day(
        name="within the grace it is late, not missed",
        document=missing("skip", grace_min=60),
        down=("01:30", "02:45"),
        until="03:30",
        expected=("01:00 fired", "02:00 fired @02:45", "03:00 fired"),
    ),
    Day(
        name="a pause is a time without decisions: its ticks go by the policy",
        document=missing("run_one"),
        paused=("01:30", "04:30"),
        until="05:30",
        expected=("01:00 fired", "02:00-03:00 2 missed missed", "04:00 fired @04:30", "05:00 fired"),
    ),
    Day(
        name="a pause holds what waits",
        document=policy("queue_one"),
        lasts_min=70,
        paused=("02:05", "02:45"),
        until="02:50",
        expected=("01:00 fired", "02:00 fired @02:45"),
    ),
    Day(
        name="three failures in a row pause it",
        document=policy("skip", pause_after_failures=3),
        phases=("COMPENSATED", "FORCED", "COMPENSATED"),
        expected=ON_TIME,
        status="paused",
        attention="paused_on_failure",
    ),
    Day(
        name="a success in between counts anew",
        document=policy("skip", pause_after_failures=3),
        phases=("COMPENSATED", "COMPENSATED", "COMPLETED", "COMPENSATED"),
        until="04:30",
        expected=(*ON_TIME, "04:00 fired"),
    ),
    Day(
        name="at most two runs",
        document=policy("skip", runs=2),
        expected=("01:00 fired", "02:00 fired"),
        status="ended",
    ),
    Day(
        name="an end",
        document=schedule("daily", calendar=calendar(cron=("0 * * * *",), end="2027-01-16T02:30:00Z")),
        expected=("01:00 fired", "02:00 fired"),
        status="ended",
    ),
    Day(
        name="no success within ninety minutes",
        document=policy("allow", 10, expect_success_ms=90 * 60_000),
        lasts_min=None,
        until="02:30",
        expected=("01:00 fired", "02:00 fired"),
        attention="no_success",
    ),
    Day(
        name="a success ends the want of one",
        document=policy("allow", 10, expect_success_ms=45 * 60_000),
        lasts_min=50,
        until="01:55",
        expected=("01:00 fired",),
    ),
    Day(
        name="a tick that cannot start calls a person, the next that starts ends it",
        document=policy("skip"),
        refused=("02:00",),
        until="03:30",
        expected=("01:00 fired", "02:00 failed input_invalid", "03:00 fired"),
    ),
    Day(
        name="a person is still called after the last tick could not start",
        document=policy("skip"),
        refused=("03:00",),
        until="03:30",
        expected=("01:00 fired", "02:00 fired", "03:00 failed input_invalid"),
        attention="input_invalid",
    ),
    Day(
        name="triggers go by the policy, or by their own",
        document=policy("skip"),
        lasts_min=40,
        triggers=(("01:10", None), ("01:20", "allow:3"), ("01:30", "queue_one")),
        until="02:50",
        expected=(
            "01:00 fired",
            "01:10 skipped overlap",
            "01:20 fired",
            "01:30 fired @02:00",
            "02:00-02:00 1 skipped overlap",
        ),
    ),
)


class Keeper(Protocol):
    """Holds the rows between turns."""

    @property
    def tenant(self) -> str: ...

    async def add(self, row: ScheduleRow) -> None: ...

    async def load(self) -> tuple[ScheduleRow, AtTurn]: ...

    async def save(self, turn: Turn) -> None: ...

    async def ended(self, saga_id: UUID, phase: str, at_us: int) -> None: ...

    async def history(self) -> tuple[Sequence[TickRow], Sequence[TickRangeRow]]: ...


@dataclass
class Play:
    """Plays one day."""

    day: Day
    keeper: Keeper
    program: ScheduleProgram = field(init=False)
    row: ScheduleRow = field(init=False)
    """As it was written last."""
    sagas: dict[UUID, int] = field(default_factory=dict)
    """Open sagas, with when each ends."""
    ended: int = 0
    idle: bool = False
    """Whether the last turn found nothing to do."""

    async def run(self) -> ScheduleRow:
        self.program = program_of(self.day.document, {})
        now_us = at("00:30")
        self.row = begun_row(self.keeper.tenant, self.program, now_us)
        await self.keeper.add(self.row)
        script = self._script()
        while True:
            wake_us = None if self._is_down(now_us) else self._wake_us()
            times = [when for when, _ in script] + list(self.sagas.values()) + ([] if wake_us is None else [max(wake_us, now_us)])
            now_us = min([*times, at(self.day.until)])
            if now_us >= at(self.day.until):
                return self.row
            await self._end_sagas(now_us)
            acts = [act for when, act in script if when == now_us]
            script = [(when, act) for when, act in script if when != now_us]
            if not self._is_down(now_us):
                await self._turn(now_us, acts)

    def _script(self) -> list[tuple[int, Callable[[Turn], object]]]:
        day = self.day
        script: list[tuple[int, Callable[[Turn], object]]] = [(at(when), partial(_trigger, own)) for when, own in day.triggers]
        if day.paused is not None:
            script.append((at(day.paused[0]), _pause))
            script.append((at(day.paused[1]), _resume))
        if day.down is not None:
            script.append((at(day.down[1]), lambda _: None))
        return script

    def _wake_us(self) -> int | None:
        """A schedule whose tick waits looks each second.

        In a day all happens at full minutes: who found nothing need not look before the next.
        """
        wake_us = self.row.wake_at_us
        return -(-wake_us // MINUTE_US) * MINUTE_US if wake_us is not None and self.idle else wake_us

    def _is_down(self, now_us: int) -> bool:
        return self.day.down is not None and at(self.day.down[0]) <= now_us < at(self.day.down[1])

    async def _end_sagas(self, now_us: int) -> None:
        for saga_id in [one for one, ends_us in self.sagas.items() if ends_us <= now_us]:
            del self.sagas[saga_id]
            await self.keeper.ended(saga_id, self.day.phases[self.ended % len(self.day.phases)], now_us)
            self.ended += 1

    async def _turn(self, now_us: int, acts: Sequence[Callable[[Turn], object]]) -> None:
        row, found = await self.keeper.load()
        turn = Turn.of(row, self.program, self._prepare, now_us, found)
        settle(turn, found.ended)
        for act in acts:
            act(turn)
        turn.run()
        finish(turn)
        assert turn.row.wake_at_us is None or turn.row.wake_at_us >= now_us, "it goes behind those that are due"
        lasts = self.day.lasts_min
        for one in turn.begun:
            if lasts is not None:
                self.sagas[one.start.claim.saga_id] = now_us + lasts * MINUTE_US
        await self.keeper.save(turn)
        self.idle = not (acts or found.ended or turn.begun or turn.ticks or turn.ranges)
        self.row = turn.row

    def _prepare(self, moment: Moment) -> Prepared:
        if clock(moment.at_us) in self.day.refused:
            raise StartRefused("input_invalid", "the input gives no amount")
        return prepared(moment)


def _trigger(overlap: str | None, turn: Turn) -> None:
    turn.trigger(overlap)


def _pause(turn: Turn) -> None:
    turn.change(status=ScheduleStatus.PAUSED, paused_at_us=turn.now_us, paused_by="ada", paused_why="look")


def _resume(turn: Turn) -> None:
    turn.change(status=ScheduleStatus.ACTIVE, paused_at_us=None, paused_by=None, paused_why=None)


def prepared(moment: Moment) -> Prepared:
    """A start of definition `asked`, of this tick."""
    saga_id = new_id(moment.at_us)
    claim = StartClaim(
        saga_id=saga_id,
        tenant="default",
        source="schedule",
        request_id=f"{moment.name}@{moment.at_us}",
        body_hash=b"",
        definition_name="asked",
        business_key=None,
    )
    return Prepared(
        claim=claim, row=saga_row(saga_id), compiled=COMPILED, input=b"", on_open="return_existing", on_closed="reject"
    )


def told(ticks: Sequence[TickRow], ranges: Sequence[TickRangeRow]) -> list[str]:
    """What became of them, as a day expects it."""
    said = [(tick.at_us, _tick(tick)) for tick in ticks]
    said += [
        (one.first_us, f"{clock(one.first_us)}-{clock(one.last_us)} {one.count} {one.outcome} {one.reason}") for one in ranges
    ]
    return [text for _, text in sorted(said)]


def _tick(tick: TickRow) -> str:
    parts = [clock(tick.at_us), str(tick.outcome)]
    if tick.outcome != TickOutcome.FIRED and tick.reason is not None:
        parts.append(tick.reason)
    if tick.fired_at_us is not None and clock(tick.fired_at_us) != clock(tick.at_us):
        parts.append(f"@{clock(tick.fired_at_us)}")
    return " ".join(parts)


async def check(day: Day, keeper: Keeper) -> None:
    """Play the day, and compare what became of its ticks, and how the schedule stands then."""
    row = await Play(day, keeper).run()
    assert told(*await keeper.history()) == list(day.expected), day.name
    assert (row.status, row.attention) == (day.status, day.attention), day.name
    if day.status == ScheduleStatus.PAUSED:
        assert row.paused_by == COORDINATOR
