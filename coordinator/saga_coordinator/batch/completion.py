"""Who waits for a saga's end in this process is told by the commit that ended it; ends committed elsewhere are found by looking."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from uuid import UUID


class CompletionWaiters:
    """Waiters by saga."""

    def __init__(self) -> None:
        self._waiting: dict[UUID, list[asyncio.Event]] = {}
        self.over = False
        """The process is ending: nobody waits any longer."""

    def expect(self, saga_id: UUID) -> asyncio.Event:
        event = asyncio.Event()
        if self.over:
            event.set()
        self._waiting.setdefault(saga_id, []).append(event)
        return event

    def forget(self, saga_id: UUID, event: asyncio.Event) -> None:
        waiting = self._waiting.get(saga_id, [])
        if event in waiting:
            waiting.remove(event)
        if not waiting:
            self._waiting.pop(saga_id, None)

    def closed(self, saga_ids: Iterable[UUID]) -> None:
        """These are final, and committed."""
        for saga_id in saga_ids:
            for event in self._waiting.get(saga_id, ()):
                event.set()

    def end(self) -> None:
        """A stop waits for open requests, so whoever waits here is answered with what there is."""
        self.over = True
        self.closed(tuple(self._waiting))
