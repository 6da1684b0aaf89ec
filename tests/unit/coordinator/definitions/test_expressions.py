"""Expressions: what they may reach, what they cost, and what they name."""

from __future__ import annotations

import contextlib
import time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saga_coordinator.definitions.expressions import Expression, ExpressionInvalid, Path, is_expression, literal, parse
from saga_coordinator.engine.definition import MappingFailed

SCOPE: dict[str, Any] = {
    "input": {"a": {"b": 1}, "s": "text", "list": [1, 2, 3], "id": UUID(int=7), "money": Decimal("1.10"), "none": None},
    "steps": {"charge": {"id": "c-1"}, "two-part": {"x": 5}},
    "saga": {"id": "s-1", "key": "k", "tenant": "t", "definition": "d", "version": 1},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${input.a.b}", 1),
        ("${ input.s }", "text"),
        ("${input}", SCOPE["input"]),
        ("${steps.charge.reply.id}", "c-1"),
        ("${steps.two-part.reply.x}", 5),
        ('${steps["two-part"].reply.x}', 5),
        ("${steps.charge.reply}", {"id": "c-1"}),
        ("${steps.skipped.reply.id}", None),
        ("${input.none.deeper}", None),
        ("${saga.key}", "k"),
    ],
)
def test_a_plain_path_is_a_look_up(text: str, value: object) -> None:
    source = parse(text)
    assert isinstance(source, Path)
    assert source.value(SCOPE) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${input.a.b + 1}", 2),
        ("${input.id + '!'}", f"{UUID(int=7)}!"),
        ("${input.list.map(x, x * 2)}", [2, 4, 6]),
        ("${has(input.nope) ? 1 : 2}", 2),
        ('${steps["two-part"].reply.x > 4}', True),
        ("${steps.charge.reply == null}", False),
        ("${steps.skipped.reply == null}", True),
        ("${size(input.list) == 3 && saga.version == 1}", True),
        ("${'$${' + input.s + '}'}", "$${text}"),
    ],
)
def test_everything_else_is_cel(text: str, value: object) -> None:
    source = parse(text)
    assert isinstance(source, Expression)
    assert source.value(SCOPE) == value


def test_values_are_literal_unless_the_whole_value_is_an_expression() -> None:
    assert is_expression("${input.a}")
    assert not is_expression("a ${input.a}")
    assert not is_expression("$${input.a}")
    assert not is_expression(5)
    assert literal("$${input.a}") == "${input.a}"
    assert literal({"a": ["$${x}", "plain", 1]}) == {"a": ["${x}", "plain", 1]}


@pytest.mark.parametrize(
    "text",
    [
        "${input.__class__}",
        "${input.s.__class__}",
        "${input['__class__']}",
        "${input.__class__.__mro__[1]}",
        "${type(input).__subclasses__()}",
        "${__import__('os').system('id')}",
        "${saga.__init__.__globals__}",
        "${''.__class__}",
        "${input.list.append(4)}",
        "${open('/etc/passwd')}",
        "${eval('1')}",
    ],
)
def test_no_python_is_reachable(text: str) -> None:
    with pytest.raises((MappingFailed, ExpressionInvalid, KeyError, TypeError)):
        parse(text).value(SCOPE)


@pytest.mark.parametrize("depth", [33, 300, 900])
def test_brackets_nest_to_a_bound(depth: int) -> None:
    with pytest.raises(ExpressionInvalid) as refused:
        parse("${" + "(" * depth + "1" + ")" * depth + "}")
    assert refused.value.too_large


def test_three_thousand_parentheses_are_refused_at_once() -> None:
    started = time.perf_counter()
    for opening, closing in (("(", ")"), ("[", "]"), ("-(", ")"), ("size(", ")")):
        with pytest.raises(ExpressionInvalid):
            parse("${" + opening * 3000 + "1" + closing * 3000 + "}")
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    "text",
    ["${}", "${ }", "${1 +}", "${input.}", "${a b}", "${'open}", "${input.a.b)}", "${((((}", "${!!!}", "${\x00}", "${input..a}"],
)
def test_what_is_not_cel_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(ExpressionInvalid) as refused:
        parse(text)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 250


@given(st.text(max_size=60))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        source = parse("${" + text + "}")
    except ExpressionInvalid:
        return
    with contextlib.suppress(MappingFailed, KeyError, TypeError):
        source.value(SCOPE)


def test_loops_nest_to_a_bound() -> None:
    with pytest.raises(ExpressionInvalid, match="loops nest 3 deep"):
        parse("${input.list.map(a, input.list.map(b, input.list.map(c, 1)))}")
