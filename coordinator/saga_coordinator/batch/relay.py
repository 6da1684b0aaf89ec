"""The relay's hot path: committed messages go from memory to the Sender.

A message's outbox row is deleted once the message is acknowledged. A message that is dropped on the
way (the Sender is full or unhealthy, or the message too old) keeps its row, and the sweeper sends
it (`loops/sweeper.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import structlog

from saga_coordinator.batch.refusals import Refusals
from saga_coordinator.sagas.messages import Ticket
from saga_coordinator.store.port import Store, StoreError
from saga_coordinator.telemetry.log_fields import about_record
from saga_messaging.clock import Clock
from saga_messaging.sender import Dispatch, Sender

IDLE_DELETE_S: Final = 0.2
_DELETE_AT_ONCE: Final = 2_000
_BACKOFF_S: Final = 1.0


class Relay:
    """Between the committer and the Sender."""

    def __init__(self, store: Store, sender: Sender[Ticket], clock: Clock, refusals: Refusals) -> None:
        self._store = store
        self._sender = sender
        self._clock = clock
        self._refusals = refusals
        self._log = structlog.get_logger("relay")

    def offer(self, messages: Sequence[Dispatch[Ticket]]) -> None:
        """Hand over what is known to be committed. Never waits."""
        if messages:
            self._sender.offer(messages)

    @contextmanager
    def deleting_acked(self) -> Iterator[list[Ticket]]:
        """Acknowledged rows, for a block that deletes them and commits.

        They are forgotten when the block ends, and taken again by a later block when it raises.
        """
        tickets = self._sender.take_acked(_DELETE_AT_ONCE)
        try:
            yield tickets
        except BaseException:
            self._sender.give_back(tickets)
            raise
        self._sender.forget(tickets)

    async def run(self) -> None:
        """Delete acknowledged rows when no batch has done so for 200 ms."""
        while True:
            await self._sender.wait_settled()
            await self._clock.sleep(IDLE_DELETE_S)
            self._note_refused()
            try:
                await self.delete_acked()
            except StoreError as error:
                self._log.warning("outbox_delete_failed", error=str(error))
                await self._clock.sleep(_BACKOFF_S)

    def _note_refused(self) -> None:
        """Note what the broker refused. Its row stays, and the sweeper tries it again later."""
        for refusal in self._sender.take_refused():
            known = about_record(refusal.record)
            self._refusals.note(refusal.ticket[1], refusal.reason)
            self._log.error("publish_refused", **known, outbox_id=str(refusal.ticket[1]), reason=refusal.reason)

    async def delete_acked(self) -> None:
        """Delete acknowledged rows, in a transaction of its own. Raises StoreError."""
        with self.deleting_acked() as tickets:
            if tickets:
                async with self._store.transaction() as tx:
                    await tx.delete_outbox(tickets)

    async def drain(self, timeout_s: float) -> None:
        """Stop gracefully: send what is queued, and delete what was acknowledged."""
        await self._sender.drain(timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                await self.delete_acked()
        except (StoreError, TimeoutError) as error:
            self._log.info("outbox_rows_left_to_sweeper", error=str(error) or type(error).__name__)
