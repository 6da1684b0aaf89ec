"""The whole way of a record: good ones come through with what the engine needs, bad ones stop at their stage by name (B9)."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from saga_schemas import ids, limits
from saga_schemas.catalog import Catalog
from saga_schemas.codec import encode
from saga_schemas.errors import BadMessage
from saga_schemas.headers import CommandHeaders, ReplyHeaders, StartHeaders, UnsupportedProtocol, answer
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.pipeline import STAGES, Reply, UnreadableCommand, read_command, read_reply, read_start
from saga_schemas.records import EMPTY_BYTES, Failure, Progress, encode_own
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


def reply_headers(outcome: Outcome, record: str, kind: Kind = Kind.ACTION) -> ReplyHeaders:
    command = dataclasses.replace(COMMAND, kind=kind, token=KEYS.sign("default", SAGA, "charge", kind, 1, 1))
    return answer(command, message_id="r-1", source="payment/1", record=record, time_us=NOW, outcome=outcome)


GOOD = reply_headers(Outcome.SUCCEEDED, "shop.CardCharged")


def read(
    headers: ReplyHeaders = GOOD, value: bytes | None = PAID, key: bytes | None = KEY, reader: Schema | None = None
) -> Reply:
    return read_reply(key, value, headers.encode(), CATALOG, KEYS, lambda _: reader)


def refused(**arguments: Any) -> str:
    with pytest.raises(BadMessage) as caught:
        read(**arguments)
    return caught.value.reason


def test_a_good_reply_gives_headers_value_and_bytes() -> None:
    reply = read()
    assert (reply.headers, reply.outcome, reply.value, reply.payload) == (GOOD, Outcome.SUCCEEDED, {"charge_id": "c-1"}, PAID)
    assert (reply.failure, reply.progress) == (None, None)


def test_a_reply_of_a_newer_writer_is_given_under_the_pinned_reader() -> None:
    newer = encode(CHARGED_2, {"charge_id": "c-1", "fee": 3})
    assert read(value=newer, reader=CHARGED).payload == PAID
    assert read(value=PAID, reader=CHARGED_2).value == {"charge_id": "c-1", "fee": 0}


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.FAILED])
def test_a_refusal_carries_its_failure(outcome: Outcome) -> None:
    failure = Failure.of("no_carrier", "none", 200)
    reply = read(reply_headers(outcome, "saga.v1.Failure"), encode_own(failure), reader=CHARGED)
    assert (reply.failure, reply.payload) == (failure, None)


def test_progress_is_read() -> None:
    assert read(reply_headers(Outcome.IN_PROGRESS, "saga.v1.Progress"), encode_own(Progress.of("x"))).progress == Progress.of("x")


@pytest.mark.parametrize("outcome", [Outcome.FENCED, Outcome.NOTHING_TO_UNDO, Outcome.EXPIRED, Outcome.UNSUPPORTED])
def test_an_outcome_without_data_carries_empty_and_nothing_else(outcome: Outcome) -> None:
    assert read(reply_headers(outcome, "saga.v1.Empty"), EMPTY_BYTES).payload is None
    assert refused(headers=reply_headers(outcome, "shop.CardCharged")) == "record_mismatch"


@pytest.mark.parametrize("outcome", [Outcome.UNDONE, Outcome.SUCCEEDED])
def test_a_compensation_may_be_answered_without_data(outcome: Outcome) -> None:
    reply = read(reply_headers(outcome, "saga.v1.Empty", Kind.COMPENSATION), EMPTY_BYTES, reader=CHARGED)
    assert (reply.value, reply.payload) == (None, None)


def test_an_action_whose_reply_record_is_pinned_must_carry_it() -> None:
    assert (
        refused(headers=reply_headers(Outcome.SUCCEEDED, "saga.v1.Empty"), value=EMPTY_BYTES, reader=CHARGED) == "record_mismatch"
    )
    assert (
        refused(headers=reply_headers(Outcome.SUCCEEDED, "saga.v1.Failure"), value=encode_own(Failure.of("x")))
        == "record_mismatch"
    )
    assert refused(headers=reply_headers(Outcome.SUCCEEDED, "shop.PlaceOrder"), value=PLACED, reader=CHARGED) == "record_mismatch"
    assert refused(headers=reply_headers(Outcome.SUCCEEDED, "shop.PlaceOrder"), value=PAID) == "record_mismatch"


def test_null_and_wrong_keys_and_null_values_are_named() -> None:
    assert refused(key=None) == "null_key"
    assert refused(key=b"") == "key_mismatch"
    assert refused(key=KEY.upper()) == "key_mismatch"
    assert refused(key=b"\xff") == "key_mismatch"
    assert refused(value=None) == "null_value"
    assert refused(value=b"") == "bad_framing"


def test_a_forged_or_replayed_token_is_refused() -> None:
    for change in ({"run": 2}, {"tenant": "other"}, {"incarnation": 2}, {"kind": Kind.COMPENSATION}, {"token": "k1.AAAA"}):
        assert refused(headers=dataclasses.replace(GOOD, **change)) == "token_invalid"


def test_sizes_are_looked_at_first() -> None:
    assert refused(value=b"\xff" * (limits.PAYLOAD_BYTES + 1), key=None) == "too_large"
    assert refused(key=b"x" * (limits.KEY_BYTES + 1)) == "too_large"
    with pytest.raises(BadMessage, match="too_large"):
        read_reply(KEY, PAID, [("x", b"")] * 65, CATALOG, KEYS)


def test_an_unknown_schema_is_named() -> None:
    assert refused(value=b"\x00\x00\x00\x00\x07x") == "unknown_schema"


def test_a_start_gives_its_key_and_value() -> None:
    start = read_start(b"o-1", PLACED, START.encode(), CATALOG, lambda _: ORDER)
    assert (start.headers, start.key, start.value, start.payload) == (START, "o-1", {"order_id": "o-1"}, PLACED)
    assert read_start(None, PLACED, START.encode(), CATALOG).key is None


@pytest.mark.parametrize("key", [b"", b"\xff", b"a\x00", "a\u202eb".encode(), b"x" * 300])
def test_a_start_with_an_impossible_key_is_refused(key: bytes) -> None:
    with pytest.raises(BadMessage) as caught:
        read_start(key, PLACED, START.encode(), CATALOG)
    assert caught.value.reason == "key_invalid"


def test_a_start_with_another_record_than_the_definitions_input_is_refused() -> None:
    with pytest.raises(BadMessage, match="record_mismatch"):
        read_start(b"o-1", PAID, START.encode(), CATALOG, lambda _: ORDER)
    with pytest.raises(BadMessage, match="record_mismatch"):
        read_start(b"o-1", EMPTY_BYTES, dataclasses.replace(START, record="saga.v1.Failure").encode(), CATALOG)


def test_a_command_gives_its_value_and_record() -> None:
    command = read_command(KEY, PLACED, COMMAND.encode(), CATALOG)
    assert (command.headers, command.value, command.writer, command.payload) == (
        COMMAND,
        {"order_id": "o-1"},
        "shop.PlaceOrder",
        PLACED,
    )


def test_a_resolve_carries_empty() -> None:
    resolve = dataclasses.replace(COMMAND, kind=Kind.RESOLVE, record="saga.v1.Empty")
    assert read_command(KEY, EMPTY_BYTES, resolve.encode(), CATALOG).value == {}
    in_header = [*resolve.encode(), ("__value_schema_id", EMPTY_BYTES)]
    assert read_command(KEY, b"", in_header, CATALOG).payload == EMPTY_BYTES
    with pytest.raises(UnreadableCommand):
        read_command(KEY, PLACED, dataclasses.replace(resolve, record="shop.PlaceOrder").encode(), CATALOG)


@pytest.mark.parametrize(
    ("key", "value"), [(KEY, None), (KEY, b"x"), (KEY, PAID), (KEY, PLACED + b"\x00"), (None, PLACED), (b"x", PLACED)]
)
def test_a_command_with_good_headers_and_anything_else_bad_can_be_answered(key: bytes | None, value: bytes | None) -> None:
    with pytest.raises(UnreadableCommand) as caught:
        read_command(key, value, COMMAND.encode(), CATALOG)
    assert caught.value.headers == COMMAND


def test_a_command_of_an_unknown_kind_can_be_answered_and_one_without_headers_cannot() -> None:
    headers = [(name, b"horizon" if name == "ce_sagakind" else value) for name, value in COMMAND.encode()]
    with pytest.raises(UnsupportedProtocol):
        read_command(KEY, PLACED, headers, CATALOG)
    with pytest.raises(BadMessage) as caught:
        read_command(KEY, PLACED, [], CATALOG)
    assert type(caught.value) is BadMessage


def test_the_stages_are_listed_for_the_documentation() -> None:
    assert len(STAGES) == 9
