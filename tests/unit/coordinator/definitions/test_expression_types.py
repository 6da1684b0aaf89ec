"""What lint says of expressions, held against what running them does: nothing said of what runs,
and what it calls failing fails."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saga_coordinator.definitions.cel_check import Found, check_expression
from saga_coordinator.definitions.expressions import Expression, ExpressionInvalid, parse
from saga_coordinator.engine.definition import MappingFailed
from unit.coordinator.definitions.everything import sight
from unit.coordinator.definitions.good_expressions import GOOD, outcomes

ALWAYS = """
input.i * 2.0
input.i + 'a'
'a' + input.i
input.d % 2.0
input.i / 0
input.i % 0
-input.s
-1u
!input.i
null + 1
null * input.i
!null
null.size()
input.i.size()
size(5)
size(null)
size(input.at)
'a' < 1
null < 1
[1] < [2]
{'a': 1} + {'b': 2}
true + true
input.at + input.later
duration('1h') + input.at
duration('1h') * 2
input.at < '2026-01-01'
input.at - 5
input.at.getHours('Europe/Paris')
input.local.getHours()
input.day.getDate()
duration('1h').getFullYear()
duration('1d')
duration('soon')
duration('100000000000h')
duration('1ns')
timestamp('2026-01-01')
timestamp('2026-01-01T00:00:00')
timestamp('2026-01-01T00:00:00.1234567Z')
timestamp(0)
int('x')
double('x')
int(true)
int(input.at)
int(null)
input.s.matches('(')
input.s.contains(1)
input.i.contains('a')
input.s.startsWith()
input.list.contains(1)
input.s[0]
input.i[0]
input.list['a']
input.list[1.0]
input.map[1]
input.map[null]
input.list[null]
{1: 2}['a']
1 in 'abc'
1.0 in {1: 2}
{1.5: 2}
{null: 2}
input.s.map(x, x)
input.i.all(x, true)
null.map(x, x)
[1].filter(x, x)
[1].all(x, 1)
[1].map(x, 1, x)
[1].map(x, x + 'a')
input.i ? 1 : 2
null ? 1 : 2
input.i && true
1 < 2 < 3
input.b ? input.i + 'a' : input.d + 1
""".strip().split("\n")

NULLS = {
    "input.none + '!'": "input.none may be null: write input.none == null ? '' : input.none + '!'",
    "input.count * 2": "input.count may be null: write input.count == null ? 0 : input.count * 2",
    "input.count < 5": "input.count may be null: write input.count == null ? false : input.count < 5",
    "-input.count": "input.count may be null",
    "!input.flag": "input.flag may be null",
    "input.flag && true": "input.flag may be null",
    "input.flag ? 1 : 2": "input.flag may be null",
    "input.none.size()": "input.none may be null",
    "size(input.none)": "input.none may be null",
    "string(input.count)": "input.count may be null",
    "input.maybe.name + ''": "input.maybe may be null",
    "has(input.maybe.name)": "input.maybe may be null",
    "has(input.none) ? input.none + '!' : ''": "input.none may be null",
    "input.none != null || input.none.size() > 0": "input.none may be null",
    "input.none == null && input.none.size() > 0": "input.none may be null",
    "input.none != input.s ? input.none + '' : ''": "input.none may be null",
    "input.maybe != null ? 1.0 : input.maybe.price": "input.maybe may be null",
    "has(input.maybe.name) && has(input.maybe.name)": "input.maybe may be null",
    "input.flag && input.flag": "input.flag may be null",
    "[1, 2, 3][input.count]": "input.count may be null",
    "input.items.map(x, x.count + 1)": "x.count may be null: write x.count == null ?",
    "(input.i < 1 ? input.none : 'a') + 'b'": "input.none may be null",
    "steps.car.reply.d * 2.0": "steps.car.reply is null when car is skipped: "
    "write steps.car.reply == null ? 0.0 : steps.car.reply.d * 2.0",
    "steps.car.reply.d > 2.0": "steps.car.reply is null when car is skipped",
    "has(steps.car.reply.d)": "steps.car.reply is null when car is skipped",
    "steps['car'].reply.none == null": "steps.car.reply is null when car is skipped",
}

UNKNOWN_FUNCTIONS = {
    "min([1, 2])": "write a < b ? a : b",
    "max(1, 2)": "write a > b ? a : b",
    "bool('true')": "write x == 'true'",
    "matches('a', 'b')": "write x.matches(…)",
    "contains('a', 'b')": "write x.contains(…)",
    "input.s.int()": "write int(x)",
    "input.s.upperAscii()": "known are",
    "[1].sort()": "known are",
    "'a,b'.split(',')": "known are",
    "math.greatest(1, 2)": "",
    "dyn(1)": "",
}


def found(text: str) -> tuple[Found, ...]:
    source = parse(f"${{{text}}}")
    assert isinstance(source, Expression)
    return check_expression(source.tree, text, sight())[1]


@pytest.mark.parametrize("text", GOOD)
def test_what_runs_has_no_finding(text: str) -> None:
    assert found(text) == ()
    failed = [one for one in outcomes(text) if isinstance(one, MappingFailed)]
    allowed = {"a number out of range", "it could not be evaluated"}  # 2^63, bytes that are no text, the years 0 and 10000
    assert not failed or (all(one.detail.rpartition(": ")[2] in allowed for one in failed) and len(failed) <= 4), failed


@pytest.mark.parametrize("text", ALWAYS)
def test_what_lint_calls_failing_fails_whatever_it_is_given(text: str) -> None:
    assert {one.code for one in found(text)} & {"S221", "S204"}, found(text)
    assert all(isinstance(one, MappingFailed) for one in outcomes(text))


@pytest.mark.parametrize("text", ["-input.b", "-(1 > 2)"])
def test_what_the_library_gives_nonsense_for_is_refused(text: str) -> None:
    assert [one.code for one in found(text)] == ["S221"]


def test_a_float_that_is_no_number_equals_nothing_and_has_no_order() -> None:
    for text, gives in (("input.d == input.d", False), ("input.d in [input.d]", False)):
        assert parse(f"${{{text}}}").value({"input": {"d": float("nan")}}) is gives
    with pytest.raises(MappingFailed):
        parse("${input.d > 1.0}").value({"input": {"d": float("nan")}})


@pytest.mark.parametrize(("text", "says"), NULLS.items())
def test_what_fails_on_null_says_where_and_the_way_out(text: str, says: str) -> None:
    one, *_ = found(text)
    assert one.code == ("S217" if "car" in text else "S220")
    assert says in one.message
    assert any(isinstance(outcome, MappingFailed) for outcome in outcomes(text))
    assert not all(isinstance(outcome, MappingFailed) for outcome in outcomes(text))


@pytest.mark.parametrize(("text", "says"), UNKNOWN_FUNCTIONS.items())
def test_a_function_there_is_not_says_what_to_write(text: str, says: str) -> None:
    assert any(one.code == "S204" and says in one.message for one in found(text)), found(text)


@pytest.mark.parametrize(
    ("text", "at"),
    [("input.i + 1 + 'a'", 14), ("input.b ? 1 : input.none + 'a'", 20), ("size(\n5)", 6), ("[1].map(x, y)", 11)],
)
def test_a_finding_names_its_character(text: str, at: int) -> None:
    assert [one.at for one in found(text)][:1] == [at]


@pytest.mark.parametrize("text", [text for text in NULLS if "==" not in text and "!=" not in text and " x." not in text])
def test_the_way_out_is_a_way_out(text: str) -> None:
    """What the message says to write has no finding and runs in every scope."""
    _, says, better = found(text)[0].message.partition("write ")
    assert says
    if "…" not in better:
        assert found(better) == ()
        assert not any(isinstance(outcome, MappingFailed) for outcome in outcomes(better))


_LEAVES = [
    *(
        f"input.{name}"
        for name in ("b", "i", "d", "s", "x", "at", "list", "map", "items", "item", "none", "count", "flag", "maybe")
    )
]
_LEAVES += [
    "steps.car.reply",
    "1",
    "2u",
    "1.5",
    "'a'",
    "b'a'",
    "null",
    "true",
    "[]",
    "[1]",
    "{'a': 1}",
    "duration('1h')",
    "'2'",
    "-1",
]
_FORMS = [
    "({} + {})",
    "({} - {})",
    "({} * {})",
    "({} < {})",
    "({} == {})",
    "({} != {})",
    "({} in {})",
    "({} && {})",
    "({} || {})",
    "{}[{}]",
]
_FORMS += [
    "(!{})",
    "(-{})",
    "size({})",
    "{}.size()",
    "string({})",
    "int({})",
    "double({})",
    "{}.contains({})",
    "{}.getHours()",
    "{}.name",
]
_FORMS += [
    "({} ? {} : {})",
    "{}.map(v, {})",
    "{}.filter(v, {})",
    "{}.all(v, v == {})",
    "[{}, {}]",
    "({} != null ? {} : {})",
    "{}.map(v, v.name)",
]
_FORMS += ["has({}.name)", "({} == null || {})", "({} != null && {})", "{}.exists(v, v.count > {})", "{{'a': {}}}"]


def _filled(form: str, parts: list[str]) -> str:
    return form.format(*(parts[place % len(parts)] for place in range(form.count("{}"))))


expressions = st.recursive(
    st.sampled_from(_LEAVES),
    lambda inner: st.builds(_filled, st.sampled_from(_FORMS), st.lists(inner, min_size=1, max_size=3)),
    max_leaves=6,
)
_SKIPS = re.compile(r"[?&|]|\(v,|-input\.b|\(-")
"""Parts that may not be run at all; and `-true`, which the library gives an answer to."""
_OF_TYPES = "values of types that do not go together"


@given(expressions)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_lint_and_the_library_agree_on_any_expression(text: str) -> None:
    """Where lint says nothing, nothing fails for its types; what it calls failing fails."""
    try:
        source = parse(f"${{{text}}}")
    except ExpressionInvalid:
        return
    if not isinstance(source, Expression):
        return
    codes = {one.code for one in check_expression(source.tree, source.text, sight())[1]}
    results = outcomes(text)
    if not codes and "?" not in text:  # of what may be of several types, the wrong one is not certain
        of_types = [one for one in results if isinstance(one, MappingFailed) and _OF_TYPES in one.detail]
        assert not of_types, of_types
    if "S221" in codes and not _SKIPS.search(text):
        assert all(isinstance(one, MappingFailed) for one in results)
