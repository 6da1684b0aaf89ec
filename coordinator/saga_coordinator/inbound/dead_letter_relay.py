"""Dead letters go from the database to their topics, page by page.

A look of the watchdog's relays as many as its time allows. A letter that the broker refuses blocks
no other: its page is passed, and it comes again after the last one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from saga_coordinator.inbound.dead_letters import relayed
from saga_coordinator.store.port import DeadLetter, Store
from saga_messaging.broker import Broker, BrokerError, Producer
from saga_messaging.clock import Clock
from saga_schemas.topics import Topics

AT_ONCE: Final = 100
"""Letters of a page: each may have 64 KiB."""
LOOK_S: Final = 2.0
"""How long one look goes on to the next page: the watchdog has more to do."""
SEND_TIMEOUT_S: Final = 10.0


class DeadLetterRelay:
    """Sends the letters that are not relayed yet, and marks those that were sent."""

    def __init__(self, store: Store, broker: Broker, topics: Topics, clock: Clock) -> None:
        self._store = store
        self._broker = broker
        self._topics = topics
        self._clock = clock
        self._after: UUID | None = None

    async def look(self) -> None:
        """Relay until none is left, nothing of a page was taken, or the time is over.

        Raises:
            BrokerError: What the broker said of the first letter that it refused.
        """
        letters = await self._page()
        if not letters:
            return
        producer = self._broker.producer()
        await producer.start()
        try:
            refused = await self._relay(producer, letters, until_s=self._clock.monotonic_s() + LOOK_S)
        finally:
            await producer.stop()
        if refused is not None:
            raise refused

    async def _relay(self, producer: Producer, letters: list[DeadLetter], *, until_s: float) -> BrokerError | None:
        refused: BrokerError | None = None
        while letters:
            errors = await producer.send_all([relayed(self._topics, letter) for letter in letters], timeout_s=SEND_TIMEOUT_S)
            sent = [letter.id for letter, error in zip(letters, errors, strict=True) if error is None]
            refused = refused or _first(errors)
            if sent:
                async with self._store.transaction() as tx:
                    await tx.mark_relayed(sent)
            over = self._after is None or not sent or not producer.usable or self._clock.monotonic_s() >= until_s
            letters = [] if over else await self._page()
        return refused

    async def _page(self) -> list[DeadLetter]:
        letters = await self._store.unrelayed_dead_letters(after=self._after, limit=AT_ONCE)
        self._after = letters[-1].id if len(letters) == AT_ONCE else None
        return letters


def _first(errors: Sequence[BrokerError | None]) -> BrokerError | None:
    return next((error for error in errors if error is not None), None)
