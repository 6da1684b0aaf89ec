"""Checks of the way of a command and of its answer: Kafka, topics, the outbox, dead letters, the
participant.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from saga_coordinator.diagnosis.finding import Finding, cannot_tell, found, ok
from saga_coordinator.diagnosis.runbook import Anchor
from saga_coordinator.diagnosis.situation import Situation
from saga_coordinator.engine.state import Status, StepState
from saga_coordinator.engine.waiting import Waiting, about

SILENT_AFTER_US: Final = 30_000_000
"""An answer that is younger is nothing to wonder about."""
NO_NEWS_AFTER_US: Final = 300_000_000
LAG: Final = 1_000
"""So many unread replies of one participant are a backlog."""
_ANSWER: Final = ("reply", "reply_backlog", "expired", "accepted")
_TRYING: Final = frozenset({Status.BACKOFF, Status.UNDO_BACKOFF})


def kafka(s: Situation) -> list[Finding]:
    if s.kafka_away is None:
        return ok("Kafka answers the instance that was asked")
    return [
        found(
            f"Kafka does not answer: {s.kafka_away}",
            cause="the instance that was asked does not reach the broker, so commands do not leave and answers do not come",
            way_out="see that Kafka runs and can be reached from the coordinators; everything goes on by itself then",
            anchor=Anchor.KAFKA_AWAY,
        )
    ]


def commands_sent(s: Situation) -> list[Finding]:
    return [_unsent(s, step) for step in sorted(s.unsent)] or ok("all of its commands have left")


def _unsent(s: Situation, step: str) -> Finding:
    command = s.unsent[step]
    age = about(max(0, s.now_us - command.since))
    if command.refused is not None:
        return found(
            f"its command was made {age} ago and the broker refuses it: {command.refused}",
            step=step,
            cause="the broker does not take this record: its size, our rights, or the topic",
            way_out="mend that; the command is sent again by itself",
            anchor=Anchor.REFUSED_COMMAND,
        )
    swept = s.has_role("sweeper")
    cause = "no live instance has the role sweeper" if swept is False else "the instance that made it did not send it, or not yet"
    way_out = "start an instance with the role sweeper" if swept is False else "see the log of the sweepers (`publish_held`)"
    return found(
        f"its command was made {age} ago and is in the outbox still",
        step=step,
        cause=cause,
        way_out=f"{way_out}; the command is sent by itself then",
        anchor=Anchor.UNSENT_COMMAND,
    )


def command_topics(s: Situation) -> list[Finding]:
    asked = s.asked
    unread = [name for name in asked if name in s.unread]
    if unread:
        return [_unread(s, name) for name in unread]
    if (trouble := s.problem("readers")) is not None and asked:
        return cannot_tell(f"it is not known who reads commands ({trouble})")
    return ok(f"somebody reads the commands of {', '.join(asked)}" if asked else "it waits for no participant")


def _unread(s: Situation, participant: str) -> Finding:
    step = next(wait.step for wait in s.waits if s.participant(wait.step) == participant)
    return found(
        s.unread[participant],
        step=step,
        cause=f"{participant} is not running, or its consumers read under another group or topic prefix",
        way_out=f"start {participant}; what it was asked waits for it, and is asked again by itself",
        anchor=Anchor.UNREAD_COMMANDS,
    )


def replies_refused(s: Situation) -> list[Finding]:
    waiting = {wait.step for wait in s.waits}
    steps = dict.fromkeys(one.step for one in s.refused if one.step in waiting)
    latest = [next(one for one in s.refused if one.step == step) for step in steps]
    if not latest:
        return ok("no reply to it was refused in the last 15 minutes")
    return [
        found(
            f"a reply was refused: {one.reason}{f' ({one.detail})' if one.detail else ''}",
            step=one.step,
            cause="the reply is a dead letter: it was not in a form that the coordinator reads",
            way_out=one.way_out,
            anchor=Anchor.REFUSED_REPLY,
        )
        for one in latest
    ]


def replies_read(s: Situation) -> list[Finding]:
    if s.open and s.has_role("replies") is False:
        return [
            found(
                "no live instance has the role replies",
                cause="nobody reads what participants answer",
                way_out="start an instance with the role replies",
                anchor=Anchor.ROLES,
            )
        ]
    late = [name for name in s.asked if s.lag.get(name, 0) >= LAG]
    if late:
        return [_late(name, s.lag[name]) for name in late]
    backlog = [wait for wait in s.waits if wait.name == "reply_backlog"]
    if backlog:
        return [_backlog(s, wait) for wait in backlog]
    if s.kafka_away is not None:
        return cannot_tell("while Kafka does not answer nobody knows how far replies are read")
    return ok("no backlog of replies is known")


def _late(participant: str, lag: int) -> Finding:
    return found(
        f"{lag} replies of {participant} are not read yet",
        cause="replies come faster than they are applied, or a partition stands still",
        way_out="look at the database and at `/readyz` of all instances; more instances share the partitions",
        anchor=Anchor.LATE_REPLIES,
    )


def _backlog(s: Situation, wait: Waiting) -> Finding:
    return found(
        f"a limit has passed{_since(s, wait)}, and does not act yet",
        step=wait.step,
        cause="a limit acts once the participant was asked again after it, and its replies are read up to then",
        way_out="nothing where it passes within minutes; otherwise see that an instance has the roles replies and timers, "
        "and what `/readyz` of it says of `drains` and `life`",
        anchor=Anchor.LATE_REPLIES,
    )


def clocks(s: Situation) -> list[Finding]:
    return [_expired(s, step, state) for step, state in _states(s) if state.skew_us is not None] or ok(
        "no participant answered that a command came too late"
    )


def _expired(s: Situation, step: str, state: StepState) -> Finding:
    participant = s.participant(step) or "the participant"
    if state.skew_us:
        return found(
            f"{participant} answers EXPIRED, and its clock is ahead by about {about(state.skew_us)}",
            step=step,
            cause=f"the clock of {participant}'s database is ahead of the coordinator's database",
            way_out="set the clocks right; it is asked again by itself",
            anchor=Anchor.CLOCKS,
        )
    return found(
        f"{participant} answers EXPIRED, and clocks do not seem to differ",
        step=step,
        cause=f"{participant} takes commands after their expiry: it is far behind, or `timeout.expiry` is too short",
        way_out=f"let {participant} catch up (more instances), or give the definition's next version a longer `timeout.expiry`",
        anchor=Anchor.TOO_LATE,
    )


def failures(s: Situation) -> list[Finding]:
    return [_failing(s, step, state) for step, state in _states(s) if state.status in _TRYING] or ok("no step waits for a retry")


def _failing(s: Situation, step: str, state: StepState) -> Finding:
    participant = s.participant(step) or "the participant"
    spent = state.undo_spent if state.status is Status.UNDO_BACKOFF else state.spent
    what = "the undo" if state.status is Status.UNDO_BACKOFF else "the action"
    said = f" ({state.code}{': ' + state.message if state.message else ''})" if state.code else ""
    return found(
        f"{participant} has failed {what} {spent} time{'' if spent == 1 else 's'}{said}",
        step=step,
        cause="the participant answers FAILED: its own database or somebody that it calls does not do its part",
        way_out=f"see the log of {participant}; it is tried again by itself{_until(s, state)}, and at once by `saga step retry`",
        anchor=Anchor.FAILING_PARTICIPANT,
    )


def participants(s: Situation) -> list[Finding]:
    """Silence that nothing else explains."""
    hidden = s.kafka_away is not None
    silent = [] if hidden else [wait for wait in s.waits if _is_silent(s, wait)]
    if silent:
        return [_silent(s, wait) for wait in silent]
    return ok("nobody is silent for long" if s.waits else "it waits for nobody")


def _is_silent(s: Situation, wait: Waiting) -> bool:
    explained = {one.step for one in s.refused} | set(s.unsent)
    if wait.since_us is None or wait.step in explained or s.participant(wait.step) in s.unread:
        return False
    age_us = s.now_us - wait.since_us
    if wait.name == "accepted":
        return age_us > NO_NEWS_AFTER_US
    return wait.name == "reply" and age_us > SILENT_AFTER_US


def _silent(s: Situation, wait: Waiting) -> Finding:
    participant = s.participant(wait.step) or "the participant"
    if wait.name == "accepted":
        return found(
            f"{participant} accepted the step{_since(s, wait)} and has not ended it",
            step=wait.step,
            cause=f"{participant} answered IN_PROGRESS, and what it waits for has not come",
            way_out=f"find out what {participant} waits for: its last note is in `saga show`",
            anchor=Anchor.NO_NEWS,
        )
    return found(
        f"{participant} was asked{_since(s, wait)} and has not answered",
        step=wait.step,
        cause=f"{participant} reads its commands and does not answer this one: it is far behind, stuck, or its answers do not leave",
        way_out=f"see the log of {participant}; it is asked again by itself, and at once by `saga step retry`",
        anchor=Anchor.SILENT_PARTICIPANT,
    )


def _states(s: Situation) -> Iterator[tuple[str, StepState]]:
    if s.saga is not None and s.open:
        yield from s.saga.steps.items()


def _since(s: Situation, wait: Waiting) -> str:
    return "" if wait.since_us is None else f" {about(max(0, s.now_us - wait.since_us))} ago"


def _until(s: Situation, state: StepState) -> str:
    if state.due_at_us is None or state.due_at_us <= s.now_us:
        return ""
    return f" in {about(state.due_at_us - s.now_us)}"
