"""Replies that came and could not be read.

A step that seems to wait for an answer may wait for such a reply to become readable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from saga_coordinator.engine.definition import Definition
from saga_coordinator.engine.waiting import Waiting
from saga_coordinator.inbound.dead_letters import decode_headers
from saga_coordinator.inbound.reply_envelope import CONSUMER
from saga_coordinator.store.port import DeadLetter, Store
from saga_schemas.headers.names import ATTEMPT, KIND, OUTCOME, RUN, STEP
from saga_schemas.ids import parse_saga_id, saga_key
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.times import format_us

LOOKED_BACK_US: Final = 15 * 60 * 1_000_000
"""How far to look back: a silent command is asked again every five minutes, and its reply refused.
"""
_ASKS: Final = 3
"""So many re-ask intervals are looked back over, where that is longer."""
MOST: Final = 50
UNREADABLE: Final = "reply_unreadable"
_FOR_AN_ANSWER: Final = frozenset({"reply", "reply_backlog", "attention:no_answer"})
UNKNOWN_SCHEMA: Final = "unknown_schema"
_WAY_OUT: Final = {
    UNKNOWN_SCHEMA: "register the schema that it is written in (`saga schema add FILE`), and it is read when it comes again",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedReply:
    """A reply that became a dead letter."""

    id: UUID
    at_us: int
    reason: str
    detail: str
    step: str
    answers: tuple[str, str, str]
    """Kind, run and attempt of the command that it answers, as its headers have them; a header that
    is not there is empty."""

    @property
    def short(self) -> str:
        """What stands beside the attempt that it answers."""
        return f"answered, refused: {self.reason} (saga dlq show {self.id})"

    @property
    def way_out(self) -> str:
        return _WAY_OUT.get(self.reason, f"`saga dlq show {self.id}` has it")

    def __str__(self) -> str:
        why = f"{self.reason}: {self.detail}" if self.detail else self.reason
        return f"a reply came at {format_us(self.at_us)} and could not be read ({why}): {self.way_out}"


async def refused_replies(store: Store, saga_id: UUID, now_us: int) -> list[RefusedReply]:
    """The refused replies of the last minutes, latest first. Raises StoreError."""
    letters = await store.dead_letters_of(saga_key(saga_id), since_us=now_us - LOOKED_BACK_US, limit=MOST)
    return [refused for letter in letters if (refused := _refused(letter)) is not None]


def _refused(letter: DeadLetter) -> RefusedReply | None:
    step = _step(letter)
    if letter.consumer != CONSUMER or step is None:
        return None
    headers = dict(decode_headers(letter.headers))
    kind, run, attempt = ((headers.get(name) or b"").decode("utf-8", "replace") for name in (KIND, RUN, ATTEMPT))
    return RefusedReply(
        id=letter.id, at_us=letter.at_us, reason=letter.reason, detail=letter.detail, step=step, answers=(kind, run, attempt)
    )


def look_back_to_us(now_us: int, definitions: Iterable[Definition]) -> int:
    """Since when to look for refused replies of sagas that a limit is about to turn back.

    Each of their steps was asked again since then, and its reply refused again, however long its
    re-ask interval is.
    """
    caps_us = (step.timing.reask_cap_ms * 1000 for definition in definitions for step in definition.steps)
    return now_us - max(LOOKED_BACK_US, _ASKS * max(caps_us, default=0))


def unread_steps(letters: Iterable[DeadLetter]) -> dict[UUID, frozenset[str]]:
    """By saga: the steps whose replies say that they are done, in an unknown schema."""
    found: dict[UUID, set[str]] = {}
    for letter in letters:
        headers = dict(decode_headers(letter.headers))
        saga_id = parse_saga_id((letter.key or b"").decode("ascii", "replace"))
        done = headers.get(OUTCOME) == Outcome.SUCCEEDED.value.encode() and headers.get(KIND) != Kind.COMPENSATION.value.encode()
        step = _step(letter)
        unread = letter.consumer == CONSUMER and letter.reason == UNKNOWN_SCHEMA
        if unread and saga_id is not None and step is not None and done:
            found.setdefault(saga_id, set()).add(step)
    return {saga_id: frozenset(steps) for saga_id, steps in found.items()}


def answer_to(refused: Iterable[RefusedReply], step: str, kind: Kind, run: int, attempt: int) -> RefusedReply | None:
    """The latest refused reply to this command."""
    wanted = (kind.value, str(run), str(attempt))
    return next((reply for reply in refused if reply.step == step and reply.answers == wanted), None)


def with_refusal(waiting: Waiting, refused: Iterable[RefusedReply]) -> Waiting:
    """The wait with its true reason: the reply came, and it could not be read."""
    reply = next((one for one in refused if one.step == waiting.step), None)
    if reply is None or waiting.name not in _FOR_AN_ANSWER or reply.at_us < (waiting.since_us or 0):
        return waiting
    is_attention = waiting.name.startswith("attention:")
    return replace(waiting, name=waiting.name if is_attention else UNREADABLE, mover=f"{reply}; asked again by itself")


def _step(letter: DeadLetter) -> str | None:
    for name, value in decode_headers(letter.headers):
        if name == STEP:
            return value.decode("utf-8", "replace")
    return None
