"""Schemas that came later than our files: read from the coordinator's topic at the start, and when
a command is written in an unknown one.

A command that meets an unknown schema waits here, outside the workers, and only for some seconds:
then it is answered FAILED and comes again. The topic is not trusted: an entry counts only for a
record that this participant has to do with, when it passes the gate and has the id of its key.
Where the topic may not be read, the files are all there is.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Final

from saga_messaging.broker import Broker, BrokerError, Record
from saga_messaging.clock import Clock
from saga_messaging.whole_topic import read_whole
from saga_participant.handling.registry import Registry
from saga_participant.telemetry.metrics import Metrics
from saga_schemas.errors import SchemaCollision, SchemaRefused
from saga_schemas.published import read_published

READ_LIMIT_S: Final = 5.0
PATIENCE_S: Final = 8.0
"""So long a command waits: a coordinator publishes a new schema within seconds."""
AGAIN_S: Final = 1.0
"""How often the topic is read while somebody waits."""
FORGOTTEN_AFTER_S: Final = 10.0
"""For so long nobody waits for a schema that was just waited for in vain."""
MOST_WAITED_FOR: Final = 100
MOST_LEARNT: Final = 1_000
MOST_TOLD: Final = 1_000

_LOG: Final = logging.getLogger("saga_participant")


@dataclass(slots=True)
class _Wait:
    until_s: float
    over: asyncio.Future[None]


@dataclass(slots=True, kw_only=True)
class SchemaTopic:
    """Adds to the registry's catalog."""

    broker: Broker
    topic: str
    registry: Registry
    metrics: Metrics
    clock: Clock
    _waits: dict[int, _Wait] = field(default_factory=dict)
    _in_vain: dict[int, float] = field(default_factory=dict)
    """By id: until when nobody waits for it."""
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    _learnt: int = 0
    _refused: set[tuple[int, int]] = field(default_factory=set)
    _last_problem: str = ""

    def expect(self, schema_id: int) -> asyncio.Future[None] | None:
        """Done when the schema is known, or it is in vain to wait any longer; None where it is in
        vain already.
        """
        now = self.clock.monotonic_s()
        wait = self._waits.get(schema_id)
        if wait is not None:
            return wait.over
        if self._in_vain.get(schema_id, now) > now or len(self._waits) >= MOST_WAITED_FOR:
            return None
        wait = _Wait(now + PATIENCE_S, asyncio.get_running_loop().create_future())
        self._waits[schema_id] = wait
        self._wanted.set()
        return wait.over

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wanted.wait()
            await self.look()
            if self._waits:
                await self.clock.sleep(AGAIN_S)
            else:
                self._wanted.clear()

    async def look(self) -> None:
        """Read it once. What keeps us from reading is told when it changes."""
        try:
            await read_whole(self.broker, self.topic, self._take, limit_s=READ_LIMIT_S)
        except Exception as error:  # BrokerError, or whatever else a client library raises
            problem = str(error) if isinstance(error, BrokerError) else type(error).__name__
            if problem != self._last_problem:
                _LOG.warning("schemas come from the files alone: %s", problem)
            self._last_problem = problem
        else:
            self._last_problem = ""
        self._settle()

    def _settle(self) -> None:
        """End the waits that are over, one way or the other."""
        now = self.clock.monotonic_s()
        self._in_vain = {schema_id: until for schema_id, until in self._in_vain.items() if until > now}
        for schema_id, wait in list(self._waits.items()):
            known = self.registry.catalog.by_id(schema_id) is not None
            if not known and now < wait.until_s:
                continue
            if not known:
                self._in_vain[schema_id] = now + FORGOTTEN_AFTER_S
            del self._waits[schema_id]
            if not wait.over.done():
                wait.over.set_result(None)

    def _take(self, record: Record) -> None:
        if record.value is None or self._learnt >= MOST_LEARNT:
            return
        catalog = self.registry.catalog
        try:
            schema = read_published(record.key, record.value, self.registry.records)
            if schema is None or catalog.by_id(schema.id) == schema:
                return
            catalog.add(schema)
        except (SchemaRefused, SchemaCollision) as refused:
            self._refuse(record, refused)
            return
        self._learnt += 1
        _LOG.info("schema %08x of %s learnt from %s", schema.id, schema.full_name, self.topic)

    def _refuse(self, record: Record, refused: Exception) -> None:
        """Once a record, however often it is read."""
        at = (record.partition, record.offset)
        if at in self._refused or len(self._refused) >= MOST_TOLD:
            return
        self._refused.add(at)
        self.metrics.refused_schemas += 1
        _LOG.warning("bad schema ignored: %s; topic=%s partition=%d offset=%d", refused, self.topic, *at)
