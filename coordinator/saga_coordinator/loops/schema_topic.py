"""`saga.schemas`: every schema that this coordinator knows, for readers that lack one.

The topic is a projection of the table `schema`. It is compared with the table and never trusted.
The instance that sees first that a schema is missing or different writes it again; it does no harm
when several write the same. So the topic may be deleted, or lose what is old. It is read whole only
when its offsets say that it changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from saga_coordinator.failures import error_fields
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_messaging.broker import Broker, BrokerError, Outgoing, Record, RecordRefused, TopicForbidden, TopicPartition
from saga_messaging.clock import Clock
from saga_messaging.whole_topic import read_whole
from saga_schemas.published import HEADERS, schema_key

EVERY_S: Final = 5.0
NEW_EVERY_S: Final = 0.5
"""How soon a schema that was just registered is noticed."""
WHOLE_EVERY_S: Final = 600.0
"""The topic is read again even where its offsets are as they were."""
READ_LIMIT_S: Final = 30.0
SEND_LIMIT_S: Final = 10.0
AT_ONCE: Final = 50
"""Records of one send: with the largest schemas 12 MiB."""

_Offsets = Mapping[TopicPartition, tuple[int, int]]


class SchemaTopic:
    """Keeps the topic as the catalog is."""

    def __init__(self, *, broker: Broker, topic: str, definitions: DefinitionCache, clock: Clock) -> None:
        self._broker = broker
        self._topic = topic
        self._definitions = definitions
        self._clock = clock
        self._held: frozenset[bytes] = frozenset()
        """Keys that stand in the topic with the right value, as of `_seen`."""
        self._seen: _Offsets = {}
        self._read_at_s = -WHOLE_EVERY_S
        self._known = 0
        self._last_trouble = ""
        self._log = structlog.get_logger("schemas")

    async def run(self) -> None:
        """Compare and write, until cancelled. Trouble is logged once and tried again."""
        next_look_s = 0.0
        while True:
            now_s = self._clock.monotonic_s()
            if now_s >= next_look_s or len(self._definitions.catalog) != self._known:
                next_look_s = now_s + EVERY_S
                await self._look()
            await self._clock.sleep(NEW_EVERY_S)

    async def _look(self) -> None:
        self._known = len(self._definitions.catalog)
        try:
            await self.look()
        except Exception as error:  # a bug too: it must take no saga down with it
            reason = f"{type(error).__name__}: {error}"
            if reason != self._last_trouble:
                self._log.warning("schemas_not_published", topic=self._topic, **error_fields(error))
            self._last_trouble = reason
        else:
            self._last_trouble = ""

    async def look(self) -> None:
        """Once: make the topic, see what it holds, write what it lacks. Raises BrokerError."""
        positions = await self._ensure()
        wanted = {schema_key(schema.id): schema.canonical for schema in self._definitions.catalog}
        offsets = await self._offsets(positions)
        if offsets != self._seen or self._clock.monotonic_s() - self._read_at_s >= WHOLE_EVERY_S:
            await self._read(wanted, offsets)
        missing = [key for key in sorted(wanted) if key not in self._held]
        if missing:
            await self._write({key: wanted[key] for key in missing})

    async def _ensure(self) -> list[TopicPartition]:
        """The topic's partitions, once it is there."""
        held = await self._partitions()
        if held:
            return held
        try:
            await self._broker.ensure_topics([self._topic], compacted=True)
        except TopicForbidden as forbidden:
            raise BrokerError(f"{forbidden}; make it with cleanup.policy=compact") from forbidden
        return await self._partitions()

    async def _partitions(self) -> list[TopicPartition]:
        numbers = (await self._broker.partitions([self._topic]))[self._topic]
        return [TopicPartition(self._topic, number) for number in sorted(numbers)]

    async def _offsets(self, positions: Sequence[TopicPartition]) -> _Offsets:
        asking = self._broker.consumer(group=None)
        firsts, ends = await asking.earliest(positions), await asking.end_offsets(positions)
        return {position: (firsts[position], ends[position]) for position in positions if position in firsts and position in ends}

    async def _read(self, wanted: Mapping[bytes, bytes], offsets: _Offsets) -> None:
        """What arrives while we read changes the offsets, so it is seen next time."""
        right: dict[tuple[int, bytes], bool] = {}

        def take(record: Record) -> None:
            if record.key is not None and record.key in wanted:
                right[record.partition, record.key] = record.value == wanted[record.key]

        await read_whole(self._broker, self._topic, take, limit_s=READ_LIMIT_S)
        self._held = frozenset(key for (_, key), is_right in right.items() if is_right)
        self._seen, self._read_at_s = offsets, self._clock.monotonic_s()

    async def _write(self, missing: Mapping[bytes, bytes]) -> None:
        records = [Outgoing(topic=self._topic, key=key, value=value, headers=HEADERS) for key, value in missing.items()]
        refused: list[RecordRefused] = []
        for place in range(0, len(records), AT_ONCE):
            refused += await self._send(records[place : place + AT_ONCE])
        self._log.info("schemas_published", topic=self._topic, count=len(records) - len(refused))
        if refused:
            raise refused[0]

    async def _send(self, records: Sequence[Outgoing]) -> list[RecordRefused]:
        """Those that the broker will not take. Raises BrokerError where it takes nothing now."""
        producer = self._broker.producer()
        await producer.start()
        try:
            errors = await producer.send_all(records, timeout_s=SEND_LIMIT_S)
        finally:
            await producer.stop()
        refused: list[RecordRefused] = []
        for error in errors:
            if isinstance(error, RecordRefused):
                refused.append(error)
            elif error is not None:
                raise error
        return refused
