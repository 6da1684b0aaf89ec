"""One participant as the overview shows it: its commands, its answers, and what they took. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from saga_coordinator.telemetry.log_buckets import percentile_us
from saga_coordinator.telemetry.traffic_figures import OTHER, ParticipantFigures
from saga_coordinator.views.open_waits import OpenWait, Wait
from saga_coordinator.views.situation import Situation
from saga_coordinator.views.traffic_periods import Period, Total, passed_s, per_second
from saga_coordinator.views.trouble import Trouble
from saga_coordinator.views.trouble_of_participants import answered
from saga_schemas.outcomes import Outcome
from saga_schemas.times import format_us

PARTS: Final = ("wire", "queue", "handler")
CODES_SHOWN: Final = 10
GOOD: Final = (Outcome.SUCCEEDED, Outcome.UNDONE, Outcome.NOTHING_TO_UNDO)
"""What was asked is done, or there was nothing to do."""
_WITH_CODES: Final = (Outcome.FAILED, Outcome.REJECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """What answered commands took, in milliseconds."""

    part: str
    """`wire`, `queue` or `handler`."""
    p50_ms: float | None
    p95_ms: float | None
    usual_p95_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeLine:
    """A code that it gave with FAILED or REJECTED."""

    outcome: str
    code: str
    count: int
    share: float
    """Of all its answers."""
    usual_share: float | None
    per_s: tuple[float, ...]
    """As in `rates`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingSaga:
    """A saga that waits for it."""

    saga_id: str
    key: str | None
    definition: str
    step: str
    since: str | None
    """null: it is not silent."""
    code: str | None
    """The last that it was answered with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantOverview:
    """One participant."""

    name: str
    definitions: tuple[str, ...]
    """Those whose steps it has."""
    commands: int
    commands_per_s: float
    unread: int | None
    """Commands that it has not read; null: unknown."""
    readers: int | None
    """Its instances that read commands; null: unknown."""
    nobody_reads_since: str | None
    answers: Mapping[str, int]
    """By outcome."""
    succeeded: float | None
    """The share of answers that say what was asked is done; null: it has not answered."""
    codes: tuple[CodeLine, ...]
    """The most frequent first."""
    latency: tuple[Latency, ...]
    sent_at: str | None
    """When it was last sent a command, within two days."""
    heard_at: str | None
    waiting: int
    """Open sagas that wait for it."""
    waiting_since: str | None
    """Since when the first of them has."""
    longest: tuple[WaitingSaga, ...]
    troubles: tuple[str, ...]
    """Codes of the troubles that are about it."""
    per_s: tuple[float, ...]
    """Commands, as in `rates`, for a sparkline."""


def participant_overview(now: Situation, name: str, wrong: Sequence[Trouble], periods: Sequence[Period]) -> ParticipantOverview:
    """One participant, of one moment; `periods` are those that charts show."""
    figures = now.total.participants.get(name, ParticipantFigures())
    usual = now.usual.participants.get(name, ParticipantFigures())
    wait = now.waits.of.get(name, Wait())
    since_us = now.nobody_reads.get(name)
    good = sum(figures.replies.get(outcome, {}).get("", 0) for outcome in GOOD)
    answers = answered(figures)
    seconds = sum(passed_s(period, now.now_us) for period in now.periods)
    return ParticipantOverview(
        name=name,
        definitions=tuple(line.name for line in now.lines if name in line.participants),
        commands=figures.commands,
        commands_per_s=round(figures.commands / seconds, 3),
        unread=now.unread_commands.get(name),
        readers=now.readers.get(name),
        nobody_reads_since=None if since_us is None else format_us(since_us),
        answers={outcome: sum(codes.values()) for outcome, codes in sorted(figures.replies.items())},
        succeeded=good / answers if answers else None,
        codes=_codes(now, name, figures, usual, periods),
        latency=tuple(_latency(part, figures, usual) for part in PARTS),
        sent_at=_at(max(figures.sent_at_us, usual.sent_at_us)),
        heard_at=_at(max(figures.heard_at_us, usual.heard_at_us)),
        waiting=wait.sagas,
        waiting_since=_at(wait.oldest_us),
        longest=tuple(_waiting(one) for one in wait.longest),
        troubles=tuple(one.code for one in wrong if one.subject == name),
        per_s=tuple(per_second(periods, lambda total: of_participant(total, name).commands, now.now_us)),
    )


_NOTHING: Final = ParticipantFigures()


def of_participant(total: Total, name: str) -> ParticipantFigures:
    """Its figures in a total."""
    return total.participants.get(name, _NOTHING)


def _codes(
    now: Situation, name: str, figures: ParticipantFigures, usual: ParticipantFigures, periods: Sequence[Period]
) -> tuple[CodeLine, ...]:
    """The codes that were given most; those beyond the bound are one line, `other`."""
    given = [(outcome, code, count) for outcome in _WITH_CODES for code, count in figures.replies.get(outcome, {}).items()]
    given.sort(key=lambda one: (-one[2], one[0], one[1]))
    shown = given[:CODES_SHOWN]
    rest = sum(count for _, _, count in given[CODES_SHOWN:])
    answers, before = max(answered(figures), 1), answered(usual)
    lines = [
        CodeLine(
            outcome=outcome,
            code=code,
            count=count,
            share=count / answers,
            usual_share=usual.replies.get(outcome, {}).get(code, 0) / before if before else None,
            per_s=tuple(per_second(periods, _code_count(name, outcome, code), now.now_us)),
        )
        for outcome, code, count in shown
    ]
    if rest:
        lines.append(CodeLine(outcome="", code=OTHER, count=rest, share=rest / answers, usual_share=None, per_s=()))
    return tuple(lines)


def _code_count(name: str, outcome: str, code: str) -> Callable[[Total], int]:
    return lambda total: of_participant(total, name).replies.get(outcome, {}).get(code, 0)


def _latency(part: str, figures: ParticipantFigures, usual: ParticipantFigures) -> Latency:
    buckets = figures.parts.get(part, {})
    return Latency(
        part=part,
        p50_ms=_ms(percentile_us(buckets, 0.5)),
        p95_ms=_ms(percentile_us(buckets, 0.95)),
        usual_p95_ms=_ms(percentile_us(usual.parts.get(part, {}), 0.95)),
    )


def _waiting(one: OpenWait) -> WaitingSaga:
    return WaitingSaga(
        saga_id=str(one.saga_id),
        key=one.business_key,
        definition=one.definition,
        step=one.step,
        since=_at(one.since_us),
        code=one.code or None,
    )


def _ms(us: float | None) -> float | None:
    return None if us is None else round(us / 1000, 3)


def _at(time_us: int) -> str | None:
    return format_us(time_us) if time_us else None
