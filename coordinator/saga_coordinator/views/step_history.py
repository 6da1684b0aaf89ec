"""The history of each step, read from the journal: attempts of each direction, replies, and what
was waived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from saga_coordinator.engine.encoding import UnreadableState, read_facts
from saga_coordinator.engine.facts import Acted, CommandSent, EffectLeft, Fact, ReplySeen
from saga_coordinator.store.port import JournalRow, SagaRow, Store
from saga_coordinator.traces.attempt_parts import UNKNOWN, AttemptParts, parts_after
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.times import format_us

FIRST_SHOWN: Final = 5
"""Attempts of one direction that are shown besides the last."""
_PAGE: Final = 50
_HEAD_RECORDS: Final = 2_000
_HEAD_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One command and its answer."""

    direction: Kind
    run: int
    attempt: int
    asked_at: str
    answered_at: str | None
    duration_ms: int | None
    outcome: Outcome | None
    """None: no answer yet, or none ever."""
    code: str | None
    message: str | None
    queue_us: int | None
    """From sending the command until the participant began with it. None: it has not said so."""
    handler_us: int | None
    """How long its handler took."""
    wire_us: int | None
    """From the handler's end until the reply was applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waive:
    """An operator's decision to waive a step."""

    evidence: str
    actor: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """The part of a journal that is read: its beginning and its end."""

    rows: tuple[JournalRow, ...]
    omitted: int


@dataclass(slots=True)
class StepHistory:
    """What the journal says, by step."""

    attempts: dict[tuple[str, Kind], list[AttemptView]] = field(default_factory=dict)
    replies: dict[str, bytes | None] = field(default_factory=dict)
    """By step: the payload of the action's latest SUCCEEDED."""
    waives: dict[str, Waive] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    """By step of a saga that was terminated: whether its effect `stays` or `may_stay`."""
    notes: list[str] = field(default_factory=list)
    _asked: dict[tuple[str, Kind, int, int], tuple[int, int]] = field(default_factory=dict)
    """By identity of a command: its place in its list, and when it was decided."""
    _parts: dict[tuple[str, Kind, int, int], AttemptParts] = field(default_factory=dict)

    def attempts_of(self, step: str) -> tuple[tuple[AttemptView, ...], int]:
        """The attempts that are shown, and the number of those that are not."""
        shown: list[AttemptView] = []
        omitted = 0
        for kind in Kind:
            made = self.attempts.get((step, kind), [])
            kept = made if len(made) <= FIRST_SHOWN + 1 else [*made[:FIRST_SHOWN], made[-1]]
            shown += kept
            omitted += len(made) - len(kept)
        return tuple(shown), omitted

    def see(self, fact: Fact, at: int) -> None:
        """Take in the next fact of the journal."""
        match fact:
            case CommandSent():
                self._command(fact)
            case ReplySeen():
                self._reply(fact, at)
            case Acted(act="waive", step=str(step)):
                self.waives[step] = Waive(evidence=fact.reason, actor=fact.actor, at=at)
            case EffectLeft():
                self.left[fact.step] = fact.effect
            case _:
                pass

    def _command(self, sent: CommandSent) -> None:
        made = self.attempts.setdefault((sent.step, sent.kind), [])
        self._asked[(sent.step, sent.kind, sent.run, sent.attempt)] = (len(made), sent.at_us)
        made.append(
            AttemptView(
                direction=sent.kind,
                run=sent.run,
                attempt=sent.attempt,
                asked_at=format_us(sent.at_us),
                answered_at=None,
                duration_ms=None,
                outcome=None,
                code=None,
                message=None,
                queue_us=None,
                handler_us=None,
                wire_us=None,
            )
        )

    def _reply(self, reply: ReplySeen, at: int) -> None:
        if reply.outcome is Outcome.SUCCEEDED and reply.kind is not Kind.COMPENSATION:
            self.replies[reply.step] = reply.payload
        command = (reply.step, reply.kind, reply.run, reply.attempt)
        found = self._asked.get(command)
        if found is None:
            return  # it answers an attempt in the part of the journal that was not read
        place, asked_at = found
        made = self.attempts[(reply.step, reply.kind)]
        parts = parts_after(self._parts.get(command, UNKNOWN), reply, asked_at_us=asked_at, seen_at_us=at)
        self._parts[command] = parts
        made[place] = replace(
            made[place],
            answered_at=format_us(at),
            duration_ms=(at - asked_at) // 1000,
            outcome=reply.outcome,
            code=reply.code,
            message=reply.message,
            queue_us=parts.queue_us,
            handler_us=parts.handler_us,
            wire_us=parts.wire_us,
        )


async def read_journal(store: Store, row: SagaRow) -> Journal:
    """Read the beginning, up to a bound of records and bytes, and the last records.

    A step that is asked for ever fills no memory.
    """
    rows: list[JournalRow] = []
    size = after = 0
    while len(rows) < _HEAD_RECORDS and size < _HEAD_BYTES:
        page = await store.journal(row.id, after=after, limit=_PAGE)
        rows += page
        if len(page) < _PAGE:
            return Journal(rows=tuple(rows), omitted=0)
        after = page[-1].version
        size += sum(len(record.facts) for record in page)
    tail_after = max(after, row.version - _PAGE)
    rows += await store.journal(row.id, after=tail_after, limit=_PAGE)
    return Journal(rows=tuple(rows), omitted=tail_after - after)


def shown_part(rows: Sequence[JournalRow]) -> Journal:
    """The part of a whole journal that `read_journal` would have read."""
    shown = size = 0
    while shown < min(len(rows), _HEAD_RECORDS) and size < _HEAD_BYTES:
        page = rows[shown : shown + _PAGE]
        shown += len(page)
        size += sum(len(record.facts) for record in page)
    tail_from = max(shown, len(rows) - _PAGE)
    return Journal(rows=(*rows[:shown], *rows[tail_from:]), omitted=tail_from - shown)


def step_history(journal: Journal) -> StepHistory:
    """Sort the journal's facts by step. Records that cannot be read become notes."""
    history = StepHistory()
    for row in journal.rows:
        try:
            facts = read_facts(row)
        except UnreadableState as unreadable:
            history.notes.append(f"journal record {row.version}: {unreadable}")
            continue
        for fact in facts:
            history.see(fact, row.at_us)
    if journal.omitted:
        history.notes.append(f"{journal.omitted} journal records in the middle are not part of this view")
    history.notes = history.notes[:20]
    return history
