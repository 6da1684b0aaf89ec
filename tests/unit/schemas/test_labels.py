"""Labels: which values they have, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from saga_schemas.errors import BadMessage
from saga_schemas.headers import StartHeaders, decode_start
from saga_schemas.headers.names import LABELS, START_AT
from saga_schemas.labels import LabelInvalid, label_value, labels_of, labels_of_json, plain_labels

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
START = StartHeaders(message_id="m-1", source="shop", record="shop.Order", tenant="default", definition="order", time_us=0)


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("c-1", "c-1"),
        ("5", "5"),
        ("2026-11-01T12:00:00Z", NOON),
        ("2026-11-01T13:00:00.000+01:00", NOON),
        ("2026-11-01", "2026-11-01"),
        (5, 5.0),
        (-1.5, -1.5),
        (2**53, float(2**53)),
        (Decimal("1.25"), 1.25),
        (True, True),
        (NOON.astimezone(timezone(timedelta(hours=1))), NOON),
        (date(2026, 11, 1), "2026-11-01"),
        (UUID(int=7), str(UUID(int=7))),
    ],
)
def test_a_value_is_a_text_a_number_a_flag_or_a_time(given: object, value: object) -> None:
    made = label_value(given)
    assert (made, type(made)) == (value, type(value))


@pytest.mark.parametrize(
    "given",
    [
        "",
        " x",
        "a\nb",
        "\x00",
        "\ud800",
        "x" * 257,
        2**53 + 1,
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        b"x",
        [],
        {},
        datetime(2026, 1, 1),
    ],
)
def test_anything_else_is_none_and_is_not_repeated(given: object) -> None:
    with pytest.raises(LabelInvalid) as refused:
        label_value(given)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "given",
    [{"": 1}, {"1a": 1}, {"a..b": 1}, {"a b": 1}, {"é": 1}, {"a" * 64: 1}, {f"n{i}": i for i in range(17)}, {"a": {"b": 1}}],
)
def test_names_and_their_number_are_bounded(given: dict[str, Any]) -> None:
    with pytest.raises(LabelInvalid):
        labels_of(given)


def test_what_is_null_is_left_out_and_names_are_in_order() -> None:
    assert list(labels_of({"b": 1, "a.B-c_1": "x", "c": None}).items()) == [("a.B-c_1", "x"), ("b", 1.0)]


@pytest.mark.parametrize("text", ["", "[]", "5", "{", '{"a": 1, "a": 2}', '{"a": [1]}', '{"a": NaN}', '{"a": {"b": {"c": 1}}}'])
def test_json_that_is_no_labels_is_refused(text: str) -> None:
    with pytest.raises(LabelInvalid):
        labels_of_json(text)


def test_labels_of_a_start_go_through_its_header_and_back() -> None:
    labels = labels_of({"customer": "c-1 é", "vip": False, "total": 12.5, "count": 3, "due": "2026-11-01T12:00:00Z"})
    sent = replace(START, labels=tuple(labels.items()))
    headers = sent.encode()
    assert decode_start(headers) == sent
    assert plain_labels(labels)["count"] == 3
    assert LABELS not in dict(START.encode())
    assert decode_start(START.encode()).labels == ()


def test_a_start_time_goes_through_its_header_and_back() -> None:
    sent = replace(START, start_at_us=1_800_000_000_000_000)
    assert decode_start(sent.encode()) == sent
    assert dict(sent.encode())[START_AT] == b"2027-01-15T08:00:00.000000Z"
    assert START_AT not in dict(START.encode())
    with pytest.raises(BadMessage, match=START_AT):
        decode_start((*START.encode(), (START_AT, b"tomorrow")))


@pytest.mark.parametrize("value", [b"", b"[]", b'{"a": []}', b'{"A B": 1}', b"\xff", b'{"a": "' + b"x" * 5000 + b'"}'])
def test_a_bad_header_refuses_the_start(value: bytes) -> None:
    with pytest.raises(BadMessage):
        decode_start((*START.encode(), (LABELS, value)))
