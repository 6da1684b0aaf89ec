"""What is wrong with a participant: it is not there, fails, is silent, is behind, or says no more
often than usual. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from saga_coordinator.telemetry.log_buckets import percentile_us
from saga_coordinator.telemetry.traffic_figures import ParticipantFigures
from saga_coordinator.views.situation import Situation
from saga_coordinator.views.traffic_periods import Period
from saga_coordinator.views.trouble import (
    BAD,
    MINUTE_US,
    SECOND_US,
    WARN,
    WATCH,
    Trouble,
    for_so_long,
    most,
    participant_page,
    pausing,
    since_then,
    who_waits,
)
from saga_coordinator.views.words import duration, many, percent
from saga_schemas.outcomes import Outcome
from saga_schemas.times import format_us

FAILS_SHARE: Final = 0.1
FAILS_LEAST: Final = 3
REJECTS_SHARE: Final = 0.3
REJECTS_TIMES: Final = 3
REJECTS_LEAST: Final = 10
GAP_MINUTES: Final = 3
"""Minutes without a failure that do not end it."""
SILENT_US: Final = 60 * SECOND_US
QUEUE_US: Final = SECOND_US
QUEUE_TIMES: Final = 5


def nobody_reads(now: Situation) -> Iterator[Trouble]:
    for name, since_us in now.nobody_reads.items():
        waiting = now.waits.sagas(name)
        yield Trouble(
            code="nobody_reads",
            severity=BAD if waiting else WARN,
            subject=name,
            sentence=f"nobody reads the commands to {name}, for {for_so_long(now, since_us)}",
            detail=f"{who_waits(now, name)} Start {name}, or see in its log why it does not read.",
            since=format_us(since_us),
            links=(participant_page(now, name),),
        )


def fails(now: Situation) -> Iterator[Trouble]:
    for name, figures in answering(now):
        failed = figures.replies.get(Outcome.FAILED, {})
        answers, failures = answered(figures), sum(failed.values())
        if failures < FAILS_LEAST or failures < FAILS_SHARE * answers:
            continue
        code, count = most(failed)
        since = begin_of(now.recent, name, Outcome.FAILED, code)
        told = percent(count / answers)
        others = "" if count == failures else f", and other codes in {percent((failures - count) / answers)}"
        yield Trouble(
            code="participant_fails",
            severity=BAD,
            subject=name,
            sentence=f"{name} answers, but fails: {code or 'without a code'} in {told} of its answers{others}{since_then(now, since)}",
            detail=f"{who_waits(now, name)} Each is tried again by itself. What {code or 'it'} means only {name} knows: ask who runs it.",
            since=None if since is None else format_us(since),
            links=(participant_page(now, name),),
            acts=() if now.is_paused(name) else (pausing(name),),
        )


def silent(now: Situation) -> Iterator[Trouble]:
    for name, wait in now.waits.of.items():
        if not wait.oldest_us or name in now.nobody_reads or now.is_paused(name) or now.now_us - wait.oldest_us < SILENT_US:
            continue
        known = now.total.participants.get(name)
        heard_us = known.heard_at_us if known is not None else 0
        if now.now_us - heard_us < SILENT_US:
            continue
        unread = now.unread_commands.get(name)
        backlog = "" if not unread else f" It has {many(unread, 'command')} to read."
        yield Trouble(
            code="participant_silent",
            severity=BAD,
            subject=name,
            sentence=f"{name} does not answer: a command has waited for {for_so_long(now, wait.oldest_us)}",
            detail=f"{who_waits(now, name)}{backlog} It is asked again by itself. See whether {name} runs, and what it waits for.",
            since=format_us(wait.oldest_us),
            links=(participant_page(now, name),),
            acts=(pausing(name),),
        )


def behind(now: Situation) -> Iterator[Trouble]:
    for name, figures in answering(now):
        took_us = percentile_us(figures.parts.get("queue", {}), 0.95)
        known = now.usual.participants.get(name)
        usual_us = percentile_us(known.parts.get("queue", {}), 0.95) if known is not None else None
        if took_us is None or took_us < QUEUE_US or took_us < QUEUE_TIMES * (usual_us or 0):
            continue
        usually = "" if usual_us is None else f", usually {duration(usual_us)}"
        yield Trouble(
            code="participant_behind",
            severity=WATCH,
            subject=name,
            sentence=f"{name} is behind: commands wait {duration(took_us)} before it begins with them{usually}",
            detail=f"{who_waits(now, name)} More instances of {name}, or more partitions of its topic, let it catch up.",
            since=None,
            links=(participant_page(now, name),),
        )


def rejects(now: Situation) -> Iterator[Trouble]:
    for name, figures in answering(now):
        code, count = most(figures.replies.get(Outcome.REJECTED, {}))
        share = count / max(answered(figures), 1)
        known = now.usual.participants.get(name)
        usual = known.replies.get(Outcome.REJECTED, {}).get(code, 0) / max(answered(known), 1) if known is not None else None
        if count < REJECTS_LEAST or share < REJECTS_SHARE or usual is None or share < REJECTS_TIMES * usual:
            continue
        since = begin_of(now.recent, name, Outcome.REJECTED, code)
        yield Trouble(
            code="participant_rejects",
            severity=WATCH,
            subject=name,
            sentence=f"{name} says no more often than usual: {code} in {percent(share)} of its answers, usually {percent(usual)}",
            detail="Each of these sagas goes back and undoes what it did.",
            since=None if since is None else format_us(since),
            links=(participant_page(now, name),),
        )


def answered(figures: ParticipantFigures) -> int:
    """Definite answers: all but those that say that it works on it."""
    return sum(sum(codes.values()) for outcome, codes in figures.replies.items() if outcome != Outcome.IN_PROGRESS)


def begin_of(recent: Sequence[Period], participant: str, outcome: str, code: str) -> int | None:
    """Since when a participant has answered so, to the minute: a few minutes without do not end it.

    None: as far back as is looked, so for at least an hour.
    """
    begin, gap = None, 0
    for period in reversed(recent):
        figures = period.total.participants.get(participant)
        if figures is not None and figures.replies.get(outcome, {}).get(code):
            begin, gap = period.minute, 0
        else:
            gap += 1
            if begin is not None and gap > GAP_MINUTES:
                return begin * MINUTE_US
    return None if begin is None or begin <= recent[0].minute + GAP_MINUTES else begin * MINUTE_US


def answering(now: Situation) -> Iterator[tuple[str, ParticipantFigures]]:
    yield from sorted(now.latest.participants.items())
