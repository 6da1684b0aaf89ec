"""Sagas that a database has lost, by the replies that came for them: after a restore the only
proof.

Pure. What it says is as good as the replies are: a step whose participant was not heard is not in
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Final
from uuid import UUID

from saga_coordinator.inbound.dead_letters import decode_headers
from saga_coordinator.store.port import OrphanReply
from saga_schemas.errors import BadMessage
from saga_schemas.headers import ReplyHeaders, decode_reply
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.record_class import record

_REPLY_TOPIC = "saga.reply."
_WITHOUT_EFFECT = frozenset({Outcome.UNDONE, Outcome.NOTHING_TO_UNDO, Outcome.FENCED})


class Effect(StrEnum):
    """What is left of a step, by all that was heard of it."""

    STANDS = "stands"
    NONE = "none"
    UNKNOWN = "unknown"


_WAYS_OUT: Final = {
    Effect.STANDS: "it took effect: undo it by hand, or keep it",
    Effect.NONE: "nothing: it has no effect",
    Effect.UNKNOWN: "it may have an effect: look at its saga_barrier row",
}


@record
class LostStep:
    """One step of a lost saga."""

    step: str
    participant: str
    kind: Kind
    outcome: Outcome
    run: int
    at_us: int
    """When its participant answered, by the participant's clock."""
    effect: Effect

    @property
    def way_out(self) -> str:
        """What a person can do by hand."""
        return _WAYS_OUT[self.effect]


@record
class LostSaga:
    """What is known of one."""

    id: UUID
    steps: Sequence[LostStep]


def lost_saga(saga_id: UUID, replies: Iterable[OrphanReply]) -> LostSaga:
    """The saga of these replies. A reply that cannot be read says nothing."""
    read = sorted(_read(replies), key=lambda one: one[1].step)
    return LostSaga(id=saga_id, steps=[_step(list(of_step)) for _, of_step in groupby(read, key=lambda one: one[1].step)])


def _read(replies: Iterable[OrphanReply]) -> Iterator[tuple[str, ReplyHeaders]]:
    for reply in replies:
        try:
            yield reply.topic.rpartition(_REPLY_TOPIC)[2], decode_reply(decode_headers(reply.headers))
        except (BadMessage, ValueError):
            continue


def _step(replies: Sequence[tuple[str, ReplyHeaders]]) -> LostStep:
    """The newest run's last definite word; without one, its last word."""
    participant, last = max(replies, key=lambda one: _weight(one[1]))
    return LostStep(
        step=last.step,
        participant=participant,
        kind=last.kind,
        outcome=last.outcome,
        run=_run(last),
        at_us=last.time_us,
        effect=_effect(last),
    )


def _run(reply: ReplyHeaders) -> int:
    return reply.row_run or reply.run


def _weight(reply: ReplyHeaders) -> tuple[bool, int, bool, int]:
    """An effect that was undone was there before: so no effect weighs more than one."""
    effect = _effect(reply)
    return effect is not Effect.UNKNOWN, _run(reply), effect is Effect.NONE, reply.time_us


def _effect(reply: ReplyHeaders) -> Effect:
    if reply.outcome is Outcome.SUCCEEDED:
        return Effect.STANDS
    if reply.outcome in _WITHOUT_EFFECT or (reply.outcome is Outcome.REJECTED and reply.kind is not Kind.COMPENSATION):
        return Effect.NONE
    return Effect.UNKNOWN
