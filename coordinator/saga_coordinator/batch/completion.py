"""Requests that wait for the end of a saga.

The commit that ends a saga in this process wakes those who wait for it here. Another instance may
commit the end as well, so whoever waits also looks at the saga's row from time to time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from uuid import UUID


class CompletionWaiters:
    """Those who wait in this process, by saga."""

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
        """Wake those who wait for these sagas, whose ends are committed."""
        for saga_id in saga_ids:
            for event in self._waiting.get(saga_id, ()):
                event.set()

    def end(self) -> None:
        """Wake everybody, and let nobody wait from now on.

        A stop waits for open requests, so these are answered with the saga as it stands.
        """
        self.over = True
        self.closed(tuple(self._waiting))
