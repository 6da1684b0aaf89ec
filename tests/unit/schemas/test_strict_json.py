"""JSON that another parser could read differently is refused (bad input B2)."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saga_schemas.strict_json import JsonInvalid, parse

REFUSED = {
    "nothing": b"",
    "truncated": b'{"a": ',
    "a key twice": b'{"a": 1, "a": 2}',
    "a key twice, inside": b'[{"b": {"a": 1, "\\u0061": 2}}]',
    "NaN": b"[NaN]",
    "Infinity": b"[-Infinity]",
    "infinite by overflow": b"[1e999]",
    "a huge integer": b"[" + b"9" * 5000 + b"]",
    "an integer just outside 64 bits": b"[9223372036854775808]",
    "a lone surrogate": b'["\\ud800"]',
    "a lone surrogate as a key": b'{"\\udfff": 1}',
    "a raw surrogate": b'["\xed\xa0\x80"]',
    "trailing data": b"{} {}",
    "a trailing comma": b"[1,]",
    "a comment": b"[1] // one",
    "single quotes": b"['a']",
    "two byte order marks": b"\xef\xbb\xbf\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "not UTF-8": b'["\xff"]',
    "a control character": b'["\x01"]',
    "65 deep": b"[" * 66 + b"]" * 66,
    "10,000 deep": b"[" * 10_000 + b"]" * 10_000,
    "500,000 deep and open": b'{"a":' * 100_000,
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
def test_what_has_two_readings_is_refused(body: bytes) -> None:
    with pytest.raises(JsonInvalid):
        parse(body)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"9223372036854775807", 9223372036854775807),
        (b"-9223372036854775808", -9223372036854775808),
        (b'"\\ud83d\\ude00"', "😀"),
        (b"[" * 64 + b"1" + b"]" * 64, None),
        (b' {"a": 1.5} ', {"a": 1.5}),
    ],
)
def test_what_is_within_the_limits_is_read(body: bytes, value: object) -> None:
    assert value is None or parse(body) == value


def test_a_refusal_repeats_nothing_of_the_body() -> None:
    with pytest.raises(JsonInvalid) as refused:
        parse(b'{"secret-q4711": 1, "secret-q4711": NaN}')
    assert "q4711" not in str(refused.value)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_every_ordinary_value_comes_back(value: object) -> None:
    try:
        body = json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return  # a lone surrogate: not a JSON text
    assert parse(body) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_refused(body: bytes) -> None:
    with contextlib.suppress(JsonInvalid):
        parse(body)


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert parse(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
    assert parse('\ufeff{"a": 1}') == {"a": 1}


def test_a_text_is_read_as_its_bytes_are() -> None:
    assert parse('{"a": 1}') == {"a": 1}
    for refused in ('["\ud800"]', "[NaN]", '{"a": 1, "a": 1}', "[9223372036854775808]"):
        with pytest.raises(JsonInvalid):
            parse(refused)


def test_the_depth_is_the_reader_s() -> None:
    assert parse(b"[" * 100 + b"]" * 100, depth=100)
    with pytest.raises(JsonInvalid, match="more than 100 deep"):
        parse(b"[" * 102 + b"]" * 102, depth=100)
