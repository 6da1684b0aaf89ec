"""What of a command's context its handler finds: with an SDK in the process, and without one."""

from __future__ import annotations

import time
import uuid

import pytest
from opentelemetry import baggage, trace
from opentelemetry.sdk.trace import TracerProvider

from saga_messaging.broker import Record
from saga_participant.tracing import Tracing
from saga_schemas.envelopes import CommandHeaders
from saga_schemas.ids import command_id, uuid7
from saga_schemas.outcomes import Kind

TRACE, SPAN = "a" * 32, "b" * 16
RECORD = Record(topic="saga.cmd.payment", partition=0, offset=7, timestamp_ms=0, key=b"k", value=b"v", headers=())


def command() -> CommandHeaders:
    saga_id = uuid7(time.time_ns() // 1000, uuid.uuid4().bytes[:10])
    return CommandHeaders(
        message_id=command_id(saga_id, 1, 1, 0),
        source="tests",
        record="shop.ChargeCard",
        time_us=0,
        saga_id=saga_id,
        step="charge",
        kind=Kind.ACTION,
        run=1,
        attempt=1,
        incarnation=1,
        version=1,
        tenant="default",
        definition_hash="0" * 64,
        expiry_us=1,
        token="opaque",
        traceparent=f"00-{TRACE}-{SPAN}-01",
        tracestate="vendor=1",
        baggage="shop=berlin",
    )


@pytest.mark.parametrize("provider", [None, TracerProvider()], ids=["no SDK", "an SDK"])
def test_a_handler_finds_the_commands_trace_and_baggage_and_nothing_of_it_is_left_behind(provider: TracerProvider | None) -> None:
    with Tracing("payment", "saga.payment", provider).process(command(), RECORD):
        found = trace.get_current_span().get_span_context()
        assert f"{found.trace_id:032x}" == TRACE
        assert found.trace_state.get("vendor") == "1"
        assert baggage.get_all() == {"shop": "berlin"}
    assert baggage.get_all() == {}
    assert not trace.get_current_span().get_span_context().is_valid
