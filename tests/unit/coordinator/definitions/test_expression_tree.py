"""The tree of an expression: what the library compiles is read, and read as CEL means it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saga_coordinator.definitions.cel_literals import literal_of
from saga_coordinator.definitions.cel_program import NotCompiled, check_text, loop_depth
from saga_coordinator.definitions.cel_syntax import NotRead, bracket_depth, parse_tree
from saga_coordinator.definitions.cel_tree import (
    Call,
    Choice,
    Has,
    Index,
    Listing,
    Literal,
    Logic,
    Loop,
    Name,
    Node,
    Operation,
    Select,
    Unary,
    walk,
)
from saga_coordinator.definitions.expressions import parse

A, B, C = Name("a", 0), Name("b", 0), Name("c", 0)
ONE = Literal("int", 1, 0)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a + b * c", Operation(A, (("+", Operation(B, (("*", C),), 0)),), 0)),
        ("(a + b) * c", Operation(Operation(A, (("+", B),), 0), (("*", C),), 0)),
        ("a - b - c", Operation(A, (("-", B), ("-", C)), 0)),
        ("a < b == c", Operation(A, (("<", B), ("==", C)), 0)),
        ("a || b && c", Logic("||", (A, Logic("&&", (B, C), 0)), 0)),
        ("a ? b : c ? a : b", Choice(A, B, Choice(C, A, B, 0), 0)),
        ("!a.b", Unary("!", Select(A, "b", 0), 0)),
        ("-1", Literal("int", -1, 0)),
        ("- a", Unary("-", A, 0)),
        ("1 - -1", Operation(ONE, (("-", Literal("int", -1, 0)),), 0)),
        ("a.b['c'][1]", Index(Index(Select(A, "b", 0), Literal("string", "c", 0), 0), ONE, 0)),
        ("has(a.b)", Has(Select(A, "b", 0), 0)),
        ("a.map(x, x)", Loop("map", A, "x", (Name("x", 0),), 0, (0, 0))),
        ("a.size(b)", Call("size", A, (B,), 0, 0)),
        ("[a, b,]", Listing((A, B), 0)),
        ("a // b\n + c", Operation(A, (("+", C),), 0)),
        ("true", Literal("bool", True, 0)),
        ("1in[1]", Operation(ONE, (("in", Listing((ONE,), 0)),), 0)),
    ],
)
def test_a_tree_says_what_the_text_does(text: str, tree: Node) -> None:
    assert parse_tree(text) == tree


@pytest.mark.parametrize(
    "token",
    [
        "1",
        "0x1F",
        "5u",
        "1.5",
        ".5",
        "1e3",
        "1.5e-3",
        "'a'",
        '"a"',
        "''",
        '""""""',
        "'''a'b'''",
        '"""a"b"""',
        r"'a\n\t\\\'\"\`\?'",
        r"'\x41\u0041\U0001F600\101'",
        r"r'\n'",
        r'R"\n"',
        "b'abc'",
        r"b'\xff\377'",
        r"br'\n'",
        "b'é'",
        '"it\'s"',
    ],
)
def test_a_literal_has_the_value_the_library_gives_it(token: str) -> None:
    kind, value = literal_of(token)
    assert parse("${[" + token + "][0]}").value({}) == value
    assert parse("${[string(type(" + token + ") == " + kind + ")][0]}").value({}) == "true"


_PARTS = ["input", ".a", "a", "[", "]", "(", ")", "'x'", "+", "-", "!", ".map(x, ", "x", "{", "}", "?", ":", ",", "1", "2u", ".5"]
_PARTS += ["&&", "||", "==", "<", " in ", "has(", ".size()", "steps", "null", "true", "b'y'", " ", "//c\n", "%"]


@given(st.lists(st.sampled_from(_PARTS), max_size=12))
def test_what_the_library_compiles_is_read(parts: list[str]) -> None:
    text = "".join(parts)
    try:
        check_text(text)
    except NotCompiled:
        with contextlib.suppress(NotRead):
            parse_tree(text)
        return
    assert list(walk(parse_tree(text)))


@given(st.text(max_size=40))
def test_reading_fails_in_one_way_only(text: str) -> None:
    bracket_depth(text)
    with contextlib.suppress(NotRead):
        parse_tree(text)


def test_loops_are_counted_where_they_nest() -> None:
    assert loop_depth(parse_tree("a.map(x, b.map(y, c.map(z, 1)))")) == 3
    assert loop_depth(parse_tree("a.map(x, x).filter(y, y).all(z, z)")) == 1
    assert loop_depth(parse_tree("a + b")) == 0


def test_a_tree_too_deep_is_refused() -> None:
    with pytest.raises(NotRead) as refused:
        parse_tree("a" + ".b" * 200)
    assert refused.value.too_deep
    assert len(list(walk(parse_tree(" + ".join(["1"] * 900))))) == 901
