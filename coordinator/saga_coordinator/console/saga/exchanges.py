"""The commands and replies of one step, decoded: what was asked and said, attempt by attempt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from saga_coordinator.console.saga.payload_text import PayloadText, payload_text
from saga_coordinator.engine.encoding import UnreadableState, read_facts
from saga_coordinator.engine.facts import CommandSent, ReplySeen
from saga_coordinator.store.port import JournalRow
from saga_coordinator.views.journal import RecordView
from saga_coordinator.views.journal_words import Identity, identity_of
from saga_coordinator.views.saga import SagaView, StepView
from saga_coordinator.views.step_history import AttemptView
from saga_schemas.record_class import record

_WHAT: Final = {"action": "", "compensation": "undo ", "resolve": "ask about "}


@record
class Exchange:
    """One attempt: what was asked and what was said."""

    title: str
    anchor: str
    attempt: AttemptView
    record: str | None
    """The command's."""
    command: PayloadText | None
    command_note: str | None
    """Why it is not shown."""
    reply: PayloadText | None
    reply_note: str | None


def identity(step: str, attempt: AttemptView) -> Identity:
    return step, str(attempt.direction), attempt.run, attempt.attempt


def asked_at(view: SagaView) -> Mapping[Identity, str]:
    """When the commands of the attempts that the view shows were sent."""
    return {identity(step.name, attempt): attempt.asked_at for step in view.steps for attempt in step.attempts}


def rows_about(rows: Iterable[JournalRow], step: StepView) -> list[JournalRow]:
    """The records that have the commands of a step's shown attempts, or answers to them."""
    wanted = frozenset(identity(step.name, attempt) for attempt in step.attempts)
    named = step.name.encode()  # most records do not name it, and need not be read for that
    return [row for row in rows if named in row.facts and any(key in wanted for key in _identities(row))]


def _identities(row: JournalRow) -> list[Identity]:
    try:
        facts = read_facts(row)
    except UnreadableState:
        return []
    asked = [fact for fact in facts if isinstance(fact, CommandSent | ReplySeen)]
    return [(fact.step, fact.kind.value, fact.run, fact.attempt) for fact in asked]


def exchanges(step: StepView, records: Iterable[RecordView]) -> list[Exchange]:
    """The attempts of the step that the view shows, in its order, with their payloads."""
    commands: dict[Identity, Mapping[str, Any]] = {}
    replies: dict[Identity, Mapping[str, Any]] = {}
    for one in records:
        for fact in one.facts:
            found = {"command": commands, "reply": replies}.get(str(fact.get("fact")))
            if found is not None and fact.get("step") == step.name:
                found[identity_of(fact)] = fact
    return [
        _exchange(step.name, one, commands.get(identity(step.name, one)), replies.get(identity(step.name, one)))
        for one in step.attempts
    ]


def chosen(found: Sequence[Exchange], direction: str) -> Exchange | None:
    """The last attempt of a direction, or the last of all."""
    of_direction = [one for one in found if one.attempt.direction == direction]
    last = of_direction or list(found)
    return last[-1] if last else None


def _exchange(step: str, attempt: AttemptView, command: Mapping[str, Any] | None, reply: Mapping[str, Any] | None) -> Exchange:
    run = f" of run {attempt.run}" if attempt.run > 1 else ""
    asked, asked_note = _payload(command)
    said, said_note = _payload(reply)
    return Exchange(
        title=f"{_WHAT.get(attempt.direction, '')}{step} · attempt {attempt.attempt}{run}",
        anchor=f"{attempt.direction}-{attempt.run}-{attempt.attempt}",
        attempt=attempt,
        record=None if command is None else command.get("record"),
        command=asked,
        command_note=asked_note if command is not None else "the record of this command is not among those that were read",
        reply=said,
        reply_note=said_note,
    )


def _payload(fact: Mapping[str, Any] | None) -> tuple[PayloadText | None, str | None]:
    if fact is None or fact.get("payload") is None:
        return None, None
    payload = fact["payload"]
    if isinstance(payload, Mapping) and set(payload) == {"omitted"}:
        return None, str(payload["omitted"])
    return payload_text(payload), None
