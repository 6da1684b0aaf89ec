"""The envelope: what is written reads back; what is missing, doubled, binary or out of range is one
named refusal (B9)."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saga_schemas import ids, limits
from saga_schemas.errors import BadMessage
from saga_schemas.headers import (
    CommandHeaders,
    EventHeaders,
    ReplyHeaders,
    StartHeaders,
    UnsupportedProtocol,
    answer,
    decode_command,
    decode_event,
    decode_reply,
    decode_start,
)
from saga_schemas.headers.fields import collect, collect_each
from saga_schemas.headers.names import KNOWN, PASSED_OVER
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.times import FIRST_US, LAST_US

NOW = 1_762_179_906_000_123
SAGA = ids.uuid7(NOW, bytes(range(10)))
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
COMMAND = CommandHeaders(
    message_id=ids.command_id(SAGA, 1, 7, 0), source="cluster/a", record="shop.ChargeCard", time_us=NOW, saga_id=SAGA, step="charge",
    kind=Kind.ACTION, run=1, attempt=2, incarnation=1, version=7, tenant="default", definition_hash="ab" * 32,
    expiry_us=NOW + 3_600_000_000,
    token="k1.abc", traceparent=PARENT, tracestate="a=b", origin_traceparent=PARENT,
)  # fmt: skip
REPLY = answer(COMMAND, message_id="r-1", source="payment/1", record="shop.CardCharged", time_us=NOW, outcome=Outcome.SUCCEEDED)
START = StartHeaders(
    message_id="req-1", source="web", record="shop.PlaceOrder", tenant="default", definition="order", time_us=NOW
)
EVENT = EventHeaders(
    message_id="e-1", source="cluster/a", record="saga.v1.SagaEvent", time_us=NOW, saga_id=SAGA, tenant="default", sequence=3
)
MESSAGES: list[tuple[Any, Any]] = [(COMMAND, decode_command), (REPLY, decode_reply), (START, decode_start), (EVENT, decode_event)]

texts = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=20).filter(ids.valid_text)
int32 = st.integers(1, limits.INT32_MAX)
hashes = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
times = st.integers(FIRST_US, LAST_US)
names = st.from_regex(ids.NAME, fullmatch=True)
parents = st.none() | st.just(PARENT)
echoed = {
    "message_id": texts, "source": texts, "record": texts, "time_us": times, "saga_id": st.just(SAGA),
    "step": st.from_regex(ids.STEP, fullmatch=True),
    "kind": st.sampled_from(Kind), "run": int32, "attempt": int32, "incarnation": int32, "version": int32, "tenant": texts,
    "token": st.from_regex(r"[!-~]{1,128}", fullmatch=True), "traceparent": parents, "origin_traceparent": parents,
}  # fmt: skip


def changed(message: Any, name: str, *values: bytes | None) -> list[tuple[str, bytes | None]]:
    """The message's headers with one header replaced by these values (none: left out)."""
    return [header for header in message.encode() if header[0] != name] + [(name, value) for value in values]


@settings(max_examples=40)
@given(st.builds(CommandHeaders, **echoed, definition_hash=hashes, expiry_us=times, causation_id=st.none() | texts))
def test_a_command_reads_back_as_it_was_written(command: CommandHeaders) -> None:
    assert decode_command(command.encode()) == command


@settings(max_examples=40)
@given(st.builds(ReplyHeaders, **echoed, causation_id=texts, outcome=st.sampled_from(Outcome), seq=st.none() | st.integers(0,
limits.INT64_MAX),
                 row_run=st.none() | int32, taken_at_us=st.none() | times, handler_us=st.none() | st.integers(0,
limits.INT64_MAX)))  # fmt: skip
def test_a_reply_reads_back_as_it_was_written(reply: ReplyHeaders) -> None:
    assert decode_reply(reply.encode()) == reply


@settings(max_examples=40)
@given(st.builds(StartHeaders, message_id=texts, source=texts, record=texts, tenant=texts, definition=names, time_us=times,
traceparent=parents,
                 definition_version=st.none() | st.integers(1, limits.INT32_MAX), causation_id=st.none() | texts))  # fmt: skip
def test_a_start_reads_back_as_it_was_written(start: StartHeaders) -> None:
    assert decode_start(start.encode()) == start


def test_an_event_reads_back_as_it_was_written() -> None:
    assert decode_event(EVENT.encode()) == EVENT


@pytest.mark.parametrize(("message", "decode"), MESSAGES)
def test_each_required_header_is_missed_by_name(message: Any, decode: Any) -> None:
    optional = {"content-type", "traceparent", "tracestate", "ce_traceparent"}
    for name in {name for name, _ in message.encode()} - optional:
        with pytest.raises(BadMessage) as caught:
            decode(changed(message, name))
        assert (caught.value.reason, caught.value.detail) == ("header_missing", name)


@pytest.mark.parametrize(("message", "decode"), MESSAGES)
def test_each_header_twice_null_or_binary_is_refused_by_name(message: Any, decode: Any) -> None:
    for name, value in message.encode():
        if name in ("traceparent", "tracestate", "ce_traceparent"):
            continue
        for values, reason in (
            ((value, value), "header_duplicate"),
            ((None,), "header_invalid"),
            ((b"\xff\xfe",), "header_invalid"),
        ):
            with pytest.raises(BadMessage) as caught:
                decode(changed(message, name, *values))
            assert caught.value.reason == reason
            assert name in caught.value.detail


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_specversion", b"0.3"), ("ce_time", b"yesterday"), ("ce_time", b"2027-11-03T14:05:06"), ("ce_sagarun", b"-1"),
        ("ce_sagarun", b"01"),
        ("ce_sagarun", b"1.0"), ("ce_sagarun", "٣".encode()), ("ce_sagarun", b"2147483648"), ("ce_sagaversion", b"9" * 4000),
        ("ce_sagastep", b"../x"),
        ("ce_sagatenant", "a\u202eb".encode()), ("ce_sagatenant", b""), ("ce_correlationid", b"6ba7b810-9dad-41d1-80b4-00c04fd430c8"),
        ("ce_correlationid", str(SAGA).upper().encode()), ("ce_subject", b"another"), ("ce_sagatoken", b"x" * 129), ("ce_sagatoken", b""),
        ("ce_id", b"\x00"), ("ce_sagaattempt", b" 7"), ("content-type", b"application/json"),
    ],
)  # fmt: skip
def test_a_header_out_of_form_is_refused_without_repeating_it(name: str, value: bytes) -> None:
    for message, decode in ((COMMAND, decode_command), (REPLY, decode_reply)):
        with pytest.raises(BadMessage) as caught:
            decode(changed(message, name, value))
        assert caught.value.reason == "header_invalid"
        assert name in caught.value.detail
        assert not value or value.decode() not in caught.value.detail.removeprefix(name)


def test_an_unknown_outcome_kind_or_protocol_of_a_reply_is_refused() -> None:
    for name, value in (("ce_sagaoutcome", b"MAYBE"), ("ce_sagakind", b"signal"), ("ce_sagaprotocol", b"2")):
        with pytest.raises(BadMessage):
            decode_reply(changed(REPLY, name, value))


@pytest.mark.parametrize(
    ("name", "value"),
    [("ce_sagaprotocol", b"2"), ("ce_sagaprotocol", "2.0 — draft".encode())]
    + [
        ("ce_sagakind", kind)
        for kind in (b"signal", b"COMPENSATION", b"Action", b"undo_it", "zurück".encode(), b"do it", b"k" * 256)
    ],
)
def test_a_command_of_another_protocol_or_kind_can_be_answered_unsupported(name: str, value: bytes) -> None:
    headers = [header for header in changed(COMMAND, name, value) if header[0] not in ("ce_expirytime", "ce_sagadef")]
    with pytest.raises(UnsupportedProtocol) as caught:
        decode_command(headers)
    reply = dict(caught.value.echo.encode(message_id="r", source="payment/1", record="saga.v1.Empty", time_us=NOW))
    sent = dict(COMMAND.encode())
    assert reply["ce_sagaoutcome"] == b"UNSUPPORTED"
    assert reply["ce_sagakind"] == (value if name == "ce_sagakind" else b"action")
    assert reply["ce_causationid"] == sent["ce_id"]
    for echo in (
        "ce_correlationid",
        "ce_subject",
        "ce_sagastep",
        "ce_sagarun",
        "ce_sagaattempt",
        "ce_sagaincarnation",
        "ce_sagaversion",
        "ce_sagatoken",
    ):
        assert reply[echo] == sent[echo]


@pytest.mark.parametrize("kind", [b"", b" action", b"act\nion", b"k" * 257])
def test_a_kind_that_is_no_text_cannot_be_echoed(kind: bytes) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_command(changed(COMMAND, "ce_sagakind", kind))
    assert (caught.value.reason, isinstance(caught.value, UnsupportedProtocol)) == ("header_invalid", False)


def test_any_instant_is_read_in_every_header_that_holds_a_time() -> None:
    for message, decode in MESSAGES:
        for text, us in (
            ("0001-01-01T00:00:00Z", FIRST_US),
            ("9999-12-31T23:59:60z", LAST_US),
            ("0001-01-01T00:00:00+23:59", FIRST_US),
        ):
            assert decode(changed(message, "ce_time", text.encode())).time_us == us
    assert decode_command(changed(COMMAND, "ce_expirytime", b"0001-01-01T00:00:00Z")).expiry_us == FIRST_US


def test_numbers_are_read_up_to_the_bounds_the_page_gives() -> None:
    for message, decode, name, largest in (
        *((COMMAND, decode_command, f"ce_saga{each}", limits.INT32_MAX) for each in ("run", "attempt", "incarnation", "version")),
        (REPLY, decode_reply, "ce_sagarowrun", limits.INT32_MAX),
        (REPLY, decode_reply, "ce_sagaseq", limits.INT64_MAX),
        (EVENT, decode_event, "ce_sequence", limits.INT64_MAX),
    ):
        smallest = 0 if name == "ce_sagaseq" else 1
        decode(changed(message, name, b"%d" % smallest))
        decode(changed(message, name, b"%d" % largest))
        for beyond in (smallest - 1, largest + 1):
            with pytest.raises(BadMessage, match=name):
                decode(changed(message, name, b"%d" % beyond))


@pytest.mark.parametrize("given", [b"zz", b"", b"AB" * 32, b"ab" * 31, b"ab" * 33, "\u0661".encode() * 64])
def test_the_hash_of_a_definition_is_64_hexadecimal_digits(given: bytes) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_command(changed(COMMAND, "ce_sagadef", given))
    assert (caught.value.reason, caught.value.detail.split(":")[0]) == ("header_invalid", "ce_sagadef")


def test_sequences_sort_as_text_as_they_do_as_numbers() -> None:
    numbers = [1, 9, 10, 99, 1_000_000, limits.INT64_MAX]
    written = [dict(dataclasses.replace(EVENT, sequence=number).encode())["ce_sequence"] for number in numbers]
    assert written == sorted(written)
    assert {len(each) for each in written} == {19}
    for number, text in zip(numbers, written, strict=True):
        assert decode_event(changed(EVENT, "ce_sequence", text)).sequence == number


@pytest.mark.parametrize("text", [b"", b"-1", b"+1", b" 1", b"1 ", b"1_0", b"0", b"0" * 19, b"0" * 20, b"9" * 19])
def test_a_sequence_is_digits_up_to_its_bound(text: bytes) -> None:
    with pytest.raises(BadMessage, match="ce_sequence"):
        decode_event(changed(EVENT, "ce_sequence", text))


def test_a_command_of_another_protocol_without_what_a_reply_echoes_is_bad() -> None:
    headers = [header for header in changed(COMMAND, "ce_sagaprotocol", b"2") if header[0] != "ce_sagatoken"]
    with pytest.raises(BadMessage) as caught:
        decode_command(headers)
    assert not isinstance(caught.value, UnsupportedProtocol)


@pytest.mark.parametrize(
    "values",
    [
        (b"garbage",), (b"\xff",), (None,), (PARENT.encode(), PARENT.encode()), (PARENT.upper().encode(),),
        (b"ff" + PARENT.encode()[2:],),
        (PARENT.encode() + b"-x",), (b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01",),
        (b"00-4bf92f3577b34da6a3ce929d0e0e4736-" + b"0" * 16 + b"-01",),
    ],
)  # fmt: skip
def test_bad_trace_context_never_refuses_a_message(values: tuple[bytes | None, ...]) -> None:
    read = decode_command(changed(COMMAND, "traceparent", *values))
    assert read == dataclasses.replace(COMMAND, traceparent=None, tracestate=None)


TIMED = dataclasses.replace(REPLY, taken_at_us=NOW + 1, handler_us=1_500)


def test_a_reply_says_when_it_was_begun_and_how_long_its_handler_took() -> None:
    written = dict(TIMED.encode())
    assert (written["ce_sagatakentime"], written["ce_sagahandlerus"]) == (b"2025-11-03T14:25:06.000124Z", b"1500")
    assert not {"ce_sagatakentime", "ce_sagahandlerus"} & dict(REPLY.encode()).keys()
    read = decode_reply(changed(TIMED, "ce_sagatakentime", b"2025-11-03T15:25:06.0001249+01:00"))
    assert read == TIMED, "any RFC 3339 instant is read"


@pytest.mark.parametrize(
    "values",
    [
        (b"yesterday",), (b"",), (b"\xff\xfe",), (None,), (b"2025-11-03T14:25:06.000124Z",) * 2, (b"2025-11-03T14:25:06",),
        (b"0000-01-01T00:00:00Z",), (b"0001-01-01T00:00:00+00:01",), (b"9999-12-31T23:59:60Z",), (b"2025-13-03T14:25:06Z",),
        (b"1700000000",), (b"2" * 5000,), ("٢٠٢٥-11-03T14:25:06Z".encode(),),
    ],
)  # fmt: skip
def test_a_bad_time_of_taking_is_as_none(values: tuple[bytes | None, ...]) -> None:
    assert decode_reply(changed(TIMED, "ce_sagatakentime", *values)) == dataclasses.replace(TIMED, taken_at_us=None)


@pytest.mark.parametrize(
    "values",
    [
        (b"-1",), (b"",), (b"01",), (b"1.5",), (b"+1",), (b" 1",), (b"1e3",), (b"9223372036854775808",), (b"9" * 5000,), (b"\xff",),
        (None,), (b"1", b"1"), ("٣".encode(),),
    ],
)  # fmt: skip
def test_a_bad_duration_of_a_handler_is_as_none(values: tuple[bytes | None, ...]) -> None:
    assert decode_reply(changed(TIMED, "ce_sagahandlerus", *values)) == dataclasses.replace(TIMED, handler_us=None)


@pytest.mark.parametrize("later", ["01" + PARENT[2:], "01" + PARENT[2:] + "-more"])
def test_a_version_of_trace_context_that_we_do_not_know_is_read_as_none(later: str) -> None:
    for name in ("traceparent", "ce_traceparent"):
        read = decode_command(changed(COMMAND, name, later.encode()))
        assert (read.traceparent, read.origin_traceparent) == ((None, PARENT) if name == "traceparent" else (PARENT, None))


@pytest.mark.parametrize("tracestate", [b"a", b"A=1", b"a=1,a=2", b"a=" + b"x" * 511, "a=\u00e9".encode()])
def test_a_tracestate_that_is_malformed_or_too_large_makes_its_traceparent_no_context(tracestate: bytes) -> None:
    read = decode_command(changed(COMMAND, "tracestate", tracestate))
    assert read == dataclasses.replace(COMMAND, traceparent=None, tracestate=None)


CLOUD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CLOUD_TRACE = (("ce_traceparent", CLOUD.encode()), ("ce_tracestate", b"c=d"))


@pytest.mark.parametrize(
    ("headers", "read"),
    [
        (CLOUD_TRACE, (CLOUD, "c=d")),
        (CLOUD_TRACE[:1], (CLOUD, None)),
        ((*CLOUD_TRACE, ("tracestate", b"a=b")), (CLOUD, "c=d")),
        ((*CLOUD_TRACE, ("traceparent", PARENT.encode())), (PARENT, None)),
        ((*CLOUD_TRACE, ("traceparent", PARENT.encode()), ("tracestate", b"a=b")), (PARENT, "a=b")),
        ((*CLOUD_TRACE, ("traceparent", b"garbage")), (CLOUD, "c=d")),
        ((*CLOUD_TRACE, ("traceparent", PARENT.encode()), ("traceparent", PARENT.encode())), (CLOUD, "c=d")),
        ((*CLOUD_TRACE, ("traceparent", PARENT.encode()), ("tracestate", b"no list")), (CLOUD, "c=d")),
        ((("ce_traceparent", b"garbage"), ("traceparent", PARENT.encode())), (PARENT, None)),
        ((("ce_traceparent", b"garbage"),), (None, None)),
        ((("ce_traceparent", b"\xff"),), (None, None)),
        ((("ce_traceparent", None),), (None, None)),
        ((CLOUD_TRACE[0], CLOUD_TRACE[0]), (None, None)),
        ((CLOUD_TRACE[0], ("ce_tracestate", b"no list")), (None, None)),
        ((CLOUD_TRACE[1],), (None, None)),
        ((("traceparent", b"garbage"), ("ce_traceparent", b"garbage")), (None, None)),
    ],
)
def test_a_start_takes_the_trace_of_cloudevents_where_it_has_no_other(
    headers: tuple[tuple[str, bytes | None], ...], read: tuple[str | None, str | None]
) -> None:
    for added in (headers, headers[::-1]):
        start = decode_start([*START.encode(), *added])
        assert start == dataclasses.replace(START, traceparent=read[0], tracestate=read[1])


def test_a_command_does_not_take_its_sagas_origin_for_its_own_trace() -> None:
    for name in ("traceparent", "tracestate"):
        read = decode_command([*changed(COMMAND, name), ("ce_tracestate", b"c=d")])
        assert read.origin_traceparent == PARENT
        assert (read.traceparent, read.tracestate) == ((None, None) if name == "traceparent" else (PARENT, None))


def test_a_tracestate_in_several_headers_is_one_list() -> None:
    assert decode_command(changed(COMMAND, "tracestate", b"a=b", b"c=d")).tracestate == "a=b,c=d"
    assert decode_command(changed(COMMAND, "tracestate", b"a=b", b"a=d")).traceparent is None


def test_unknown_headers_are_ignored_even_twice_null_or_binary() -> None:
    extra: list[tuple[str, bytes | None]] = [("x", b"1"), ("x", b"2"), ("y", None), ("z", b"\xff")]
    assert decode_command([*COMMAND.encode(), *extra]) == COMMAND


def test_unknown_headers_are_bounded_by_their_number_and_by_the_sum_of_all_bytes_alone() -> None:
    """The sum is what protects memory; the largest of them is nobody's business."""
    known_bytes = sum(len(name) + len(value) for name, value in COMMAND.encode())
    rest = limits.HEADERS_BYTES - known_bytes
    assert decode_command([*COMMAND.encode(), ("x", b"1" * (limits.HEADER_VALUE_BYTES + 1))]) == COMMAND
    for name in ("x", "\u00e9"):
        width = len(name.encode())
        assert decode_command([*COMMAND.encode(), (name, b"1" * (rest - width))]) == COMMAND
        with pytest.raises(BadMessage) as caught:
            decode_command([*COMMAND.encode(), (name, b"1" * (rest - width + 1))])
        assert caught.value.reason == "too_large"


def test_too_many_or_too_large_headers_are_refused() -> None:
    for extra in ([(f"x{n}", b"") for n in range(64)], [("x", b"0" * 40_000)], [("x" * 40_000, b"")]):
        with pytest.raises(BadMessage) as caught:
            decode_command([*COMMAND.encode(), *extra])
        assert caught.value.reason == "too_large"
    with pytest.raises(BadMessage) as caught:
        decode_command(changed(COMMAND, "ce_sagadef", b"x" * 5000))
    assert caught.value.reason == "too_large"


NAMES = st.sampled_from(
    [
        "ce_id",
        "ce_sagastep",
        "traceparent",
        "ce_tracestate",
        "baggage",
        "ce_sagatakentime",
        "ce_sagahandlerus",
        "x",
        "y\u00e9",
        "__value_schema_id",
    ]
)
VALUES = st.one_of(
    st.none(),
    st.binary(max_size=6),
    st.text(max_size=6).map(str.encode),
    st.sampled_from([b"", b"a" * 4000, b"a" * 4096, b"a" * 4097, "\u00e9".encode() * 2100, b"a" * 30_000]),
)


@settings(max_examples=1000, deadline=None)
@given(
    st.one_of(
        st.lists(st.tuples(NAMES, VALUES), max_size=5), st.integers(62, 66).map(lambda n: [(f"x{i}", b"") for i in range(n)])
    )
)
def test_headers_taken_as_a_whole_are_those_taken_one_by_one(headers: list[tuple[str, bytes | None]]) -> None:
    def known(collect: Any) -> Any:
        try:
            fields = collect(iter(headers))
        except BadMessage as refused:
            return refused.reason, refused.detail
        return {name: value for name, value in fields.items() if name in (KNOWN | PASSED_OVER)}

    assert known(collect) == known(collect_each)


def test_an_answer_echoes_the_command_and_keeps_its_trace() -> None:
    assert (REPLY.causation_id, REPLY.run, REPLY.attempt, REPLY.token) == (COMMAND.message_id, 1, 2, COMMAND.token)
    assert (REPLY.traceparent, REPLY.tracestate, REPLY.origin_traceparent) == (PARENT, "a=b", PARENT)
