"""The same schedules from Python: `Schedule("settlement", definition="settle-day", cron="30 2 * *
*", …)`.

Gives data of the file's shape, which takes the file's own way through `lint`: one canonical form,
one set of findings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, TypeAlias

from saga_coordinator.definitions.builder import Duration
from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.schedules.findings import ScheduleLint
from saga_coordinator.schedules.lint import Days, Look, lint_schedule_data

Instant: TypeAlias = datetime | str
"""A `datetime` with its zone, or as in the file: `"2027-01-01T00:00:00Z"`."""
Day: TypeAlias = date | str
"""A `date`, or as in the file: `"2027-12-24"`."""
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """An elapsed interval with a phase; without one it counts from 1970."""

    every: Duration
    phase: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclude:
    """`exclude:`, days on which nothing ticks."""

    dates: Sequence[Day] = ()
    ranges: Sequence[tuple[Day, Day]] = ()
    """First and last day, both included."""
    cron: Sequence[str] = ()
    """Days on which one of these ticks."""
    calendars: Sequence[str] = ()
    """Names of stored calendars of days."""


@dataclass(frozen=True, slots=True)
class QueueAll:
    """`{queue_all: 10}`: ticks wait for the saga before, at most so many."""

    limit: int


@dataclass(frozen=True, slots=True)
class Allow:
    """`{allow: 3}`: so many sagas run at a time."""

    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """`missed:`; what is None takes its default."""

    policy: Literal["skip", "run_one", "run_all"] | None = None
    grace: Duration | None = None
    window: Duration | None = None


class Schedule:
    """A schedule.

    Example:
        `Schedule("settlement", definition="settle-day", cron="30 2 * * *", zone="Europe/Berlin",
        input={"day": "${schedule.tick}"})`
    """

    def __init__(
        self,
        name: str,
        *,
        definition: str,
        zone: str | None = None,
        cron: str | Sequence[str] = (),
        every: Duration | Every | Sequence[Every] = (),
        interval: str | Sequence[str] = (),
        exclude: Exclude | None = None,
        start: Instant | None = None,
        end: Instant | None = None,
        jitter: Duration | None = None,
        runs: int | None = None,
        input: Mapping[str, Any] | None = None,
        key: str | None = None,
        overlap: Literal["skip", "queue_one", "cancel_other", "terminate_other"] | QueueAll | Allow | None = None,
        missed: Missed | None = None,
        pause_after_failures: int | None = None,
        expect_success_within: Duration | None = None,
        note: str | None = None,
    ) -> None:
        """Say what the file would.

        Args:
            name: The schedule's name.
            definition: What it starts: `settle-day`, its active version, or `settle-day@3`.
            zone: The IANA time zone of `cron` and of excluded days. None: UTC.
            cron: Expressions of five fields, or of six with seconds first.
            every: Elapsed intervals, which know no zones.
            interval: ISO 8601 repeating intervals.
            exclude: Days on which nothing ticks.
            start: The first instant at which it may tick.
            end: It ticks before this instant only.
            jitter: A tick is due up to so much later.
            runs: After so many ticks that fired it ends.
            input: The saga's input: values, and expressions over `schedule`.
            key: Expression of the business key. None: `<schedule>@<tick>`, or what the definition
                computes.
            overlap: What becomes of a tick while a saga of it is open. None: it is skipped.
            missed: What becomes of ticks that nobody decided in time.
            pause_after_failures: So many sagas in a row that end COMPENSATED or FORCED pause it.
            expect_success_within: An alert stands once none has COMPLETED for so long.
            note: What it is for, and whose it is.
        """
        self._name = name
        times = {"zone": zone, "cron": _listed(cron), "every": _every(every), "interval": _listed(interval)}
        bounds = {"exclude": _exclude(exclude), "start": _instant(start), "end": _instant(end), "jitter": _duration(jitter)}
        head = {"schedule": name, "definition": definition, "calendar": _without_none({**times, **bounds}), "runs": runs}
        policies = {"overlap": _overlap(overlap), "missed": _missed(missed), "pause_after_failures": pause_after_failures}
        self._data = _without_none(
            {
                **head,
                "input": None if input is None else dict(input),
                "key": key,
                **policies,
                "expect_success_within": _duration(expect_success_within),
                "note": note,
            }
        )

    @property
    def name(self) -> str:
        """The schedule's name."""
        return self._name

    def data(self) -> dict[str, Any]:
        """The schedule as data of the file's shape."""
        return dict(self._data)

    def lint(self, look: Look | None, days: Days, now_us: int) -> ScheduleLint:
        """Everything that is wrong with it; the arguments are those of `lint_schedule`."""
        return lint_schedule_data(self._data, self._name, look, days, now_us)

    def document(self, look: Look | None, days: Days, now_us: int) -> ScheduleDocument:
        """The canonical document. Raises ScheduleInvalid."""
        return self.lint(look, days, now_us).required()


def _every(given: Duration | Every | Sequence[Every]) -> Any:
    if isinstance(given, str | timedelta):
        return _duration(given)
    several = [given] if isinstance(given, Every) else given
    return [_without_none({"every": _duration(one.every), "phase": _instant(one.phase)}) for one in several] or None


def _exclude(given: Exclude | None) -> dict[str, Any] | None:
    if given is None:
        return None
    return _without_none(
        {
            "dates": [_day(one) for one in given.dates] or None,
            "ranges": [{"first": _day(first), "last": _day(last)} for first, last in given.ranges] or None,
            "cron": _listed(given.cron),
            "calendars": _listed(given.calendars),
        }
    )


def _overlap(given: str | QueueAll | Allow | None) -> Any:
    if isinstance(given, QueueAll):
        return {"queue_all": given.limit}
    return {"allow": given.limit} if isinstance(given, Allow) else given


def _missed(given: Missed | None) -> dict[str, Any] | None:
    if given is None:
        return None
    return _without_none({"policy": given.policy, "grace": _duration(given.grace), "window": _duration(given.window)})


def _listed(given: str | Sequence[str]) -> list[str] | None:
    return [given] if isinstance(given, str) else list(given) or None


def _instant(given: Instant | None) -> str | None:
    """A time without a zone keeps none, which lint then finds."""
    return given.isoformat() if isinstance(given, datetime) else given


def _day(given: Day) -> str:
    return given.isoformat() if isinstance(given, date) else given


def _duration(given: Duration | None) -> str | None:
    return f"{given // _MILLISECOND}ms" if isinstance(given, timedelta) else given


def _without_none(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value is not None}
