"""The one road in, both stages: good records come through with what the engine and the barrier
need, bad ones stop by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, cast

import pytest

from saga_messaging.broker import Fault, Headers, Record
from saga_schemas import ids, limits
from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode, encode
from saga_schemas.errors import BadMessage
from saga_schemas.headers import CommandHeaders, ReplyHeaders, StartHeaders, UnsupportedProtocol, answer
from saga_schemas.inbound import (
    ReplyPayload,
    StartPayload,
    UnreadableCommand,
    envelope,
    payload,
    read_command_envelope,
    read_command_payload,
    read_reply_envelope,
    read_reply_payload,
    read_start_envelope,
    read_start_payload,
    unknown_schema,
)
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.records import EMPTY_BYTES, Failure, Progress, encode_own, own_schema
from saga_schemas.schema import Schema
from saga_schemas.token import TokenKeys

NOW = 1_762_179_906_000_123
SAGA = ids.uuid7(NOW, bytes(range(10)))
KEY = ids.saga_key(SAGA)
KEYS = TokenKeys(current="k1", keys={"k1": b"1" * 32})


def schema(name: str, *fields: dict[str, Any]) -> Schema:
    return Schema.parse({"type": "record", "name": name, "fields": list(fields)})


CHARGED = schema("shop.CardCharged", {"name": "charge_id", "type": "string"})
CHARGED_2 = schema("shop.CardCharged", {"name": "charge_id", "type": "string"}, {"name": "fee", "type": "int", "default": 0})
ORDER = schema("shop.PlaceOrder", {"name": "order_id", "type": "string"})
CATALOG = Catalog([CHARGED, CHARGED_2, ORDER])
COMMAND = CommandHeaders(
    message_id=ids.command_id(SAGA, 1, 7, 0), source="cluster/a", record="shop.PlaceOrder", time_us=NOW, saga_id=SAGA, step="charge",
    kind=Kind.ACTION, run=1, attempt=2, incarnation=1, version=7, tenant="default", definition_hash="ab" * 32, expiry_us=NOW,
    token=KEYS.sign("default", SAGA, "charge", Kind.ACTION, 1, 1),
)  # fmt: skip
START = StartHeaders(
    message_id="req-1", source="web", record="shop.PlaceOrder", tenant="default", definition="order", time_us=NOW
)
PLACED = encode(ORDER, {"order_id": "o-1"})
PAID = encode(CHARGED, {"charge_id": "c-1"})


def received(
    key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]], fault: Fault | None = None
) -> Record:
    return Record(
        topic="t", partition=0, offset=0, timestamp_ms=0, key=key, value=value, headers=cast(Headers, tuple(headers)), fault=fault
    )


def reply_headers(outcome: Outcome, record: str, kind: Kind = Kind.ACTION) -> ReplyHeaders:
    command = dataclasses.replace(COMMAND, kind=kind, token=KEYS.sign("default", SAGA, "charge", kind, 1, 1))
    return answer(command, message_id="r-1", source="payment/1", record=record, time_us=NOW, outcome=outcome)


GOOD = reply_headers(Outcome.SUCCEEDED, "shop.CardCharged")


def read(
    headers: ReplyHeaders = GOOD,
    value: bytes | None = PAID,
    key: bytes | None = KEY,
    reader: Schema | None = CHARGED,
    *,
    tenant: str = "default",
    needed: bool = True,
) -> ReplyPayload:
    opened = read_reply_envelope(received(key, value, headers.encode()), tenant=tenant, keys=KEYS)
    assert (opened.headers, opened.key, opened.value) == (headers, key, value)
    return read_reply_payload(opened, CATALOG, reader, needed=needed)


def refused(**arguments: Any) -> str:
    with pytest.raises(BadMessage) as caught:
        read(**arguments)
    return caught.value.reason


def read_start(key: bytes | None, value: bytes | None, headers: StartHeaders = START, reader: Schema = ORDER) -> StartPayload:
    opened = read_start_envelope(received(key, value, headers.encode()), tenant="default")
    assert opened.headers == headers
    return read_start_payload(opened, CATALOG, reader)


def read_command(
    key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]], reader: Schema | None = None
) -> tuple[CommandHeaders, dict[str, Any], bytes]:
    opened = read_command_envelope(received(key, value, headers))
    said = read_command_payload(opened, CATALOG, reader)
    return opened.headers, said.value, said.framed


def test_a_good_reply_gives_the_bytes_under_the_pinned_reader() -> None:
    assert read() == ReplyPayload(framed=PAID)


def test_a_reply_of_a_newer_writer_is_given_under_the_pinned_reader() -> None:
    newer = encode(CHARGED_2, {"charge_id": "c-1", "fee": 3})
    assert read(value=newer, reader=CHARGED).framed == PAID
    framed = read(value=PAID, reader=CHARGED_2).framed
    assert framed is not None
    assert decode(framed, CATALOG).value == {"charge_id": "c-1", "fee": 0}


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.FAILED])
def test_a_refusal_carries_its_failure(outcome: Outcome) -> None:
    failure = Failure.of("no_carrier", "none", 200)
    assert read(reply_headers(outcome, "saga.v1.Failure"), encode_own(failure)) == ReplyPayload(failure=failure)


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.FAILED])
def test_a_refusal_counts_in_spite_of_its_text(outcome: Outcome) -> None:
    value = encode(own_schema(Failure), {"code": "", "message": "m" * 5000, "retry_after_ms": -1})
    read_as = Failure(code="failed", message="m" * 1024, retry_after_ms=0)
    assert read(reply_headers(outcome, "saga.v1.Failure"), value) == ReplyPayload(failure=read_as)


def test_progress_is_read() -> None:
    progress = Progress.of("x")
    assert read(reply_headers(Outcome.IN_PROGRESS, "saga.v1.Progress"), encode_own(progress)) == ReplyPayload(progress=progress)


@pytest.mark.parametrize("outcome", [Outcome.FENCED, Outcome.NOTHING_TO_UNDO, Outcome.EXPIRED, Outcome.UNSUPPORTED])
def test_an_outcome_without_data_carries_empty_and_nothing_else(outcome: Outcome) -> None:
    assert read(reply_headers(outcome, "saga.v1.Empty"), EMPTY_BYTES) == ReplyPayload()
    assert refused(headers=reply_headers(outcome, "shop.CardCharged")) == "record_mismatch"


@pytest.mark.parametrize("outcome", [Outcome.UNDONE, Outcome.SUCCEEDED])
def test_a_compensation_may_be_answered_without_data(outcome: Outcome) -> None:
    assert read(reply_headers(outcome, "saga.v1.Empty", Kind.COMPENSATION), EMPTY_BYTES) == ReplyPayload()


def test_an_action_whose_reply_record_is_pinned_must_carry_it() -> None:
    assert refused(headers=reply_headers(Outcome.SUCCEEDED, "saga.v1.Empty"), value=EMPTY_BYTES) == "record_mismatch"
    assert refused(headers=reply_headers(Outcome.SUCCEEDED, "shop.PlaceOrder"), value=PLACED) == "record_mismatch"
    assert refused(value=PLACED) == "record_mismatch"


def test_a_reply_that_nobody_reads_is_at_least_what_it_claims_to_be() -> None:
    failure = encode_own(Failure.of("x"))
    assert read(reader=None) == ReplyPayload()
    assert refused(headers=reply_headers(Outcome.SUCCEEDED, "saga.v1.Failure"), value=failure, reader=None) == "record_mismatch"
    assert refused(headers=reply_headers(Outcome.SUCCEEDED, "shop.PlaceOrder"), value=PAID, reader=None) == "record_mismatch"
    assert read(value=b"\x00\x00\x00\x00\x07x", reader=None) == ReplyPayload()
    assert read(value=PAID + b"\x00", reader=None) == ReplyPayload()
    undone = reply_headers(Outcome.UNDONE, "shop.CardCharged", Kind.COMPENSATION)
    assert read(undone) == ReplyPayload()
    assert refused(headers=undone, value=PAID + b"\x00") == "trailing_bytes"


def test_null_and_wrong_keys_and_null_values_are_named() -> None:
    assert refused(key=None) == "null_key"
    assert refused(key=b"") == "key_mismatch"
    assert refused(key=KEY.upper()) == "key_mismatch"
    assert refused(key=b"\xff") == "key_mismatch"
    assert refused(value=None) == "null_value"
    assert refused(value=b"") == "bad_framing"


def test_a_forged_or_replayed_token_is_refused() -> None:
    for change in ({"run": 2}, {"incarnation": 2}, {"kind": Kind.COMPENSATION}, {"token": "k1.AAAA"}):
        assert refused(headers=dataclasses.replace(GOOD, **change)) == "token_invalid"
    assert refused(headers=dataclasses.replace(GOOD, tenant="other"), tenant="other") == "token_invalid"


def test_another_tenant_is_not_served() -> None:
    assert refused(headers=dataclasses.replace(GOOD, tenant="other")) == "tenant_mismatch"
    with pytest.raises(BadMessage, match="tenant_mismatch"):
        read_start(b"o-1", PLACED, dataclasses.replace(START, tenant="other"))


def test_of_two_faults_the_earlier_stage_names_its_own() -> None:
    forged = dataclasses.replace(GOOD, token="k1.AAAA")
    assert refused(value=b"\xff" * (limits.PAYLOAD_BYTES + 1), key=None) == "too_large"
    assert refused(headers=forged, key=None, value=None) == "null_value"
    assert refused(headers=forged, key=None, value=b"x") == "null_key"
    assert refused(headers=dataclasses.replace(forged, tenant="other"), value=b"x") == "tenant_mismatch"
    assert refused(headers=forged, value=b"x") == "token_invalid"
    assert refused(headers=dataclasses.replace(GOOD, record="shop.PlaceOrder"), value=b"x") == "record_mismatch"
    with pytest.raises(BadMessage, match="bad_framing"):
        read_start(b"\xff", b"x")
    with pytest.raises(UnreadableCommand, match="null_key"):
        read_command(None, None, COMMAND.encode())


def test_a_record_that_is_none_is_refused_before_anything_else() -> None:
    fault = Fault(reason="unreadable_record", detail="x", last_offset=0)
    nothing = received(None, b"\xff" * (limits.PAYLOAD_BYTES + 1), [], fault)
    for stage in (
        lambda: read_reply_envelope(nothing, tenant="default", keys=KEYS),
        lambda: read_start_envelope(nothing, tenant="default"),
        lambda: read_command_envelope(nothing),
    ):
        with pytest.raises(BadMessage, match="unreadable_record"):
            stage()


def test_sizes_are_looked_at_before_headers() -> None:
    assert refused(key=b"x" * (limits.KEY_BYTES + 1)) == "too_large"
    with pytest.raises(BadMessage, match="too_large"):
        read_reply_envelope(received(KEY, PAID, [("x", b"")] * 65), tenant="default", keys=KEYS)


def test_an_unknown_schema_is_named_where_the_value_is_needed() -> None:
    unknown = b"\x00\x00\x00\x00\x07x"
    assert refused(value=unknown) == "unknown_schema"
    assert read(value=unknown, needed=False) == ReplyPayload()
    opened = read_reply_envelope(received(KEY, unknown, GOOD.encode()), tenant="default", keys=KEYS)
    assert unknown_schema(opened, CATALOG) == 7
    assert unknown_schema(dataclasses.replace(opened, value=PAID), CATALOG) is None


def test_a_start_gives_its_key_and_value() -> None:
    start = read_start(b"o-1", PLACED)
    assert (start.key, start.value, start.framed, start.as_written) == ("o-1", {"order_id": "o-1"}, PLACED, True)
    assert read_start(None, PLACED).key is None


@pytest.mark.parametrize("key", [b"", b"\xff", b"a\x00", "a\u202eb".encode(), b"x" * 300])
def test_a_start_with_an_impossible_key_is_refused(key: bytes) -> None:
    with pytest.raises(BadMessage) as caught:
        read_start(key, PLACED)
    assert caught.value.reason == "key_invalid"


def test_a_start_with_another_record_than_the_definitions_input_is_refused() -> None:
    with pytest.raises(BadMessage, match="record_mismatch"):
        read_start(b"o-1", PAID)
    with pytest.raises(BadMessage, match="unknown_schema"):
        read_start(b"o-1", EMPTY_BYTES, dataclasses.replace(START, record="saga.v1.Empty"))


def test_a_command_gives_its_value() -> None:
    assert read_command(KEY, PLACED, COMMAND.encode()) == (COMMAND, {"order_id": "o-1"}, PLACED)
    assert read_command(KEY, PLACED, COMMAND.encode(), ORDER) == (COMMAND, {"order_id": "o-1"}, PLACED)


def test_a_resolve_carries_empty() -> None:
    resolve = dataclasses.replace(COMMAND, kind=Kind.RESOLVE, record="saga.v1.Empty")
    assert read_command(KEY, EMPTY_BYTES, resolve.encode()) == (resolve, {}, EMPTY_BYTES)
    in_header = [*resolve.encode(), ("__value_schema_id", EMPTY_BYTES[:5])]
    assert read_command(KEY, EMPTY_BYTES[5:], in_header) == (resolve, {}, EMPTY_BYTES)
    with pytest.raises(UnreadableCommand):
        read_command(KEY, PLACED, dataclasses.replace(resolve, record="shop.PlaceOrder").encode())


@pytest.mark.parametrize(
    ("key", "value"), [(KEY, None), (KEY, b"x"), (KEY, PAID), (KEY, PLACED + b"\x00"), (None, PLACED), (b"x", PLACED)]
)
@pytest.mark.parametrize("reader", [None, ORDER])
def test_a_command_with_good_headers_and_anything_else_bad_can_be_answered(
    key: bytes | None, value: bytes | None, reader: Schema | None
) -> None:
    with pytest.raises(UnreadableCommand) as caught:
        read_command(key, value, COMMAND.encode(), reader)
    assert caught.value.headers == COMMAND


def test_a_command_of_an_unknown_kind_can_be_answered_and_one_without_headers_cannot() -> None:
    headers = [(name, b"signal" if name == "ce_sagakind" else value) for name, value in COMMAND.encode()]
    with pytest.raises(UnsupportedProtocol):
        read_command(KEY, PLACED, headers)
    with pytest.raises(BadMessage) as caught:
        read_command(KEY, PLACED, [])
    assert type(caught.value) is BadMessage


def test_the_stages_are_listed_for_the_documentation() -> None:
    assert (len(envelope.STAGES), len(payload.STAGES)) == (6, 7)
