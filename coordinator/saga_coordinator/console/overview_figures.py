"""The figures of the overview and of participants, as the pages write and draw them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from markupsafe import Markup

from saga_coordinator.console.drawing.chart import Chart, Mark, Series, spark
from saga_coordinator.console.formatting import ago, duration, number, rate, share
from saga_coordinator.views import words
from saga_coordinator.views.overview import Ended, Overview
from saga_coordinator.views.overview_participants import ParticipantOverview
from saga_coordinator.views.participant_detail import ParticipantDetail
from saga_coordinator.views.trouble import Trouble
from saga_coordinator.views.words import many, size
from saga_schemas.outcomes import Outcome
from saga_schemas.record_class import record

MARKS_SHOWN: Final = 2
_BEGINS: Final = frozenset({"participant_fails", "participant_rejects", "participant_silent", "nobody_reads"})


@record
class Tile:
    """One number, what it is, and what to compare it with."""

    name: str
    value: str
    beside: str | Markup
    tone: str = ""
    """Classes: a colour with a meaning, or `pair` for two values."""
    page: str = ""
    """Where more of it is, below the console's root; empty: nowhere."""


def tiles(found: Overview) -> list[Tile]:
    """The six numbers that are read first."""
    now, usual = found.over_time, found.usual
    return [
        Tile(name="open", value=number(found.open.sagas), beside=_open(found), page="sagas"),
        Tile(
            name="started",
            value=rate(now.started_per_s),
            beside=spark(found.rates.started, f"starts a second over time, now {rate(_last(found.rates.started))}")
            or f"usual: {_usual_rate(usual)}",
        ),
        Tile(name="completed", value=share(now.completed), beside=_ended(now, usual), tone="done" if now.ended else ""),
        Tile(
            name="compensated",
            value=share(now.compensated),
            beside=f"usual: {share(usual.compensated)}" + (f", forced {share(now.forced)}" if now.forced else ""),
            tone="back" if now.compensated else "",
        ),
        Tile(name="p50 · p95", value=f"{duration(now.p50_ms)} · {duration(now.p95_ms)}", beside=_took(now, usual), tone="pair"),
        Tile(
            name="need a person",
            value=number(found.attention.count),
            beside=_longest(found),
            tone="hot" if found.attention.count else "",
            page="attention",
        ),
    ]


def _open(found: Overview) -> str:
    waiting = max(found.participants, key=lambda one: one.waiting, default=None)
    if waiting is not None and waiting.waiting > 1:
        return f"{number(waiting.waiting)} waiting on {waiting.name}"
    phases = [f"{number(count)} {phase.lower()}" for phase, count in sorted(found.open.by_phase.items(), key=lambda one: -one[1])]
    return ", ".join(phases[:2]) or "nothing runs"


def _ended(now: Ended, usual: Ended) -> str:
    return f"of {many(now.ended, 'saga')} that ended" if now.ended else f"usual: {share(usual.completed)}"


def _took(now: Ended, usual: Ended) -> str:
    if usual.p95_ms is None:
        return "start to end" if now.ended else "nothing has ended"
    return f"usual: {duration(usual.p50_ms)} · {duration(usual.p95_ms)}"


def _usual_rate(usual: Ended) -> str:
    return rate(usual.started_per_s if usual.started else None)


def _longest(found: Overview) -> str | Markup:
    if not found.attention.longest:
        return "nobody" if not found.attention.count else ""
    return Markup("longest since {}").format(ago(found.attention.longest[0].since))


def _last(values: Sequence[float]) -> float | None:
    return values[-1] if values else None


# --- drawings -------------------------------------------------------------------------------------


def rates_chart(found: Overview) -> Chart:
    """Starts and ends over time, with the beginning of what goes wrong."""
    rates = found.rates
    series = [
        Series(name="started", tone="fwd", values=rates.started),
        Series(name="completed", tone="done", values=rates.completed),
        Series(name="compensated", tone="back", values=rates.compensated),
    ]
    if any(rates.forced):
        series.append(Series(name="forced", tone="wait", values=rates.forced))
    return Chart(
        name="rates",
        title="Sagas started and ended a second",
        at=rates.at,
        series=series,
        words=rate,
        marks=_marks(found.troubles, rates.at),
    )


def answers_chart(detail: ParticipantDetail) -> Chart:
    """What it answers over time."""
    at = detail.overview.rates.at
    return Chart(
        name="answers",
        title=f"Commands to {detail.participant.name} and its answers, a second",
        at=at,
        series=[
            Series(name="commands", tone="fwd", values=detail.commands),
            Series(name="done", tone="done", values=detail.done),
            Series(name="failed", tone="hot", values=detail.failed),
            Series(name="rejected", tone="back", values=detail.rejected),
        ],
        words=rate,
        marks=_marks(detail.troubles, at),
    )


def latency_chart(detail: ParticipantDetail) -> Chart:
    """What its answers took over time, part by part."""
    tones = {"queue": "wait", "handler": "fwd", "wire": "soft"}
    return Chart(
        name="latency",
        title=f"What answers of {detail.participant.name} took: 95 of 100 no longer than",
        at=detail.overview.rates.at,
        series=[Series(name=part, tone=tone, values=detail.p95_ms[part]) for part, tone in tones.items()],
        words=duration,
    )


def _marks(troubles: Sequence[Trouble], at: Sequence[str]) -> list[Mark]:
    """Where what goes wrong with participants began, within the chart."""
    found: list[Mark] = []
    for trouble in troubles:
        if trouble.code in _BEGINS and trouble.since is not None and at and at[0] < trouble.since:
            place = max(number for number, begin in enumerate(at) if begin <= trouble.since)
            found.append(Mark(place=place, words=f"{trouble.subject} begins to {_VERBS[trouble.code]}"))
    return found[:MARKS_SHOWN]


_VERBS: Final = {
    "participant_fails": "fail",
    "participant_rejects": "say no",
    "participant_silent": "be silent",
    "nobody_reads": "be away",
}


def sparks(found: Overview) -> Mapping[str, Markup]:
    """Starts of each definition and commands to each participant, by `d/NAME` and `p/NAME`."""
    drawn = {f"d/{one.name}": spark(one.started_per_s, f"starts of {one.name} a second over time") for one in found.definitions}
    return drawn | {f"p/{one.name}": spark(one.per_s, f"commands to {one.name} a second over time") for one in found.participants}


def code_sparks(one: ParticipantOverview) -> list[Markup]:
    return [spark(line.per_s, f"{line.code} a second over time") for line in one.codes]


# --- words ----------------------------------------------------------------------------------------


@record
class Fact:
    name: str
    words: str | Markup
    tone: str = ""


def machine_facts(found: Overview) -> list[Fact]:
    """The coordinator itself, and what it stands on."""
    machine = found.machine
    unread = sum(machine.unread.values())
    named = len(machine.instances)
    instances = number(named) if machine.instance or named else "1, without a name"
    commit = "no commit yet" if machine.commit_p50_ms is None else f"{words.duration(machine.commit_p50_ms * 1000)} a commit"
    late = machine.timers_overdue_s > 1
    return [
        Fact(name="instances", words=instances),
        Fact(name="database", words=commit if machine.database_bytes is None else f"{commit}, {size(machine.database_bytes)}"),
        Fact(
            name="outbox",
            words=f"{number(machine.outbox)}, oldest {duration(machine.outbox_oldest_s * 1000)}" if machine.outbox else "empty",
            tone="wait" if machine.outbox_oldest_s > 1 else "",
        ),
        Fact(name="replies", words=f"{number(unread)} unread" if unread else "all read" if machine.unread else "unknown"),
        Fact(
            name="timers",
            words=f"late by {duration(machine.timers_overdue_s * 1000)}" if late else "none late",
            tone="wait" if late else "",
        ),
        Fact(
            name="dead letters",
            words=f"{number(machine.dead_letters_today)} in 24 h",
            tone="wait" if machine.dead_letters_today else "",
        ),
        Fact(
            name="Kafka", words="does not answer" if machine.kafka_away else "answers", tone="hot" if machine.kafka_away else ""
        ),
    ]


def causes(found: Overview) -> Mapping[str, str]:
    """By participant that fails: the code that it mostly gives."""
    failing = {one.subject for one in found.troubles if one.code == "participant_fails"}
    return {
        one.name: line.code
        for one in found.participants
        if one.name in failing
        for line in one.codes[:1]
        if line.outcome == Outcome.FAILED and line.code
    }
