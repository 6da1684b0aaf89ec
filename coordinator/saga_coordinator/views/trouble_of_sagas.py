"""What is wrong with sagas as a whole, and with the coordinator that sees to them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, urlencode

from saga_coordinator.query import quoted
from saga_coordinator.views.situation import Situation
from saga_coordinator.views.traffic_periods import Total
from saga_coordinator.views.trouble import BAD, SECOND_US, WARN, WATCH, Link, Trouble, WayOut, for_so_long, most
from saga_coordinator.views.words import duration, listed, many, percent
from saga_schemas.times import format_us

COMPENSATED_MORE: Final = "compensated_more"
OUTBOX_US: Final = 10 * SECOND_US
LAG_RECORDS: Final = 1_000
TIMERS_US: Final = 20 * SECOND_US
OVERDUE_US: Final = 30 * SECOND_US
BACK_SHARE: Final = 0.05
BACK_TIMES: Final = 3
BACK_LEAST: Final = 20


def attention(now: Situation) -> Iterator[Trouble]:
    if not now.attention:
        return
    by_reason = sorted(now.figures.attention_by_reason.items(), key=lambda one: (-one[1], one[0]))
    reasons = listed([f"{reason} {count:,}" for reason, count in by_reason])
    first = now.attentions[0] if now.attentions else None
    longest = "" if first is None else f", the longest for {for_so_long(now, first.since_us)}"
    yield Trouble(
        code="person_needed",
        severity=BAD,
        subject=None,
        sentence=f"{now.attention:,} {'waits' if now.attention == 1 else 'wait'} for a person{longest}",
        detail=f"{reasons}. Retry a step once the cause is mended, or waive it with evidence.",
        since=None if first is None else format_us(first.since_us),
        links=(Link(text=f"Open the {now.attention:,}" if now.attention > 1 else "Open it", page="attention"),),
    )


def paused(now: Situation) -> Iterator[Trouble]:
    for held in now.pauses:
        yield Trouble(
            code="paused",
            severity=WATCH,
            subject=held.name,
            sentence=f"the {held.scope} {held.name} is paused, for {for_so_long(now, held.since_us)}: {held.why}",
            detail=f"By {held.who}. Answers are taken in; nothing new is asked until it is resumed.",
            since=format_us(held.since_us),
            links=(Link(text=f"Open {held.name}", page=f"{held.scope}s/{quote(held.name, safe='')}"),),
            acts=(
                WayOut(
                    text=f"Resume {held.name}…",
                    command=f"saga resume --{held.scope} {held.name} --reason WHY",
                    page=f"{held.scope}s/{quote(held.name, safe='')}#pause",
                ),
            ),
        )


def goes_back(now: Situation) -> Iterator[Trouble]:
    for name in sorted(now.total.definitions):
        share, count = went_back(now.total, name)
        usual, known = went_back(now.usual, name)
        if count < BACK_LEAST or known < BACK_LEAST or share < BACK_SHARE or share < BACK_TIMES * usual:
            continue
        query = urlencode({"query": f"definition = {quoted(name)} and phase = COMPENSATED"})
        yield Trouble(
            code=COMPENSATED_MORE,
            severity=WATCH,
            subject=name,
            sentence=f"{percent(share)} of {name} went back, usually {percent(usual)}",
            detail=f"Of {many(count, 'saga')} that ended. Their reasons say what turned them back.",
            since=None,
            links=(Link(text="Open them", page=f"sagas?{query}"),),
        )


def went_back(total: Total, definition: str) -> tuple[float, int]:
    """The share of the sagas that ended compensated, and how many ended."""
    ended = total.definitions[definition].ended if definition in total.definitions else {}
    count = sum(sum(buckets.values()) for buckets in ended.values())
    return sum(ended.get("COMPENSATED", {}).values()) / max(count, 1), count


# --- the coordinator ------------------------------------------------------------------------------


def outbox(now: Situation) -> Iterator[Trouble]:
    oldest_us = now.figures.outbox_oldest_at_us
    if oldest_us is None or now.figures.now_us - oldest_us < OUTBOX_US:
        return
    why = f"Kafka does not answer ({now.kafka_away})." if now.kafka_away else "See that an instance with the role sweeper runs."
    yield Trouble(
        code="outbox_old",
        severity=BAD,
        subject=None,
        sentence=f"messages do not leave: the oldest of {now.figures.outbox_depth:,} has waited for {for_so_long(now, oldest_us)}",
        detail=f"{why} None is lost; they leave by themselves.",
        since=format_us(oldest_us),
        links=(Link(text="Open the machine", page="machine"),),
    )


def kafka_away(now: Situation) -> Iterator[Trouble]:
    oldest_us = now.figures.outbox_oldest_at_us
    if now.kafka_away and (oldest_us is None or now.figures.now_us - oldest_us < OUTBOX_US):
        yield Trouble(
            code="kafka_away",
            severity=BAD,
            subject=None,
            sentence="Kafka does not answer",
            detail=f"{now.kafka_away}. Sagas wait, and go on by themselves once it is back.",
            since=None,
            links=(Link(text="Open the machine", page="machine"),),
        )


def unread_replies(now: Situation) -> Iterator[Trouble]:
    behind = {topic: lag for topic, lag in now.lag.items() if lag >= LAG_RECORDS}
    if behind:
        yield Trouble(
            code="replies_unread",
            severity=WARN,
            subject=None,
            sentence=f"{sum(behind.values()):,} records are not read: {listed(sorted(behind))}",
            detail="See that an instance with the roles replies and starts runs, and whether the database is slow.",
            since=None,
            links=(Link(text="Open the machine", page="machine"),),
        )


def timers(now: Situation) -> Iterator[Trouble]:
    if not now.open:
        return
    due_us, seen_us = now.figures.wakeup_earliest_due_us, now.timers_seen_us
    late_us = 0 if due_us is None else now.figures.now_us - due_us
    if seen_us is None or now.now_us - seen_us > TIMERS_US:
        since = "" if seen_us is None else f" for {for_so_long(now, seen_us)}"
        sentence, severity = f"no instance fires timers{since}", BAD
        detail = "Retries, time limits and silent participants wait. Start an instance with the role timers."
    elif late_us > OVERDUE_US:
        sentence, severity = f"timers are late: the earliest by {duration(late_us)}", WARN
        detail = "See whether the database is slow, or one saga cannot be opened: the log of the instance says which."
    else:
        return
    yield Trouble(
        code="timers_late",
        severity=severity,
        subject=None,
        sentence=sentence,
        detail=detail,
        since=None,
        links=(Link(text="Open the machine", page="machine"),),
    )


def dead_letters(now: Situation) -> Iterator[Trouble]:
    letters = now.latest.instances.letters
    if not letters:
        return
    reason, _ = most(letters)
    yield Trouble(
        code="dead_letters",
        severity=WARN,
        subject=None,
        sentence=f"{many(sum(letters.values()), 'record')} could not be read in the last 10 minutes: {reason}",
        detail=f"{many(now.dead_letters_today, 'dead letter')} in 24 hours. Whoever sent them may have changed; they can be sent again.",
        since=None,
        links=(Link(text="Open them", page="dead-letters"),),
    )


def problems(now: Situation) -> Iterator[Trouble]:
    for what, text in sorted(now.problems.items()):
        yield Trouble(
            code="instance_problem",
            severity=BAD,
            subject=None,
            sentence=f"{now.own_name or 'this instance'} cannot do all of its work: {what.replace('_', ' ')}",
            detail=text,
            since=None,
            links=(Link(text="Open the machine", page="machine"),),
        )


def recovery(now: Situation) -> Iterator[Trouble]:
    left = now.recovering
    if left is not None:
        whom = f" They wait for {listed(list(left.unanswered))}." if left.unanswered else ""
        yield Trouble(
            code="recovery",
            severity=WARN,
            subject=None,
            sentence=f"a recovery goes on: {many(left.sagas, 'saga')} ask again what they ever asked",
            detail=f"The database was restored from a backup.{whom} All else is served meanwhile; it ends by itself.",
            since=None,
            links=(Link(text="Open the participants", page="participants"),),
        )
    if now.unswept:
        yield Trouble(
            code="unswept",
            severity=WARN,
            subject=None,
            sentence=f"{listed(list(now.unswept))} {'has' if len(now.unswept) == 1 else 'have'} not told all rows since the restore",
            detail="They are asked again by themselves. One that is gone for good can be passed over.",
            since=None,
            acts=(
                WayOut(
                    text="Pass over one that is gone…",
                    command="saga recover skip-participant NAME --reason WHY",
                    page="participants",
                ),
            ),
        )


def retention(now: Situation) -> Iterator[Trouble]:
    if now.retention is not None:
        yield Trouble(
            code="retention",
            severity=WARN,
            subject=None,
            sentence="what is finished is not removed",
            detail=f"{now.retention}. Nothing is lost; the database grows meanwhile.",
            since=None,
            links=(Link(text="Open the machine", page="machine"),),
        )
