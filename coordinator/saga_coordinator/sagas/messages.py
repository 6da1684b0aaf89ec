"""From facts to messages: the record for Kafka of a command or a lifecycle event. And what is
announced to participants about no single saga.

A message is made right after its commit, and made again by the sweeper from the stored journal.
Both give the same bytes: everything comes from the journal record, the saga's row and the
definition, and nothing is drawn or read from a clock.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from saga_coordinator.engine.definition import Definition
from saga_coordinator.engine.facts import MESSAGES, Announced, CommandSent, Fact
from saga_coordinator.store.port import SagaRow
from saga_coordinator.traces.spans import attempt_span_id, root_span_id
from saga_messaging.broker import Outgoing
from saga_schemas.headers import AnnouncementHeaders, CommandHeaders, EventHeaders
from saga_schemas.ids import announcement_id, command_id, saga_key
from saga_schemas.outcomes import AnnouncementKind
from saga_schemas.record_class import record
from saga_schemas.records import encode_event
from saga_schemas.token import TokenKeys
from saga_schemas.topics import Topics
from saga_schemas.trace_context import format_traceparent

Ticket = tuple[int, UUID]
"""By which the Sender knows a message: shard and id of its outbox row."""

EVENT_RECORD: Final = "saga.v1.SagaEvent"


@record
class SagaIdentity:
    """What every message of one saga carries."""

    id: UUID
    tenant: str
    incarnation: int
    definition: str
    definition_version: int
    definition_hash: str
    key: str | None
    trace_id: str
    parent_span: str | None
    trace_flags: int
    tracestate: str | None
    baggage: str | None

    @classmethod
    def of(cls, row: SagaRow, definition: Definition, *, incarnation: int | None = None) -> SagaIdentity:
        """`incarnation`: of the saga as it becomes; None: as its row has it."""
        return cls(
            id=row.id,
            tenant=row.tenant,
            incarnation=row.incarnation if incarnation is None else incarnation,
            definition=definition.name,
            definition_version=definition.version,
            definition_hash=definition.hash,
            key=row.business_key,
            trace_id=row.trace_id,
            parent_span=row.parent_span,
            trace_flags=row.trace_flags,
            tracestate=row.tracestate,
            baggage=row.baggage,
        )

    @property
    def origin_traceparent(self) -> str:
        """The saga's origin: its root span."""
        return self._traceparent(root_span_id(self.id))

    def traceparent(self, message_id: str, sent: CommandSent) -> str:
        """This hop: the attempt's span."""
        return self._traceparent(
            attempt_span_id(message_id, self.id, self.incarnation, sent.step, sent.kind, sent.run, sent.attempt)
        )

    def _traceparent(self, span_id: str) -> str:
        return format_traceparent(self.trace_id, span_id, self.trace_flags)


class Outbound:
    """Builds messages for one coordinator cluster."""

    def __init__(self, *, topics: Topics, keys: TokenKeys, cluster_id: str) -> None:
        self._topics = topics
        self._keys = keys
        self._announcement_keys = keys.announcement_keys()
        self._source = f"/saga-coordinator/{cluster_id}"

    def message(self, saga: SagaIdentity, fact: Fact, *, version: int, ord: int, at_us: int) -> Outgoing:
        """The message of the fact at place `ord` of journal record `version`."""
        message_id = command_id(saga.id, saga.incarnation, version, ord)
        if isinstance(fact, CommandSent):
            return self._command(saga, fact, message_id, version, at_us)
        assert isinstance(fact, Announced), f"{type(fact).__name__} is not one of {MESSAGES}"
        return self._event(saga, fact, message_id, at_us)

    def announcement(
        self,
        kind: AnnouncementKind,
        participant: str,
        *,
        tenant: str,
        incarnation: int,
        record: str,
        value: bytes,
        random: UUID,
        at_us: int,
    ) -> Outgoing:
        """What is said to a participant about no single saga. `value`: the framed record."""
        headers = AnnouncementHeaders(
            message_id=announcement_id(kind, incarnation, random),
            source=self._source,
            record=record,
            time_us=at_us,
            tenant=tenant,
            kind=kind,
            incarnation=incarnation,
            token=self._announcement_keys.sign(tenant, participant, kind, incarnation, value),
        )
        return Outgoing(topic=self._topics.command(participant), key=kind.encode(), value=value, headers=headers.encode())

    def _command(self, saga: SagaIdentity, sent: CommandSent, message_id: str, version: int, at_us: int) -> Outgoing:
        headers = CommandHeaders(
            message_id=message_id,
            source=self._source,
            record=sent.record,
            time_us=at_us,
            saga_id=saga.id,
            step=sent.step,
            kind=sent.kind,
            run=sent.run,
            attempt=sent.attempt,
            incarnation=saga.incarnation,
            version=version,
            tenant=saga.tenant,
            definition_hash=saga.definition_hash,
            expiry_us=sent.expiry_at_us,
            token=self._keys.sign(saga.tenant, saga.id, sent.step, sent.kind, sent.run, saga.incarnation),
            causation_id=sent.causation_id,
            traceparent=saga.traceparent(message_id, sent),
            tracestate=saga.tracestate,
            origin_traceparent=saga.origin_traceparent,
            baggage=saga.baggage,
        )
        return Outgoing(
            topic=self._topics.command(sent.participant), key=saga_key(saga.id), value=sent.payload, headers=headers.encode()
        )

    def _event(self, saga: SagaIdentity, event: Announced, message_id: str, at_us: int) -> Outgoing:
        origin = saga.origin_traceparent
        body = encode_event(
            event.event,
            sequence=event.sequence,
            saga_id=saga.id,
            definition=saga.definition,
            version=saga.definition_version,
            phase=event.phase.value,
            at_us=at_us,
            business_key=saga.key,
            step=event.step,
            reason=event.reason,
        )
        headers = EventHeaders(
            message_id=message_id,
            source=self._source,
            record=EVENT_RECORD,
            time_us=at_us,
            saga_id=saga.id,
            tenant=saga.tenant,
            sequence=event.sequence,
            causation_id=event.causation_id,
            traceparent=origin,
            tracestate=saga.tracestate,
            origin_traceparent=origin,
        )
        return Outgoing(topic=self._topics.events, key=saga_key(saga.id), value=body, headers=headers.encode())
