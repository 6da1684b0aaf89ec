"""Answers to the undo of effects that no saga owns: they come as replies for a saga that is not
here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import structlog

from saga_coordinator.inbound.reply_envelope import IncomingReply
from saga_coordinator.store.port import LostEffect, Transaction
from saga_coordinator.sweep.undoing import answered
from saga_coordinator.telemetry.log_fields import about_reply
from saga_schemas.outcomes import Kind
from saga_schemas.topics import Topics

Replies = Mapping[UUID, Sequence[IncomingReply]]
"""By saga."""


class UndoneEffects:
    """Settles effects by the answers to their compensations."""

    def __init__(self, *, tenant: str, topics: Topics, incarnation: Callable[[], int]) -> None:
        """`incarnation`: the database's. Only answers of it count."""
        self._tenant = tenant
        self._topics = topics
        self._incarnation = incarnation
        self._log = structlog.get_logger("sweep")

    async def take(self, tx: Transaction, replies: Replies) -> Replies:
        """Apply those that answer an undo, in the batch's transaction.

        Returns:
            All other replies. A saga without one is left out.
        """
        wanted = [saga_id for saga_id, of_saga in replies.items() if any(map(self._may_answer, of_saga))]
        asked = {
            (one.saga_id, one.step, one.participant): one for one in (await tx.undoing_of(self._tenant, wanted) if wanted else ())
        }
        if not asked:
            return replies
        others: dict[UUID, list[IncomingReply]] = {}
        for saga_id, of_saga in replies.items():
            for reply in of_saga:
                at = (saga_id, reply.headers.step, self._topics.participant_of_reply(reply.record.topic) or "")
                if at in asked and self._may_answer(reply):
                    asked[at] = await self._apply(tx, asked[at], reply)
                else:
                    others.setdefault(saga_id, []).append(reply)
        return others

    def _may_answer(self, reply: IncomingReply) -> bool:
        return reply.headers.kind is Kind.COMPENSATION and reply.headers.incarnation == self._incarnation()

    async def _apply(self, tx: Transaction, effect: LostEffect, reply: IncomingReply) -> LostEffect:
        after = answered(effect, reply.headers, now_us=tx.now_us)
        if after is None:
            return effect
        await tx.settle_lost(effect, after)
        self._log.info("lost_effect_answered", **about_reply(reply.headers), status=after.status)
        return after
