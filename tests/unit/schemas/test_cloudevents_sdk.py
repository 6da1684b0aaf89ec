"""CloudEvents' own SDK for Python reads every recorded message, and writes a start that we read
with its trace."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import kafka as old_sdk
from cloudevents.v1.http import CloudEvent as OldCloudEvent

from saga_messaging.broker import Record
from saga_schemas.catalog import Catalog
from saga_schemas.inbound import read_start_envelope, read_start_payload
from saga_schemas.schema import Schema

RECORDED = json.loads((resources.files("saga_schemas") / "vectors" / "recorded-messages.json").read_text(encoding="utf-8"))
MESSAGES = [message for message in RECORDED["messages"] if message["kind"] != "dead letter"]
START = MESSAGES[0]
CATALOG = Catalog(Schema.parse_json(schema["canonical"]) for schema in RECORDED["schemas"])
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STATE = "rojo=00f067aa0ba902b7"


def headers_of(message: dict[str, Any]) -> dict[str, bytes]:
    return {name: text.encode() for name, text in message["headers"].items()}


def data_of(event: Any) -> bytes:
    """The SDK's JSON format gives text where the bytes happen to be UTF-8."""
    data = event.get_data()
    return data.encode() if isinstance(data, str) else bytes(data)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message["title"])
def test_it_reads_every_message(message: dict[str, Any]) -> None:
    value, given = bytes.fromhex(message["value"]), message["headers"]

    event = from_binary(KafkaMessage(headers=headers_of(message), key=message["key"], value=value), JSONFormat())

    assert isinstance(event, CloudEvent)
    assert event.get_id() == given["ce_id"]
    assert event.get_source() == given["ce_source"]
    assert event.get_type() == given["ce_type"]
    assert event.get_subject() == given.get("ce_subject")
    assert event.get_datacontenttype() == "application/avro"
    assert event.get_time() == datetime.fromisoformat(given["ce_time"].replace("Z", "+00:00"))
    assert data_of(event) == value
    extensions = {name.removeprefix("ce_"): text for name, text in given.items() if name.startswith("ce_saga")}
    assert {name: event.get_extension(name) for name in extensions} == extensions
    assert event.get_extension("partitionkey") == message["key"]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message["title"])
def test_its_first_api_reads_every_message(message: dict[str, Any]) -> None:
    value = bytes.fromhex(message["value"])

    event = old_sdk.from_binary(
        old_sdk.KafkaMessage(headers=headers_of(message), key=message["key"], value=value), data_unmarshaller=bytes
    )

    assert event["id"] == message["headers"]["ce_id"]
    assert event["specversion"] == "1.0"
    assert event.data == value


# --- a start of its own ---------------------------------------------------------------------------

ATTRIBUTES = {
    "id": "till-4:82",
    "source": "/till/4",
    "type": "loyalty.Purchase",
    "datacontenttype": "application/avro",
    "sagaprotocol": "1",
    "sagatenant": "default",
    "sagadefinition": "reward",
    "partitionkey": "p-17",
    "traceparent": CALLER,
    "tracestate": STATE,
}


def written() -> Any:
    event = CloudEvent(attributes=dict(ATTRIBUTES), data=bytes.fromhex(START["value"]))
    return to_binary(event, JSONFormat())


def written_by_its_first_api() -> Any:
    time = datetime(2026, 11, 3, 14, 5, 6, tzinfo=UTC).isoformat()
    event = OldCloudEvent(ATTRIBUTES | {"time": time}, bytes.fromhex(START["value"]))
    return old_sdk.to_binary(event, data_marshaller=bytes)


@pytest.mark.parametrize("write", [written, written_by_its_first_api])
def test_a_start_that_it_writes_is_read_with_its_trace(write: Callable[[], Any]) -> None:
    message = write()
    key = message.key.encode() if isinstance(message.key, str) else message.key
    record = Record(
        topic="saga.start",
        partition=0,
        offset=0,
        timestamp_ms=0,
        key=key,
        value=message.value,
        headers=tuple(message.headers.items()),
    )

    start = read_start_envelope(record, tenant="default")
    schema = CATALOG.latest("loyalty.Purchase")
    assert schema is not None
    payload = read_start_payload(start, CATALOG, schema)

    assert (start.headers.source, start.headers.message_id) == ("/till/4", "till-4:82")
    assert (start.headers.definition, start.headers.record) == ("reward", "loyalty.Purchase")
    assert (start.headers.traceparent, start.headers.tracestate) == (CALLER, STATE)
    assert payload.key == "p-17"
    assert payload.framed.hex() == START["value"]
