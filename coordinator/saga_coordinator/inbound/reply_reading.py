"""From a record of a reply topic to an engine event, by the two stages of `saga_schemas.inbound`.

The envelope needs nothing but the record. The payload needs the saga's definition, which pins the reader's schema, so it is read
inside the batch's transaction. A reply that waits in the inbox is kept as the record it was and read again.
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
from saga_schemas.catalog import Catalog
from saga_schemas.errors import BadMessage
from saga_schemas.frozen import frozen
from saga_schemas.headers import ReplyHeaders
from saga_schemas.inbound import Envelope, ReplyPayload, read_reply_envelope, read_reply_payload, unknown_schema
from saga_schemas.token import TokenKeys
from saga_schemas.topics import Topics

CONSUMER: Final = "replies"
"""The name of the reply loop's positions and dead letters in the store."""


@frozen
class IncomingReply:
    """A reply whose envelope is good: it claims to be of this saga, and its token says that we asked."""

    record: Record
    envelope: Envelope[ReplyHeaders]

    @property
    def headers(self) -> ReplyHeaders:
        return self.envelope.headers

    @property
    def saga_id(self) -> UUID:
        return self.envelope.headers.saga_id


class ReplyReading:
    """The two stages of `saga_schemas.inbound` for replies, with what they need to know."""

    def __init__(self, *, catalog: Catalog, keys: TokenKeys, topics: Topics, tenant: str) -> None:
        self._catalog = catalog
        self._keys = keys
        self._topics = topics
        self._tenant = tenant

    def envelope(self, record: Record) -> IncomingReply:
        """The first stage, of the record alone. Raises BadMessage."""
        return IncomingReply(record=record, envelope=read_reply_envelope(record, tenant=self._tenant, keys=self._keys))

    def event(self, reply: IncomingReply, compiled: CompiledDefinition) -> Reply:
        """The second stage, under the schema that the saga's definition pins, and the engine's event. Raises BadMessage."""
        headers = reply.headers
        step = compiled.definition.by_name.get(headers.step)
        if step is None:
            raise BadMessage("step_unknown", "the saga's definition has no such step")
        if self._topics.participant_of_reply(reply.record.topic) != step.participant:
            raise BadMessage("wrong_topic", f"step {step.name} is answered on {self._topics.reply(step.participant)}")
        payload = read_reply_payload(reply.envelope, self._catalog, compiled.reply_schema(step.name), needed=step.reply_needed)
        failure = payload.failure
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
            message=_told(payload),
            retry_after_ms=None if failure is None else failure.retry_after_ms,
            payload=payload.framed,
            causation_id=headers.causation_id,
            time_us=headers.time_us,
        )

    def unknown_schema(self, reply: IncomingReply) -> int | None:
        """The id of the schema that a done action's reply is written in, where it is not known here."""
        return unknown_schema(reply.envelope, self._catalog)

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
                "headers": encode_headers(record.headers).decode(),
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


def _told(payload: ReplyPayload) -> str | None:
    """What a Failure or a Progress says to people."""
    text = ""
    if payload.failure is not None:
        text = payload.failure.message
    elif payload.progress is not None:
        text = payload.progress.note
    return storable(text) or None


def _text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else base64.b64decode(value)
