"""The start loop: one poll of `saga.start`, one transaction.

A start that is refused becomes a dead letter, and the offset moves on. A record gives its saga the
same id whenever it is read (`starts/identities.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import structlog

from saga_coordinator.batch.committer import Committer
from saga_coordinator.batch.plan import Batch
from saga_coordinator.definitions.document import canonical_json
from saga_coordinator.inbound.dead_letters import as_bad_message, dead_letter
from saga_coordinator.inbound.partition_reader import PartitionReader
from saga_coordinator.loops.record_loop import RecordLoop
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.starts.execution import StartExecution, own_again
from saga_coordinator.starts.identities import StartedBy, StartIdentities
from saga_coordinator.starts.preparation import Identity, Prepared, StartPreparation, body_hash
from saga_coordinator.starts.requests import StartRefused, StartRequest
from saga_coordinator.store.port import StartClaim, StoreError
from saga_coordinator.store.removal_port import OWN_SOURCES
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.broker import BrokerError, Record
from saga_messaging.clock import Clock
from saga_schemas.errors import BadMessage, UnknownSchema
from saga_schemas.headers import StartHeaders
from saga_schemas.headers.names import ORIGIN, TRACEPARENT
from saga_schemas.headers.names import SOURCE as CE_SOURCE
from saga_schemas.inbound import Envelope, read_start_envelope
from saga_schemas.labels import plain_labels
from saga_schemas.times import format_us
from saga_schemas.topics import Topics
from saga_schemas.trace_context import TraceContext, parse_context

CONSUMER = "starts"
SOURCE = "kafka"
"""The door these starts come through."""


@dataclass(slots=True)
class _Read:
    starts: list[tuple[Record, Prepared]] = field(default_factory=list)
    adopted: list[StartClaim] = field(default_factory=list)
    """Request ids of sagas that a person has adopted."""
    bad: list[tuple[Record, BadMessage]] = field(default_factory=list)


class StartLoop:
    """Reads `saga.start`."""

    def __init__(
        self,
        *,
        reader: PartitionReader,
        committer: Committer,
        definitions: DefinitionCache,
        preparation: StartPreparation,
        identities: StartIdentities,
        execution: StartExecution,
        topics: Topics,
        clock: Clock,
        instruments: Instruments,
        tenant: str,
        batch_records: int,
    ) -> None:
        self._reader = reader
        self._committer = committer
        self._definitions = definitions
        self._preparation = preparation
        self._identities = identities
        self._execution = execution
        self._topics = topics
        self._clock = clock
        self._instruments = instruments
        self._tenant = tenant
        self._batch_records = batch_records
        self._log = structlog.get_logger(CONSUMER)

    async def run(self) -> None:
        loop = RecordLoop(
            name=CONSUMER,
            reader=self._reader,
            committer=self._committer,
            follow=self._follow,
            apply=self.apply,
            clock=self._clock,
            instruments=self._instruments,
            batch_records=self._batch_records,
        )
        await loop.run()

    async def _follow(self) -> None:
        await self._reader.follow([self._topics.start])

    async def apply(self, records: Sequence[Record]) -> None:
        read = await self._read(records)
        starts = [start for _, start in read.starts]
        advances = self._reader.advances(records)

        async def fold(batch: Batch, starts: Sequence[Prepared]) -> Batch:
            results = await self._execution.begin(batch, starts)
            await own_again(batch, starts)
            if read.adopted:
                await batch.tx.bind_starts(read.adopted)
            refused = [
                (record, self._bad(record, result))
                for (record, _), result in zip(read.starts, results, strict=True)
                if isinstance(result, StartRefused)
            ]
            batch.dead_letters.extend(
                dead_letter(CONSUMER, record, problem, batch.tx.now_us) for record, problem in [*read.bad, *refused]
            )
            batch.advances = advances
            return batch

        batch = await self._execution.apply(starts, fold)
        self._instruments.start_batch(SOURCE, len(records))
        for letter in batch.dead_letters:
            self._instruments.start_refused(SOURCE, letter.reason)
        await self._reader.applied(advances)

    async def _read(self, records: Sequence[Record]) -> _Read:
        read = _Read()
        polled_at_s = self._clock.monotonic_s()
        envelopes: list[tuple[Record, Envelope[StartHeaders]]] = []
        for record in records:
            try:
                envelope = read_start_envelope(record, tenant=self._tenant)
                _check_source(envelope.headers.source)
                envelopes.append((record, envelope))
            except Exception as problem:
                read.bad.append((record, self._bad(record, problem)))
        asked = [_started_by(record, envelope.headers) for record, envelope in envelopes]
        for (record, envelope), known in zip(envelopes, await self._identities.of(asked), strict=True):
            try:
                start = await self._prepared(envelope, polled_at_s, known.identity)
            except (StoreError, BrokerError):
                raise
            except Exception as problem:
                read.bad.append((record, self._bad(record, problem)))
            else:
                if known.adopted is not None:
                    read.adopted.append(replace(start.claim, saga_id=known.adopted))
                else:
                    read.starts.append((record, start))
        return read

    def _bad(self, record: Record, problem: Exception) -> BadMessage:
        bad = BadMessage(problem.code, problem.detail) if isinstance(problem, StartRefused) else as_bad_message(problem)
        self._log.warning("bad_start", reason=bad.reason, partition=record.partition, offset=record.offset)
        return bad

    async def _prepared(self, envelope: Envelope[StartHeaders], polled_at_s: float, identity: Identity | None) -> Prepared:
        headers = envelope.headers
        definition_id, compiled = await self._preparation.definition(
            headers.definition, headers.definition_version, asked_at_s=polled_at_s
        )
        try:
            payload = compiled.take_input(envelope, self._definitions.catalog)
        except UnknownSchema as unknown:
            await self._definitions.seek_schemas([unknown.schema_id])
            payload = compiled.take_input(envelope, self._definitions.catalog)
        request = StartRequest(
            tenant=headers.tenant,
            definition=headers.definition,
            version=headers.definition_version,
            input={},
            key=payload.key,
            labels=dict(headers.labels),
            request_id=headers.message_id,
            source=headers.source,
            start_at_us=headers.start_at_us,
            trace=self._trace(envelope),
            baggage=headers.baggage,
            body_hash=body_hash(*_asked(headers), envelope.value),
        )
        return self._preparation.prepare_framed(request, definition_id, compiled, payload.framed, identity)

    def _trace(self, envelope: Envelope[StartHeaders]) -> TraceContext | None:
        context = parse_context(envelope.headers.traceparent, envelope.headers.tracestate)
        if context is None and any(name in (TRACEPARENT, ORIGIN) for name, _ in envelope.raw_headers):
            self._instruments.bad_trace_context(SOURCE)
        return context


def _started_by(record: Record, headers: StartHeaders) -> StartedBy:
    return StartedBy(
        timestamp_ms=record.timestamp_ms, tenant=headers.tenant, source=headers.source, message_id=headers.message_id
    )


def _check_source(source: str) -> None:
    """Whoever could give a request id of ours could take a tick's or a restart's place. Raises
    BadMessage.
    """
    if source in OWN_SOURCES:
        raise BadMessage("header_invalid", f"{CE_SOURCE}: {source} is kept for starts of the coordinator's own: name the sender")


def _asked(headers: StartHeaders) -> list[bytes]:
    """`name` or `name@version`, as it was asked for; labels and start time where there are any."""
    version = headers.definition_version
    name = headers.definition if version is None else f"{headers.definition}@{version}"
    labels = [canonical_json(plain_labels(dict(headers.labels)))] if headers.labels else []
    start_at = [] if headers.start_at_us is None else [f"start_at {format_us(headers.start_at_us)}".encode()]
    return [name.encode(), *labels, *start_at]
