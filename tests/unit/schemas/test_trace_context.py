"""W3C trace context: what is read, what is not, and that reading what was written gives the
same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saga_schemas.trace_context import TraceContext, parse_context

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


def test_a_good_header_is_read_in_full() -> None:
    assert parse_context(GOOD, "a=1,b@c=2") == TraceContext(trace_id=TRACE, span_id=SPAN, flags=1, tracestate="a=1,b@c=2")


def test_sampled_is_the_lowest_bit() -> None:
    sampled, not_sampled = parse_context(GOOD), parse_context(f"00-{TRACE}-{SPAN}-02")
    assert sampled is not None
    assert not_sampled is not None
    assert (sampled.sampled, not_sampled.sampled) == (True, False)


@pytest.mark.parametrize(
    "malformed",
    [
        None,
        "",
        "00",
        GOOD.upper(),
        GOOD.replace("b7", "B7"),
        f" {GOOD}",
        f"{GOOD} ",
        f"{GOOD}\n",
        f"{GOOD}-",
        f"{GOOD}-more",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-001",
        f"0-{TRACE}-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}0-{SPAN}-01",
        f"00-{TRACE}-{SPAN[1:]}-01",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f"00_{TRACE}_{SPAN}_01",
        f"00-{TRACE[:-1]}٣-{SPAN}-01",
        f"01-{TRACE}-{SPAN}-01x",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 300}",
    ],
)
def test_what_is_malformed_is_no_context(malformed: str | None) -> None:
    assert parse_context(malformed) is None


@pytest.mark.parametrize("unknown", [f"01-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-ff-what-the-future-brings"])
def test_a_version_that_we_do_not_know_is_no_context(unknown: str) -> None:
    assert parse_context(unknown) is None


@pytest.mark.parametrize(
    "malformed",
    [
        ",",
        "=1",
        "a",
        "a=",
        "A=1",
        "a=1,a=2",
        "a=1=2",
        "a b=1",
        "a=é",
        "1=x",
        "a@=1",
        "a=" + "x" * 511,
        ",".join(f"k{number}=1" for number in range(33)),
    ],
)
def test_with_a_malformed_or_large_tracestate_there_is_no_context(malformed: str) -> None:
    assert parse_context(GOOD, malformed) is None


def test_an_empty_tracestate_is_none() -> None:
    assert parse_context(GOOD, "") == parse_context(GOOD)


@pytest.mark.parametrize(
    "kept", ["a=1", "a=1, b=2", "a=1,,b=2", "0tenant@sys=x y", ",".join(f"k{number}=1" for number in range(32))]
)
def test_a_good_tracestate_is_kept_as_it_came(kept: str) -> None:
    context = parse_context(GOOD, kept)
    assert context is not None
    assert context.tracestate == kept


def test_a_child_keeps_trace_flags_and_state() -> None:
    context = TraceContext(trace_id=TRACE, span_id=SPAN, flags=1, tracestate="a=1")
    assert context.child("1" * 16) == TraceContext(trace_id=TRACE, span_id="1" * 16, flags=1, tracestate="a=1")


_hex = st.sampled_from("0123456789abcdef")


@given(
    st.text(_hex, min_size=32, max_size=32).filter(lambda text: set(text) != {"0"}),
    st.text(_hex, min_size=16, max_size=16).filter(lambda text: set(text) != {"0"}),
    st.integers(0, 255),
)
def test_what_is_written_is_read_again(trace_id: str, span_id: str, flags: int) -> None:
    context = TraceContext(trace_id=trace_id, span_id=span_id, flags=flags)
    assert parse_context(context.format()) == context


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_text_makes_it_fail(traceparent: str, tracestate: str) -> None:
    parse_context(traceparent, tracestate)
    parse_context(GOOD, tracestate)
