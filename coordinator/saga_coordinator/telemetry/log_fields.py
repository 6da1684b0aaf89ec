"""The fields of every log line about a saga: `saga`, `definition`, `step`, `trace_id` and
`span_id`, where known.

`span_id` names the span of the attempt that the line is about, else the root span of the saga. A
log line never has a payload or a business key (S17).
"""

from __future__ import annotations

from uuid import UUID

from saga_coordinator.engine.facts import ReplySeen
from saga_coordinator.sagas.work import SagaWork
from saga_coordinator.store.port import SagaRow
from saga_coordinator.traces.spans import attempt_span_id, root_span_id
from saga_messaging.broker import Outgoing
from saga_schemas.headers import ReplyHeaders
from saga_schemas.headers.names import CORRELATION, STEP, TRACEPARENT
from saga_schemas.trace_context import parse_context

Fields = dict[str, str]


def about(work: SagaWork, *, step: str | None = None, reply: ReplyHeaders | ReplySeen | None = None) -> Fields:
    """The fields of a saga in work. `reply` is the reply that the line is about."""
    known = about_row(work.row, work.compiled.definition.name)
    if step is not None:
        known["step"] = step
    if reply is not None:
        known |= {"step": reply.step, "span_id": span_of(work.row, reply)}
    return known


def about_row(row: SagaRow, definition: str | None = None) -> Fields:
    """The fields of a saga of which only the row is known."""
    known = {"saga": str(row.id), "trace_id": row.trace_id, "span_id": root_span_id(row.id)}
    return known if definition is None else known | {"definition": definition}


def about_id(saga_id: UUID) -> Fields:
    """The fields of a saga of which only the id is known."""
    return {"saga": str(saga_id), "span_id": root_span_id(saga_id)}


def about_reply(headers: ReplyHeaders) -> Fields:
    """The fields that a reply itself gives, for a saga whose row is not loaded.

    The token was checked before.
    """
    known = {"saga": str(headers.saga_id), "step": headers.step}
    context = parse_context(headers.origin_traceparent or headers.traceparent)
    return known if context is None else known | {"trace_id": context.trace_id, "span_id": root_span_id(headers.saga_id)}


def about_record(record: Outgoing, definition: str | None = None) -> Fields:
    """The fields that the headers of our own message give. Headers name no definition."""
    headers = {name: value.decode() for name, value in record.headers}
    known = {"saga": headers.get(CORRELATION), "step": headers.get(STEP), "definition": definition}
    context = parse_context(headers.get(TRACEPARENT))
    if context is not None:
        known |= {"trace_id": context.trace_id, "span_id": context.span_id}
    return {name: value for name, value in known.items() if value is not None}


def span_of(row: SagaRow, reply: ReplyHeaders | ReplySeen) -> str:
    """The span of the attempt that the reply answers."""
    message_id = reply.causation_id or ""
    return attempt_span_id(message_id, row.id, row.incarnation, reply.step, reply.kind, reply.run, reply.attempt)
