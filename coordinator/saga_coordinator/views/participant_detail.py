"""One participant over time, for its own page. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from saga_coordinator.telemetry.log_buckets import percentile_us
from saga_coordinator.views.overview import Overview, shown_periods
from saga_coordinator.views.overview_participants import GOOD, PARTS, ParticipantOverview, of_participant
from saga_coordinator.views.situation import Situation
from saga_coordinator.views.traffic_periods import Period, Total, per_second
from saga_coordinator.views.trouble import Trouble
from saga_schemas.outcomes import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantDetail:
    """One participant, in the periods of the overview's `rates`."""

    participant: ParticipantOverview
    troubles: tuple[Trouble, ...]
    overview: Overview
    commands: tuple[float, ...]
    """A second, as all that follows."""
    done: tuple[float, ...]
    """Answers that say that what was asked is done."""
    failed: tuple[float, ...]
    rejected: tuple[float, ...]
    p95_ms: Mapping[str, tuple[float | None, ...]]
    """By part; null where nothing was answered."""


def participant_detail(now: Situation, overview: Overview, name: str) -> ParticipantDetail | None:
    """One participant of this overview; None: there is none of this name."""
    participant = next((one for one in overview.participants if one.name == name), None)
    if participant is None:
        return None
    periods = shown_periods(now)

    def series(*outcomes: Outcome) -> tuple[float, ...]:
        return tuple(per_second(periods, _answers(name, outcomes), now.now_us))

    return ParticipantDetail(
        participant=participant,
        troubles=tuple(one for one in overview.troubles if one.subject == name and one.code in participant.troubles),
        overview=overview,
        commands=participant.per_s,
        done=series(*GOOD),
        failed=series(Outcome.FAILED),
        rejected=series(Outcome.REJECTED),
        p95_ms={part: tuple(_p95_ms(period, name, part) for period in periods) for part in PARTS},
    )


def _answers(name: str, outcomes: Sequence[Outcome]) -> Callable[[Total], int]:
    return lambda total: sum(sum(of_participant(total, name).replies.get(outcome, {}).values()) for outcome in outcomes)


def _p95_ms(period: Period, name: str, part: str) -> float | None:
    us = percentile_us(of_participant(period.total, name).parts.get(part, {}), 0.95)
    return None if us is None else round(us / 1000, 3)
