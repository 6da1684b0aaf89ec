"""From a record of a reply topic to an engine event, through every stage of the decode pipeline.

Headers and token need nothing but the record; the payload needs the saga's definition (which reader schema), so it is read inside the
batch's transaction. A reply that waits in the inbox is kept as the record it was and read again.
"""

from __future__ import annotations

import base64
from typing import Final
from uuid import UUID

import orjson

from saga_coordinator.definitions.compile import CompiledDefinition
from saga_coordinator.engine.events import Reply
from saga_coordinator.inbound.dead_letters import decode_headers, encode_headers
from saga_coordinator.store.storable import storable
from saga_messaging.broker import Record
from saga_schemas import limits
from saga_schemas.catalog import Catalog
from saga_schemas.codec import to_reader, unframe
from saga_schemas.errors import BadMessage, UnknownSchema
from saga_schemas.frozen import frozen
from saga_schemas.headers import ReplyHeaders, decode_reply
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.pipeline import check_claimed, check_saga_key, check_size, check_token, expect_record, read_carried
from saga_schemas.records import Failure, Progress
from saga_schemas.token import TokenKeys
from saga_schemas.topics import Topics

CONSUMER: Final = "replies"
"""The name of the reply loop's positions and dead letters in the store."""


@frozen
class IncomingReply:
    """A reply whose envelope is good: it claims to be of this saga, and its token says that we asked."""

    saga_id: UUID
    headers: ReplyHeaders
    record: Record


class ReplyReading:
    """The stages, with what they need to know."""

    def __init__(self, *, catalog: Catalog, keys: TokenKeys, topics: Topics, tenant: str) -> None:
        self._catalog = catalog
        self._keys = keys
        self._topics = topics
        self._tenant = tenant

    def envelope(self, record: Record) -> IncomingReply:
        """Size, headers, key, token. Raises BadMessage."""
        record.check()
        check_size(record.key, record.value, record.headers)
        headers = decode_reply(record.headers)
        if record.value is None:
            raise BadMessage("null_value", "a reply is never null: it carries at least saga.v1.Empty")
        check_saga_key(record.key, headers)
        if headers.tenant != self._tenant:
            raise BadMessage("tenant_mismatch", "this coordinator does not serve that tenant")
        check_token(headers, self._keys)
        return IncomingReply(saga_id=headers.saga_id, headers=headers, record=record)

    def event(self, reply: IncomingReply, compiled: CompiledDefinition) -> Reply:
        """The payload under its pinned reader schema, and the engine's event. Raises BadMessage."""
        headers = reply.headers
        step = compiled.definition.by_name.get(headers.step)
        if step is None:
            raise BadMessage("step_unknown", "the saga's definition has no such step")
        if self._topics.participant_of_reply(reply.record.topic) != step.participant:
            raise BadMessage("wrong_topic", f"step {step.name} is answered on {self._topics.reply(step.participant)}")
        assert reply.record.value is not None
        own = read_carried(headers, reply.record.value, reply.record.headers)
        failure = own if isinstance(own, Failure) else None
        return Reply(
            step=headers.step,
            kind=headers.kind,
            run=headers.run,
            attempt=headers.attempt,
            incarnation=headers.incarnation,
            version=headers.version,
            outcome=headers.outcome,
            sequence=headers.seq,
            row_run=headers.row_run,
            code=None if failure is None else storable(failure.code),
            message=_told(own),
            retry_after_ms=None if failure is None else failure.retry_after_ms,
            payload=self._payload(reply, compiled),
            causation_id=headers.causation_id,
            time_us=headers.time_us,
        )

    def _payload(self, reply: IncomingReply, compiled: CompiledDefinition) -> bytes | None:
        """What a done action answered, as the bytes every later reader expects. A reply no definition pins is not read.

        One in a schema that is not registered (its participant was deployed first) is not read either where no mapping and no condition
        wants it: the action is done, whatever it says of it. Where one does, the reply has to wait until somebody registers the schema.
        """
        headers = reply.headers
        if headers.outcome not in (Outcome.SUCCEEDED, Outcome.UNDONE):
            return None
        if headers.outcome is Outcome.UNDONE or headers.kind is Kind.COMPENSATION:
            assert reply.record.value is not None
            check_claimed(headers, reply.record.value, self._catalog, reply.record.headers)
            return None
        schema = compiled.reply_schema(headers.step)
        assert reply.record.value is not None
        if schema is None:
            check_claimed(headers, reply.record.value, self._catalog, reply.record.headers)
            return None
        expect_record(headers.record, schema.full_name)
        try:
            return to_reader(reply.record.value, self._catalog, schema, reply.record.headers)
        except UnknownSchema:
            if compiled.definition.by_name[headers.step].reply_needed:
                raise
            return None

    def unknown_schema(self, reply: IncomingReply) -> int | None:
        """The id of the schema that a done action's reply is written in, where it is not known here."""
        headers, record = reply.headers, reply.record
        if headers.outcome is not Outcome.SUCCEEDED or headers.kind is Kind.COMPENSATION or record.value is None:
            return None
        try:
            unframe(record.value, self._catalog, record.headers)
        except UnknownSchema as unknown:
            return unknown.schema_id
        except BadMessage:
            return None  # told where it is read
        return None

    def keep(self, reply: IncomingReply) -> bytes:
        """For the inbox: the record as it was."""
        record = reply.record
        return orjson.dumps(
            {
                "topic": record.topic,
                "partition": record.partition,
                "offset": record.offset,
                "timestamp_ms": record.timestamp_ms,
                "key": _text(record.key),
                "value": _text(record.value),
                "headers": encode_headers(record.headers, limits.HEADERS_BYTES).decode(),
            }
        )

    def kept(self, body: bytes) -> Record:
        """Back from the inbox, as it came."""
        content = orjson.loads(body)
        return Record(
            topic=content["topic"],
            partition=content["partition"],
            offset=content["offset"],
            timestamp_ms=content["timestamp_ms"],
            key=_bytes(content["key"]),
            value=_bytes(content["value"]),
            headers=decode_headers(content["headers"].encode()),
        )


def _told(own: object) -> str | None:
    """What a Failure or a Progress says to people."""
    text = own.message if isinstance(own, Failure) else own.note if isinstance(own, Progress) else ""
    return storable(text) or None


def _text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else base64.b64decode(value)
