"""The overview: what all sagas do now and over time, and what is wrong with them, from a
`Situation`. Pure.

`GET /v1/overview` answers with it, and the console and `saga top` show it. Rates are per second,
shares between 0 and 1, percentiles within five percent. "Usual" is the day before the window.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from saga_coordinator.telemetry.log_buckets import Buckets, percentile_us, summed
from saga_coordinator.telemetry.traffic_figures import DefinitionFigures
from saga_coordinator.views.overview_participants import ParticipantOverview, participant_overview
from saga_coordinator.views.situation import Line, Situation
from saga_coordinator.views.traffic_periods import Period, Total, ended_in, passed_s, per_second, started
from saga_coordinator.views.trouble import Trouble
from saga_coordinator.views.trouble_of_sagas import COMPENSATED_MORE
from saga_coordinator.views.troubles import calm, troubles
from saga_schemas.times import format_us

COMPLETED: Final = "COMPLETED"
COMPENSATED: Final = "COMPENSATED"
FORCED: Final = "FORCED"
ENDINGS: Final = (COMPLETED, COMPENSATED, FORCED)
DAY_S: Final = 86_400.0
YOUNG_S: Final = 15.0
"""The last period is shown once so much of it has passed: before, few sagas make it jump."""
_MINUTE_US: Final = 60_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What sagas of a definition, or all, did over some time. A share is null where none ended."""

    started: int
    started_per_s: float
    ended: int
    completed: float | None
    compensated: float | None
    forced: float | None
    p50_ms: float | None
    """From start to end, of all that ended."""
    p95_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenNow:
    """The sagas that are not finished."""

    sagas: int
    by_phase: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionLine:
    """A reason why a person must look."""

    saga_id: str
    key: str | None
    definition: str
    phase: str
    step: str | None
    reason: str
    since: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionNow:
    """What waits for a person."""

    count: int
    by_reason: Mapping[str, int]
    longest: tuple[AttentionLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Sagas a second, by the beginning of each period."""

    step_s: int
    at: tuple[str, ...]
    started: tuple[float, ...]
    completed: tuple[float, ...]
    compensated: tuple[float, ...]
    forced: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionOverview:
    """One definition, of all its versions."""

    name: str
    version: int | None
    """The active one; null: none is active."""
    open: int
    over_time: Ended
    usual: Ended
    waits_for: tuple[str, ...]
    """Participants that its sagas wait for and that something is wrong with."""
    started_per_s: tuple[float, ...]
    """As in `rates`, for a sparkline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceLine:
    name: str
    seen_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The coordinator itself, and what it stands on."""

    instances: tuple[InstanceLine, ...]
    """Those with a name that have said so a moment ago."""
    instance: str | None
    """The one that answers; null: it has no name, and is none of those."""
    commit_p50_ms: float | None
    """Saving and committing a batch, over the window."""
    commit_p95_ms: float | None
    database_bytes: int | None
    outbox: int
    """Messages not yet known to be published."""
    outbox_oldest_s: float
    unread: Mapping[str, int]
    """Records not read yet, by topic of replies or starts; absent: unknown."""
    timers_overdue_s: float
    timers_late_p95_ms: float | None
    timers_seen_at: str | None
    """When some instance last said that it fires timers."""
    dead_letters_today: int
    kafka_away: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The whole."""

    window: str
    at: str
    since: str
    well: bool
    """No trouble is worse than `watch`."""
    sentence: str
    """The worst trouble, or that all is well."""
    troubles: tuple[Trouble, ...]
    open: OpenNow
    attention: AttentionNow
    over_time: Ended
    usual: Ended
    rates: Rates
    definitions: tuple[DefinitionOverview, ...]
    participants: tuple[ParticipantOverview, ...]
    waits_exact: bool
    """False: how many sagas wait for a participant is an estimate from a sample."""
    machine: Machine


def overview(now: Situation) -> Overview:
    """The whole, of one moment."""
    wrong = troubles(now)
    over_time = _ended(now.total.definitions, _seconds(now.periods, now.now_us))
    shown = shown_periods(now)
    return Overview(
        window=now.window,
        at=format_us(now.now_us),
        since=format_us(now.periods[0].minute * _MINUTE_US),
        well=all(one.severity == "watch" for one in wrong),
        sentence=wrong[0].sentence if wrong else calm(now, over_time.started_per_s),
        troubles=wrong,
        open=OpenNow(sagas=now.open, by_phase=_by_phase(now)),
        attention=_attention(now),
        over_time=over_time,
        usual=_ended(now.usual.definitions, DAY_S),
        rates=_rates(shown, now.now_us),
        definitions=tuple(_definition(now, line, wrong, shown) for line in now.lines),
        participants=tuple(participant_overview(now, name, wrong, shown) for name in _participants(now)),
        waits_exact=now.waits.exact,
        machine=_machine(now),
    )


def shown_periods(now: Situation) -> Sequence[Period]:
    """Those of the window that a chart shows."""
    return now.periods if passed_s(now.periods[-1], now.now_us) >= YOUNG_S else now.periods[:-1]


def _seconds(periods: Sequence[Period], now_us: int) -> float:
    """How long they are, as far as they have passed."""
    return sum(passed_s(period, now_us) for period in periods)


def _ended(definitions: Mapping[str, DefinitionFigures], seconds: float) -> Ended:
    by_phase = {
        phase: summed(one.ended.get(phase, {}) for one in definitions.values())
        for phase in {phase for one in definitions.values() for phase in one.ended}
    }
    counts = {phase: sum(buckets.values()) for phase, buckets in by_phase.items()}
    took, ended = summed(by_phase.values()), sum(counts.values())
    begun = sum(one.started for one in definitions.values())
    shares = {phase: counts.get(phase, 0) / ended if ended else None for phase in ENDINGS}
    return Ended(
        started=begun,
        started_per_s=round(begun / seconds, 3),
        ended=ended,
        completed=shares[COMPLETED],
        compensated=shares[COMPENSATED],
        forced=shares[FORCED],
        p50_ms=_ms(took, 0.5),
        p95_ms=_ms(took, 0.95),
    )


def _ms(buckets: Buckets, share: float) -> float | None:
    us = percentile_us(buckets, share)
    return None if us is None else round(us / 1000, 3)


def _by_phase(now: Situation) -> dict[str, int]:
    found: dict[str, int] = {}
    for (_, phase), count in now.figures.sagas_by_phase.items():
        found[phase] = found.get(phase, 0) + count
    return found


def _attention(now: Situation) -> AttentionNow:
    lines = tuple(
        AttentionLine(
            saga_id=str(one.saga_id),
            key=one.business_key,
            definition=one.definition,
            phase=one.phase,
            step=one.step or None,
            reason=one.reason,
            since=format_us(one.since_us),
        )
        for one in now.attentions
    )
    return AttentionNow(count=now.attention, by_reason=dict(now.figures.attention_by_reason), longest=lines)


def _rates(periods: Sequence[Period], now_us: int) -> Rates:
    ended = {phase: tuple(per_second(periods, ended_in(phase), now_us)) for phase in ENDINGS}
    return Rates(
        step_s=periods[0].seconds if periods else 0,
        at=tuple(format_us(period.minute * _MINUTE_US) for period in periods),
        started=tuple(per_second(periods, started, now_us)),
        completed=ended[COMPLETED],
        compensated=ended[COMPENSATED],
        forced=ended[FORCED],
    )


def _definition(now: Situation, line: Line, wrong: Sequence[Trouble], periods: Sequence[Period]) -> DefinitionOverview:
    def begun(total: Total) -> int:
        return total.definitions[line.name].started if line.name in total.definitions else 0

    own = {name: one for name, one in now.total.definitions.items() if name == line.name}
    before = {name: one for name, one in now.usual.definitions.items() if name == line.name}
    of_participants = {one.subject for one in wrong if one.code != COMPENSATED_MORE}
    return DefinitionOverview(
        name=line.name,
        version=line.version if line.active else None,
        open=sum(count for (name, _), count in now.figures.sagas_by_phase.items() if name == line.name),
        over_time=_ended(own, _seconds(now.periods, now.now_us)),
        usual=_ended(before, DAY_S),
        waits_for=tuple(name for name in line.participants if name in of_participants and line.name in _waiting(now, name)),
        started_per_s=tuple(per_second(periods, begun, now.now_us)),
    )


def _waiting(now: Situation, participant: str) -> Collection[str]:
    """The definitions that have sagas which wait for it."""
    wait = now.waits.of.get(participant)
    return () if wait is None else wait.definitions


def _participants(now: Situation) -> list[str]:
    """Those that definitions name, and others that figures are known of."""
    return sorted({name for line in now.lines for name in line.participants} | now.total.participants.keys())


def _machine(now: Situation) -> Machine:
    figures, counted = now.figures, now.total.instances
    oldest_us, due_us = figures.outbox_oldest_at_us, figures.wakeup_earliest_due_us
    return Machine(
        instances=tuple(InstanceLine(name=one.name, seen_at=format_us(one.seen_at_us)) for one in now.instances),
        instance=now.own_name,
        commit_p50_ms=_ms(counted.commits, 0.5),
        commit_p95_ms=_ms(counted.commits, 0.95),
        database_bytes=now.size_bytes,
        outbox=figures.outbox_depth,
        outbox_oldest_s=0.0 if oldest_us is None else max(figures.now_us - oldest_us, 0) / 1e6,
        unread=dict(now.lag),
        timers_overdue_s=0.0 if due_us is None else max(figures.now_us - due_us, 0) / 1e6,
        timers_late_p95_ms=_ms(counted.late, 0.95),
        timers_seen_at=None if now.timers_seen_us is None else format_us(now.timers_seen_us),
        dead_letters_today=now.dead_letters_today,
        kafka_away=now.kafka_away,
    )
