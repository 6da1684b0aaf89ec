"""The query language: what each text means, and how each mistake is told."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from saga_coordinator.query import QueryRefused, parse
from saga_coordinator.query.fields import ALIASES, FIELDS, Kind
from saga_coordinator.query.parsing import MAX_CHARS, MAX_DEPTH, MAX_TERMS, MAX_VALUES
from saga_coordinator.query.tree import (
    All,
    Comparison,
    FromNow,
    Instant,
    Lasting,
    Not,
    Some,
    narrowed,
)
from saga_schemas.times import parse_us
from support.queries import conditions, written

HOUR_US = 3_600_000_000
OPEN = Comparison("open", "=", (True,))
RUNNING = Comparison("phase", "=", ("RUNNING",))
MEANT = {
    "open": OPEN,
    "OPEN": OPEN,
    "  open\n": OPEN,
    "(open)": OPEN,
    "not open": Not(OPEN),
    "NOT Open": Not(OPEN),
    "open = false": Comparison("open", "=", (False,)),
    "phase = RUNNING": RUNNING,
    "state = running": RUNNING,
    'phase = "RUNNING"': RUNNING,
    "phase != RUNNING": Not(RUNNING),
    "phase in (RUNNING, settling)": Comparison("phase", "in", ("RUNNING", "SETTLING")),
    "phase not in (RUNNING)": Not(Comparison("phase", "in", ("RUNNING",))),
    "key = o-17": Comparison("key", "=", ("o-17",)),
    'key = "o 17"': Comparison("key", "=", ("o 17",)),
    "key = 'o\"17'": Comparison("key", "=", ('o"17',)),
    r'key = "a\"b\\c"': Comparison("key", "=", ('a"b\\c',)),
    "key = 'and'": Comparison("key", "=", ("and",)),
    'key starts with "o-"': Comparison("key", "starts with", ("o-",)),
    "key not starts with o": Not(Comparison("key", "starts with", ("o",))),
    "key is null": Comparison("key", "is null"),
    "key is not null": Not(Comparison("key", "is null")),
    "key between a and b": Comparison("key", "between", ("a", "b")),
    "key = 019b0000-0000-7000-8000-000000000002": Comparison("key", "=", ("019b0000-0000-7000-8000-000000000002",)),
    "id = 019B0000-0000-7000-8000-000000000002": Comparison("id", "=", (UUID("019b0000-0000-7000-8000-000000000002"),)),
    'id in ("019b0000-0000-7000-8000-000000000002")': Comparison("id", "in", (UUID("019b0000-0000-7000-8000-000000000002"),)),
    "version >= 2": Comparison("version", ">=", (2,)),
    "version = -1": Comparison("version", "=", (-1,)),
    "started > -1h": Comparison("started", ">", (FromNow(-HOUR_US),)),
    "started < now": Comparison("started", "<", (FromNow(0),)),
    "started >= 2026-11-01": Comparison("started", ">=", (Instant(parse_us("2026-11-01T00:00:00Z")),)),
    "started = '2026-11-01'": Comparison("started", "=", (Instant(parse_us("2026-11-01T00:00:00Z")),)),
    "closed < 2026-11-01t09:30:00.5+01:00": Comparison("closed", "<", (Instant(parse_us("2026-11-01T08:30:00.5Z")),)),
    "closed not between -2d and now": Not(Comparison("closed", "between", (FromNow(-48 * HOUR_US), FromNow(0)))),
    "duration > 500ms": Comparison("duration", ">", (Lasting(500_000),)),
    'label.customer = "c-1"': Comparison("label", "=", ("c-1",), "customer"),
    'input.customer = "c-1"': Comparison("label", "=", ("c-1",), "customer"),
    "label.Customer.id = c-1": Comparison("label", "=", ("c-1",), "Customer.id"),
    "label.total between -1.5 and 2e3": Comparison("label", "between", (-1.5, 2000.0), "total"),
    "label.vip = TRUE": Comparison("label", "=", (True,), "vip"),
    "label.due < +2d": Comparison("label", "<", (FromNow(48 * HOUR_US),), "due"),
    "label.due in (2026-11-01, now)": Comparison("label", "in", (Instant(parse_us("2026-11-01T00:00:00Z")), FromNow(0)), "due"),
    "label.due = '2026-11-01T00:00:00Z'": Comparison("label", "=", (Instant(parse_us("2026-11-01T00:00:00Z")),), "due"),
    "label.x is not null": Not(Comparison("label", "is null", (), "x")),
    "open and phase = RUNNING or not open": Some((All((OPEN, RUNNING)), Not(OPEN))),
    "open and (phase = RUNNING or open)": All((OPEN, Some((RUNNING, OPEN)))),
    "open or open or open": Some((OPEN, OPEN, OPEN)),
    "not (open and not open)": Not(All((OPEN, Not(OPEN)))),
}


@pytest.mark.parametrize("text", MEANT)
def test_each_text_means_this(text: str) -> None:
    query = parse(text)
    assert query.condition == MEANT[text]
    assert query.text == text


REFUSED = {
    "": (0, "empty", "for example"),
    " \n": (0, "empty", "for example"),
    "phse = RUNNING": (0, "no such field", "did you mean phase? fields are id, key"),
    "open and custmer = 'c'": (9, "no such field", "label.NAME"),
    "phase = RUNING": (8, "no such phase", "did you mean RUNNING? phases are"),
    "phase = 5": (8, "no such phase", "phases are"),
    "phase < RUNNING": (6, "cannot be compared so", "= !=, in"),
    "phase": (0, "not true or false by itself", "a phase"),
    "label.vip": (0, "not true or false by itself", "a number"),
    "definition is null": (0, "cannot be compared so", "starts with"),
    "key = 17": (6, "expected a text", "in quotes"),
    "key = 10x": (6, "no word, number, time or text", "in quotes"),
    "key = and": (6, "expected a value", "word of the language"),
    "key = null": (6, "expected a value", "is null"),
    "key == a": (5, "expected a value", ""),
    'key = "abc': (6, "no closing quote", ""),
    "key = “abc”": (6, "no word", "straight quotes"),
    r'key = "a\n"': (6, "backslash", "two backslashes"),
    'key = "\x1b[31m"': (6, "not printable", ""),
    'key = "\x00"': (6, "not printable", ""),
    'key = "\u202e"': (6, "not printable", ""),
    "key = o*": (7, "no word", "starts with"),
    "open && open": (5, "no word", "write and"),
    "open || open": (5, "no word", "write or"),
    "!open": (0, "no word", "write not"),
    "open open": (5, "expected a comparison", "joined by and, or"),
    "open and": (8, "ends too early", ""),
    "(open": (5, "a closing parenthesis", ""),
    "open)": (4, "no parenthesis is open", ""),
    "()": (1, "expected a field", ""),
    "key in ()": (8, "expected a value", ""),
    "key in a": (7, "expected a parenthesis", ""),
    "key not 3": (8, "`in`, `between` or `starts with`", ""),
    "open = yes": (7, "true or false", ""),
    "attention = 1": (12, "true or false", ""),
    "version = 1.5": (10, "a whole number", ""),
    "version = x": (10, "a whole number", ""),
    f"version = {2**64}": (10, "too large", ""),
    f"version = {'9' * 3000}": (10, "too large", ""),
    "label.x = 1e999": (10, "too large", ""),
    "started > 1h": (10, "expected a time", "-1h"),
    "started > yesterday": (10, "expected a time", ""),
    "started > 2026-13-01": (10, "no such time", "2026-11-01"),
    "started > 2026-11-01T10:00:00": (10, "no word", ""),
    "started > -99999999d": (10, "too long", "36500d"),
    f"started > -{'9' * 500}d": (10, "too long", "36500d"),
    "duration > -1h": (11, "expected a duration", ""),
    "duration > 5": (11, "expected a duration", ""),
    "id = o-17": (5, "expected an id", "`key`"),
    "label.x = 5m": (10, "no label is a duration", "-1h is a time"),
    "label.x in (1, a)": (15, "of one kind", ""),
    "label.x between 1 and now": (22, "of one kind", ""),
    "label.x > true": (10, "no order", "= or !="),
    "label.x starts with 5": (20, "only a text", ""),
    "label. = 3": (0, "no name of a label", "letters"),
    "label.a..b = 3": (0, "no name of a label", "letters"),
    f"label.{'a' * 64} = 3": (0, "no name of a label", "63"),
    "(" * (MAX_DEPTH + 1) + "open" + ")" * (MAX_DEPTH + 1): (MAX_DEPTH, "inside each other", ""),
    "not " * (MAX_DEPTH + 1) + "open": (4 * MAX_DEPTH, "inside each other", ""),
    "(" * 1900 + "open" + ")" * 1900: (MAX_DEPTH, "inside each other", ""),
    " or ".join(["open"] * (MAX_TERMS + 1)): (8 * MAX_TERMS, f"more than {MAX_TERMS} comparisons", ""),
    f"key in ({','.join(['a'] * (MAX_VALUES + 1))})": (8 + 2 * MAX_VALUES, f"more than {MAX_VALUES} values", ""),
    "x" * (MAX_CHARS + 1): (MAX_CHARS, f"more than {MAX_CHARS} characters", ""),
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:40])
def test_each_mistake_is_told_with_its_place(text: str) -> None:
    position, message, hint = REFUSED[text]
    with pytest.raises(QueryRefused) as refused:
        parse(text)
    assert (refused.value.position, refused.value.text) == (position, text)
    assert message in str(refused.value)
    assert hint in refused.value.hint


WORDS = "and or not in between starts with is null true now ( ) , = != < >= ' -1h 5m 7 -1.5 2026-11-01 RUNNING label.x input.a.b"
PIECES = st.sampled_from([*FIELDS, *ALIASES, *WORDS.split(), '"', "\\", "é", "\x00", "\ud800"])
TEXTS = st.text(max_size=80) | st.lists(PIECES, max_size=30).map(" ".join) | st.lists(PIECES, max_size=30).map("".join)


@settings(max_examples=400)
@given(TEXTS)
@example("(" * MAX_CHARS)
@example("not(" * (MAX_CHARS // 4))
@example('"' * 999)
@example("\\" * 999)
def test_any_text_is_read_or_refused_with_a_place_in_it(text: str) -> None:
    refused = refusal_of(text)
    if refused is not None:
        assert 0 <= refused.position <= len(text)
        assert "\n" not in str(refused) + refused.hint
        assert (str(refused) + refused.hint).isprintable()


def refusal_of(text: str) -> QueryRefused | None:
    try:
        parse(text)
    except QueryRefused as refused:
        return refused
    return None


KNOWN = {
    "id": (UUID(int=7),),
    "key": ("o-1", 'a "b" \\', "and", "é"),
    "definition": ("order",),
    "version": (0, -3, 2**62),
    "phase": ("FORCED",),
    "reason": ("stuck",),
    "started": (Instant(0), FromNow(-1000)),
    "closed": (FromNow(0), Instant(parse_us("9999-12-31T23:59:59.999999Z"))),
    "begins": (FromNow(HOUR_US), Instant(7)),
    "duration": (Lasting(0), Lasting(1_000)),
    "trace": ("0" * 32,),
}
LABELS = {"a.b-c_d": ("x", 1.5, -1e300, 1e-300, True), "T": (Instant(5), FromNow(HOUR_US))}


@settings(max_examples=200)
@given(conditions(KNOWN, LABELS))
def test_what_is_written_is_read_again(condition: object) -> None:
    assert parse(written(condition)).condition == condition  # type: ignore[arg-type]


def test_a_query_is_narrowed_by_further_comparisons() -> None:
    assert narrowed(None, []) is None
    query = parse("open")
    assert narrowed(query, []) == query
    alone, both = narrowed(None, [RUNNING]), narrowed(query, [RUNNING])
    assert alone is not None and alone.condition == RUNNING
    assert both is not None and both.condition == All((OPEN, RUNNING))


def test_messages_name_each_kind() -> None:
    assert {field.kind for field in FIELDS.values()} | {Kind.LABEL} == set(Kind)
