"""Ids, names, topics and times: one spelling each, nothing else read."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saga_schemas import ids
from saga_schemas.outcomes import Kind
from saga_schemas.times import FIRST_US, LAST_US, format_us, nearest_us, parse_us, to_datetime
from saga_schemas.topics import Topics

NOON_US = 1_762_179_906_000_123
SAGA = ids.uuid7(NOON_US, bytes(range(10)))

HOSTILE_TEXTS = [
    "", " ", " o-1", "o-1 ", "o\x001", "o\n1", "o\t1", "\x7f", "o\x851", "o\u202e1", "o\u2066x", "o\u200bx", "o\u2028x",
    "\ufeffo", "\ud800", "\ue000", "\u00a0o",
    "x" * 257,
]  # fmt: skip
HOSTILE_NAMES = ["", "../x", "Order", "9x", "-x", "x_y", "x.y", "x\n", "х", "ordеr", "x" * 64, "x\x00", "x y", "charge[1]", "ｘ"]


def test_a_uuid7_has_version_variant_time_and_entropy_where_rfc_9562_puts_them() -> None:
    value = ids.uuid7(NOON_US, b"\xff" * 10)
    assert (value.version, value.variant) == (7, "specified in RFC 4122")
    assert ids.uuid7_unix_ms(value) == NOON_US // 1000
    assert ids.uuid7(NOON_US, b"\x00" * 10) != value


@given(st.integers(0, 2**50), st.integers(0, 2**50), st.binary(min_size=10, max_size=16), st.binary(min_size=10, max_size=16))
def test_ids_of_later_microseconds_sort_later(first: int, second: int, one: bytes, other: bytes) -> None:
    if first < second:
        assert ids.uuid7(first, one) < ids.uuid7(second, other)


def test_a_uuid7_with_too_little_entropy_or_before_1970_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="random"):
        ids.uuid7(NOON_US, b"123456789")
    with pytest.raises(ValueError, match="range"):
        ids.uuid7(-1, b"0123456789")


@given(st.integers(0, 2**48 - 1), st.text(max_size=9), st.text(max_size=9), st.text(max_size=9))
def test_a_start_gives_one_id_whenever_it_is_read(at_ms: int, tenant: str, source: str, message: str) -> None:
    value = ids.started_id(at_ms, tenant, source, message)
    assert value == ids.started_id(at_ms, tenant, source, message)
    assert ids.parse_saga_id(str(value)) == value
    assert ids.uuid7_unix_ms(value) == at_ms
    others = [
        (at_ms, tenant + "x", source, message),
        (at_ms, tenant, source + "x", message),
        (at_ms, tenant, source, message + "x"),
    ]
    assert value not in {ids.started_id(*other) for other in others}


def test_the_parts_of_a_start_cannot_run_into_each_other() -> None:
    assert ids.started_id(1, "ab", "c", "d") != ids.started_id(1, "a", "bc", "d")
    assert str(ids.started_id(1_762_179_906_000, "default", "/shop", "o-17")) == "019a4a1b-79d0-749b-8de2-e1b1121b7567"


@pytest.mark.parametrize("at_ms", [-1, 2**48])
def test_a_start_without_a_time_of_this_era_is_a_programming_error(at_ms: int) -> None:
    with pytest.raises(ValueError, match="range"):
        ids.started_id(at_ms, "default", "/shop", "o-17")


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1), st.integers(0, 1000))
def test_a_command_id_names_its_journal_record_and_reads_back(incarnation: int, version: int, ord_: int) -> None:
    text = ids.command_id(SAGA, incarnation, version, ord_)
    parsed = ids.parse_command_id(text)
    assert parsed == ids.CommandId(saga_id=SAGA, incarnation=incarnation, version=version, ord=ord_)
    assert str(parsed) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"{SAGA}",
        f"{SAGA}.1.2",
        f"{SAGA}.1.2.3.4",
        f"{SAGA}.01.2.3",
        f"{SAGA}.-1.2.3",
        f"{SAGA}.1.2.٣",
        f"{str(SAGA).upper()}.1.2.3",
        "x.1.2.3",
    ],
)
def test_what_is_not_a_command_id_is_none(text: str) -> None:
    assert ids.parse_command_id(text) is None


@pytest.mark.parametrize(
    "text", [str(UUID(int=0)), "6ba7b810-9dad-41d1-80b4-00c04fd430c8", SAGA.hex, f"{{{SAGA}}}", str(SAGA).upper(), f"{SAGA} "]
)
def test_only_a_lower_case_uuid7_with_dashes_is_a_saga_id(text: str) -> None:
    assert ids.parse_saga_id(text) is None
    assert ids.parse_saga_id(str(SAGA)) == SAGA


def test_the_idempotency_key_of_a_resolve_is_that_of_the_action_it_asks_about() -> None:
    assert ids.idempotency_key(SAGA, "charge", Kind.ACTION, 2) == f"{SAGA}/charge/action/2"
    assert ids.idempotency_key(SAGA, "charge", Kind.RESOLVE, 2) == f"{SAGA}/charge/action/2"
    assert ids.idempotency_key(SAGA, "charge", Kind.COMPENSATION, 2) == f"{SAGA}/charge/compensation/2"


def test_trace_ids_are_derived_and_stable() -> None:
    assert ids.trace_id_of(UUID("019a4a1b-79d0-71f7-aa38-7f05eb7dba10")) == "d7561e38bfa200857e674ba16aaeac16"
    assert ids.span_id_of("019a4a1b-79d0-71f7-aa38-7f05eb7dba10.1.2.0") == "d51174a257987c37"
    assert ids.span_id_of("a") != ids.span_id_of("b")


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_is_lower_case_ascii_of_at_most_63_characters(name: str) -> None:
    assert not ids.valid_name(name)
    with pytest.raises(ValueError, match="participant"):
        Topics().command(name)


def test_ordinary_names_are_names() -> None:
    assert all(ids.valid_name(name) for name in ("a", "payment", "p-2", "x" * 63))
    assert ids.valid_step("charge[3]")
    assert not any(ids.valid_step(step) for step in ("charge[03]", "charge[]", "charge[1][2]", "charge[-1]", "charge[٣]"))


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_a_key_without_characters_or_with_invisible_ones_is_refused(text: str) -> None:
    assert not ids.valid_business_key(text)


def test_ordinary_keys_are_keys() -> None:
    assert all(ids.valid_business_key(key) for key in ("o-17", "Müller & Söhne", "注文-1", "../etc", "x" * 256, "a b"))


def test_a_definition_reference_is_a_name_with_or_without_a_version() -> None:
    assert ids.valid_definition_ref("order") == ("order", None)
    assert ids.valid_definition_ref("order@3") == ("order", 3)
    for text in ("order@", "order@0", "order@03", "order@-1", "order@3@4", "@3", "Order", "order@99999999999"):
        assert ids.valid_definition_ref(text) is None


def test_topics_are_named_for_the_participant_and_carry_the_prefix() -> None:
    topics = Topics("acme.")
    assert topics.command("payment") == "acme.saga.cmd.payment"
    assert topics.participant_of_reply(topics.reply("payment")) == "payment"
    assert topics.participant_of_reply("saga.reply.payment") is None
    assert Topics().participant_of_reply("saga.reply.") is None
    assert (Topics().start, Topics().events, Topics().dlq("coordinator")) == ("saga.start", "saga.events", "saga.dlq.coordinator")
    assert Topics().participant_of_command("saga.cmd.payment") == "payment"


@pytest.mark.parametrize("prefix", ["a b", "a/", "ä", "x" * 240])
def test_a_prefix_that_kafka_would_refuse_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        Topics(prefix)


@given(st.integers(FIRST_US, LAST_US))
def test_a_time_is_written_with_microseconds_and_reads_back(us: int) -> None:
    text = format_us(us)
    assert len(text) == 27
    assert parse_us(text) == us


def test_other_spellings_of_rfc_3339_are_read() -> None:
    assert parse_us("2026-11-03T14:05:06Z") == parse_us("2026-11-03T15:05:06+01:00")
    assert parse_us("2026-11-03T14:05:06.123456789Z") == parse_us("2026-11-03t14:05:06.123456z")
    assert parse_us("1970-01-01T00:00:00.5Z") == 500_000
    assert parse_us("1969-12-31T23:59:59.5z") == -500_000
    assert parse_us("2026-11-03T14:05:06." + "123456" * 20 + "Z") == parse_us("2026-11-03T14:05:06.123456-00:00")
    assert parse_us("0000-12-31T23:30:00-01:00") == FIRST_US + 30 * 60_000_000
    assert parse_us("2016-12-31T15:59:60.25-08:00") == parse_us("2017-01-01T00:00:00.25Z"), "a leap second is the one after it"


@pytest.mark.parametrize(
    ("text", "nearest"),
    [("0001-01-01T00:00:00Z", FIRST_US), ("0001-01-01T00:00:00+00:01", FIRST_US), ("0000-02-29T12:00:00.5Z", FIRST_US),
     ("0000-01-01T00:00:00.000001Z", FIRST_US), ("9999-12-31T23:59:60.000000Z", LAST_US), ("9999-12-31T23:59:59-23:59", LAST_US),
     ("9999-12-31t23:59:59.9999999Z", LAST_US)],
)  # fmt: skip
def test_an_instant_at_the_ends_of_time_is_read_as_the_nearest_there_is(text: str, nearest: int) -> None:
    assert nearest_us(text) == nearest
    assert parse_us(format_us(nearest)) == nearest
    assert to_datetime(nearest).tzinfo is not None


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026-11-03", "2026-11-03T14:05:06", "2026-11-03 14:05:06Z", "2026-13-03T14:05:06Z", "2026-11-03T24:00:00Z",
    "0000-02-30T00:00:00Z", "2026-11-03T23:59:60+01:00", "2026-11-03T23:60:00Z", "0000-12-31T23:59:59Z",
     "2026-11-03T14:05:06.Z", "2026-11-03T14:05:06+25:00", "２026-11-03T14:05:06Z", "2026-11-03T14:05:60Z", "9999-12-31T23:59:59-01:00"],
)  # fmt: skip
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|outside"):
        parse_us(text)
