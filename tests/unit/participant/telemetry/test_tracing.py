"""What of a command's context its handler finds: with an SDK in the process, and without one."""

from __future__ import annotations

import pytest
from opentelemetry import baggage, trace
from opentelemetry.sdk.trace import TracerProvider

from saga_messaging.broker import Record
from saga_participant.telemetry.tracing import Tracing
from saga_schemas.headers import decode_command
from support.till.wire import TRACEPARENT, command

RECORD = Record(topic="saga.cmd.till", partition=0, offset=7, timestamp_ms=0, key=b"k", value=b"v", headers=())


@pytest.mark.parametrize("provider", [None, TracerProvider()], ids=["no SDK", "an SDK"])
def test_a_handler_finds_the_commands_trace_and_baggage_and_nothing_of_it_is_left_behind(provider: TracerProvider | None) -> None:
    headers = decode_command(command(tracestate="vendor=1", baggage="shop=berlin").headers)
    with Tracing("till", "saga.till", provider).process(headers, RECORD):
        found = trace.get_current_span().get_span_context()
        assert f"{found.trace_id:032x}" == TRACEPARENT.split("-")[1]
        assert found.trace_state.get("vendor") == "1"
        assert baggage.get_all() == {"shop": "berlin"}
    assert baggage.get_all() == {}
    assert not trace.get_current_span().get_span_context().is_valid
