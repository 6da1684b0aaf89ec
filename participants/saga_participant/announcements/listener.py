"""One announcement from its Kafka record to its answer.

What is bad is refused and changes nothing. Nothing here waits for long: what cannot be done now is
announced again.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import KW_ONLY, dataclass, field
from typing import Final

from saga_messaging.broker import Outgoing, Record
from saga_messaging.clock import Clock
from saga_participant.announcements.swept_rows import page
from saga_participant.database.memory import AnnouncedMemory
from saga_schemas.headers import answer_announcement
from saga_schemas.horizon import Horizon
from saga_schemas.inbound import Announcement, read_announcement
from saga_schemas.records import HorizonHeard, Sweep, SweptRows, encode_own
from saga_schemas.token import AnnouncementKeys

SETTLED_LIMIT_S: Final = 20.0
"""How long a sweep waits for commands that are at work."""
DETAILED_ROWS: Final = 16
"""Rows that are read at once with their payloads: each may have half a mebibyte."""

_LOG: Final = logging.getLogger("saga_participant")


@dataclass(slots=True)
class Listener:
    """Hears what is announced to one participant."""

    participant: str
    memory: AnnouncedMemory
    keys: AnnouncementKeys | None
    _: KW_ONLY
    clock: Clock
    reply_topic: str
    source: str
    _settled: dict[str, int] = field(default_factory=dict)
    """Of the tenant that was swept last: the incarnation that all commands at work know of."""

    async def answer(self, record: Record) -> Outgoing | None:
        """The answer to an announcement; None: it may not be answered yet.

        Raises:
            BadMessage: It is refused: dead-letter it.
            Unavailable: The database is away.
        """
        told = read_announcement(record, participant=self.participant, keys=self.keys)
        content = await (self._hear(told, told.content) if isinstance(told.content, Horizon) else self._sweep(told, told.content))
        if content is None:
            return None
        headers = answer_announcement(
            told.headers,
            message_id=str(uuid.uuid4()),
            source=self.source,
            record=content.avro_name,
            time_us=self.clock.unix_us(),
        )
        return Outgoing(
            topic=self.reply_topic, key=told.headers.kind.encode(), value=encode_own(content), headers=headers.encode()
        )

    async def _hear(self, told: Announcement, horizon: Horizon) -> HorizonHeard:
        headers = told.headers
        remembered = await self.memory.hear(headers.tenant, horizon, headers.source)
        if remembered.below_ms > horizon.below_ms:
            _LOG.info("an older horizon than the one that is known was heard: %s", headers.message_id)
        return HorizonHeard.of(remembered.horizon, told.digest)

    async def _sweep(self, told: Announcement, sweep: Sweep) -> SweptRows | None:
        """Remember first, then wait for those who may not know, then read."""
        tenant, incarnation = told.headers.tenant, told.headers.incarnation
        if await self.memory.raise_floor(tenant, incarnation, told.headers.source) > incarnation:
            _LOG.warning("a sweep of an older incarnation is not answered: %s", told.headers.message_id)
            return None
        if self._settled.get(tenant) != incarnation:
            if not await self.memory.settled(SETTLED_LIMIT_S):
                _LOG.warning("a sweep is not answered yet: a transaction on saga_barrier has not ended for %g s", SETTLED_LIMIT_S)
                return None
            self._settled = {tenant: incarnation}
        limit = min(sweep.limit, DETAILED_ROWS) if sweep.detail else sweep.limit
        entries = await self.memory.rows(
            tenant, after=sweep.after, above_ms=sweep.above_ms, limit=limit + 1, payloads=sweep.detail
        )
        return page(entries, sweep, limit=limit, asked=told.digest)
