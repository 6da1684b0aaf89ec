"""What a participant logs about a command leads to its saga and its trace."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import TracerProvider

from saga_messaging.memory import MemoryBroker
from saga_participant.telemetry.command_log import log_of
from saga_schemas.headers import decode_command
from saga_schemas.outcomes import Kind
from support.till.shop import make_till
from support.till.wire import REPLIES, TRACEPARENT, command, new_saga, records, replies, send, with_header

_, TRACE, SPAN, _ = TRACEPARENT.split("-")


def fields(record: logging.LogRecord) -> dict[str, object]:
    names = ("saga", "step", "kind", "run", "attempt", "trace_id", "span_id")
    return {name: getattr(record, name) for name in names if hasattr(record, name)}


def logged(saga: UUID, caplog: pytest.LogCaptureFixture, **changes: Any) -> logging.LogRecord:
    log_of(decode_command(command(saga, **changes).headers)).warning("it is %s", "late")
    (record,) = caplog.records
    return record


def test_text_and_fields_name_saga_step_and_trace(caplog: pytest.LogCaptureFixture) -> None:
    saga = new_saga()
    record = logged(saga, caplog, attempt=3)

    assert record.name == "saga_participant"
    assert record.getMessage() == (
        f"it is late; saga={saga} step=pay kind=action run=1 attempt=3 trace_id={TRACE} span_id={SPAN}"
    )
    assert fields(record) == {
        "saga": str(saga),
        "step": "pay",
        "kind": "action",
        "run": 1,
        "attempt": 3,
        "trace_id": TRACE,
        "span_id": SPAN,
    }


def test_the_span_is_the_one_being_recorded(caplog: pytest.LogCaptureFixture) -> None:
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("process") as span:
        context = span.get_span_context()
        of_this_trace = f"00-{context.trace_id:032x}-{'b' * 16}-01"
        record = logged(new_saga(), caplog, traceparent=of_this_trace)
    assert (fields(record)["trace_id"], fields(record)["span_id"]) == (f"{context.trace_id:032x}", f"{context.span_id:016x}")


def test_a_span_of_another_trace_does_not_count(caplog: pytest.LogCaptureFixture) -> None:
    with TracerProvider().get_tracer("test").start_as_current_span("the service's own"):
        record = logged(new_saga(), caplog)
    assert (fields(record)["trace_id"], fields(record)["span_id"]) == (TRACE, SPAN)


def test_without_a_trace_context_there_are_no_ids(caplog: pytest.LogCaptureFixture) -> None:
    record = logged(new_saga(), caplog, traceparent=None)

    assert fields(record).keys() == {"saga", "step", "kind", "run", "attempt"}
    assert "trace" not in record.getMessage()


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"mode": "break"}, "failed: value_error at"),
        ({"record": "till.Nothing"}, "unreadable command: record_mismatch"),
    ],
    ids=lambda each: str(each),
)
async def test_what_goes_wrong_with_a_command_leads_to_its_trace(
    sent: dict[str, str], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    broker, saga, (till, _) = MemoryBroker(), new_saga(), make_till()
    async with till.served(broker):
        await send(broker, command(saga, **sent))  # type: ignore[arg-type]
        await replies(broker, 1)
    (record,) = [each for each in caplog.records if says in each.getMessage()]

    assert (fields(record)["saga"], fields(record)["step"], fields(record)["trace_id"]) == (str(saga), "pay", TRACE)


async def test_a_command_of_an_unknown_kind_claims_none(caplog: pytest.LogCaptureFixture) -> None:
    broker, saga, (till, _) = MemoryBroker(), new_saga(), make_till()
    async with till.served(broker):
        await send(broker, with_header(command(saga), "ce_sagakind", b"unheard"))
        await records(broker, REPLIES, 1)
    (record,) = [each for each in caplog.records if "command refused" in each.getMessage()]

    assert fields(record).keys() == {"saga", "step", "run", "attempt", "trace_id", "span_id"}


def test_kinds_are_told(caplog: pytest.LogCaptureFixture) -> None:
    log_of(decode_command(command(new_saga(), Kind.COMPENSATION).headers)).error("no")

    assert fields(caplog.records[0])["kind"] == "compensation"
