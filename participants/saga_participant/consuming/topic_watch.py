"""The participant's topics: checked at the start and every few seconds, made when missing.

A topic that was deleted and made anew is a new topic: producers that knew the old one are replaced,
reading starts at its beginning.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from saga_messaging.broker import Broker, BrokerError, TopicForbidden
from saga_messaging.clock import Clock
from saga_participant.consuming.command_loop import CommandLoop
from saga_participant.consuming.reply_sender import ReplySender

EVERY_S: Final = 5.0

_LOG: Final = logging.getLogger("saga_participant")


@dataclass(slots=True, kw_only=True)
class TopicWatch:
    """Looks after the topics of one participant."""

    broker: Broker
    topics: Sequence[str]
    sender: ReplySender
    loop: CommandLoop
    clock: Clock
    _last_problem: str = ""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await self.clock.sleep(EVERY_S)

    async def look(self) -> None:
        """Once. Errors are logged when they change: the next look tries again."""
        try:
            await self._ensure()
            await self.loop.look()
        except Exception as error:  # BrokerError, or whatever else a client library raises: the next look tries again
            problem = str(error) if isinstance(error, BrokerError) else type(error).__name__
            problem = f"forbidden: {problem}" if isinstance(error, TopicForbidden) else problem
            if problem != self._last_problem:
                _LOG.error("topics: %s", problem)
            self._last_problem = problem
            return
        self._last_problem = ""

    async def _ensure(self) -> None:
        held = await self.broker.partitions(self.topics)
        missing = sorted(topic for topic in self.topics if not held.get(topic))
        if missing:
            _LOG.info("making topics: %s", ", ".join(missing))
            if self.loop.topic in missing:
                self.loop.topic_replaced()
            await self.broker.ensure_topics(missing)
            self.sender.renew()
