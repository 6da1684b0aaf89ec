"""The second stage of a reply: from its payload to an engine event.

The payload needs the saga's definition, which pins the reader's schema, so it is read inside the
batch's transaction.
"""

from __future__ import annotations

from saga_coordinator.definitions.compile import CompiledDefinition
from saga_coordinator.engine.events import Reply
from saga_coordinator.inbound.reply_envelope import IncomingReply
from saga_coordinator.store.columns import storable_text
from saga_schemas.catalog import Catalog
from saga_schemas.errors import BadMessage
from saga_schemas.inbound import ReplyPayload, read_reply_payload, unknown_schema
from saga_schemas.topics import Topics


class ReplyPayloads:
    """Reads the payloads of replies."""

    def __init__(self, *, catalog: Catalog, topics: Topics) -> None:
        self._catalog = catalog
        self._topics = topics

    def read(self, reply: IncomingReply, compiled: CompiledDefinition) -> Reply:
        """Read the payload, under the schema that the saga's definition pins.

        Returns:
            The engine's event.

        Raises:
            BadMessage: The definition has no such step, the step is answered on another topic, or
                the payload is not what it claims.
        """
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
            code=None if failure is None else storable_text(failure.code),
            message=_message(payload),
            retry_after_ms=None if failure is None else failure.retry_after_ms,
            payload=payload.framed,
            causation_id=headers.causation_id,
            message_id=headers.message_id,
            time_us=headers.time_us,
            taken_at_us=headers.taken_at_us,
            handler_us=headers.handler_us,
        )

    def unknown_schema(self, reply: IncomingReply) -> int | None:
        """The id of the schema of a done action's reply, where that schema is not known here."""
        return unknown_schema(reply.envelope, self._catalog)


def _message(payload: ReplyPayload) -> str | None:
    """The text for people that a Failure or a Progress carries."""
    text = ""
    if payload.failure is not None:
        text = payload.failure.message
    elif payload.progress is not None:
        text = payload.progress.note
    return storable_text(text) or None
