"""From the text of a query to its tree, in three steps: its bounds, its grammar (grammar.lark, read
by Lark), and what each name and value means.

Whatever the text is, it is read or refused with QueryRefused; nothing here recurses deeper than
MAX_DEPTH.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Final, NoReturn

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from saga_coordinator.query.fields import ALIASES, FIELDS, LABEL, LABEL_PREFIXES, LABELS, Field, Kind, fields_text
from saga_coordinator.query.refused import QueryRefused, did_you_mean
from saga_coordinator.query.tree import (
    All,
    Comparison,
    Condition,
    FromNow,
    Instant,
    Not,
    Operator,
    Query,
    Some,
    Value,
)
from saga_coordinator.query.values import WrongValue, value_of
from saga_schemas.labels import LABEL_RULE, valid_label_name

MAX_CHARS: Final = 4_000
MAX_DEPTH: Final = 12
"""Parentheses and `not` inside each other."""
MAX_TERMS: Final = 40
"""Comparisons of one query."""
MAX_VALUES: Final = 100
"""Values of one `in`."""
_EXAMPLE: Final = 'phase = COMPENSATING and started > -1h and label.customer = "c-1"'
_INSTEAD: Final = {"&": "and", "|": "or", "!": "not, or !=", "*": "starts with", "%": "starts with", "~": "starts with"}
_CURLY: Final = "“”‘’«»„`"
_WANTED: Final = (
    ("WORD", "a field"),
    ("TEXT", "a value"),
    ("OPERATOR", "a comparison (= != < <= > >=, in, between, starts with, is null)"),
    ("RPAR", "a closing parenthesis"),
    ("LPAR", "a parenthesis"),
    ("COMMA", "a comma"),
    ("_AND", "`and`"),
    ("_OR", "`or`"),
    ("_WITH", "`with`"),
    ("_NULL", "`null`"),
    ("_IN", "`in`, `between` or `starts with`"),
)
_KEYWORDS: Final = frozenset({"_AND", "_OR", "NOT", "_IN", "_BETWEEN", "_STARTS", "_WITH", "_IS", "_NULL"})


@cache
def _grammar() -> Lark:
    # One lexer for the whole text: the words of the language are never names.
    return Lark.open("grammar.lark", rel_to=__file__, parser="lalr", lexer="basic", propagate_positions=False)


def parse(text: str) -> Query:
    """Read a query. Raises QueryRefused."""
    if len(text) > MAX_CHARS:
        raise QueryRefused(f"the query has more than {MAX_CHARS} characters", text, MAX_CHARS)
    if not text.strip():
        raise QueryRefused("the query is empty", text, 0, f"for example: {_EXAMPLE}")
    try:
        tree = _grammar().parse(text)
    except UnexpectedCharacters as wrong:
        _unreadable(text, wrong.pos_in_stream or 0)
    except UnexpectedToken as wrong:
        _out_of_place(text, wrong)
    return Query(text, _Reader(text).condition(tree.children[0], 0))


def _unreadable(text: str, position: int) -> NoReturn:
    char = text[position]
    if char in "\"'":
        raise QueryRefused("this text has no closing quote", text, position)
    hint = ""
    if char in _CURLY:
        hint = 'texts stand in straight quotes: "o-17"'
    elif char in _INSTEAD:
        hint = f"write {_INSTEAD[char]}"
    elif char.isalnum():
        hint = "a text that begins with a digit, or has other characters than letters, digits, _ . and -, stands in quotes"
    raise QueryRefused("what stands here is no word, number, time or text of the language", text, position, hint)


def _out_of_place(text: str, wrong: UnexpectedToken) -> NoReturn:
    token: Token = wrong.token
    names = wrong.accepts or wrong.expected
    message = f"expected {_wanted(names)}"
    if token.type == "$END":
        raise QueryRefused(f"the query ends too early: {message}", text, len(text))
    hint = ""
    if token.type in _KEYWORDS and names & {"WORD", "TEXT"}:
        hint = "this is a word of the language; as a text it stands in quotes"
        if token.type == "_NULL":
            hint = "write `is null` or `is not null`"
    elif token.type == "WORD" and "_AND" in names:
        hint = "comparisons are joined by and, or"
    raise QueryRefused(message, text, token.start_pos or 0, hint)


def _wanted(names: Collection[str]) -> str:
    """What may stand in a place, for people."""
    said = dict(_WANTED)
    if "TEXT" in names:
        return said["TEXT"]
    if "OPERATOR" in names:
        del said["_IN"]
    return " or ".join(word for name, word in said.items() if name in names) or "the end: no parenthesis is open here"


class _Reader:
    """Reads one tree: what names mean, and which values fit."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._terms = 0

    def _refuse(self, message: str, token: Token, hint: str = "") -> NoReturn:
        raise QueryRefused(message, self._text, token.start_pos or 0, hint)

    def condition(self, tree: Tree[Token] | Token, depth: int) -> Condition:
        assert isinstance(tree, Tree), "tokens stand in comparisons only"
        match tree.data:
            case "some":
                return Some(tuple(self.condition(part, depth) for part in tree.children))
            case "all":
                return All(tuple(self.condition(part, depth) for part in tree.children))
            case "group" | "negation":
                return self._deeper(tree, depth + 1)
        return self._test(tree)

    def _deeper(self, tree: Tree[Token], depth: int) -> Condition:
        if depth > MAX_DEPTH:
            message = f"more than {MAX_DEPTH} parentheses and `not` stand inside each other"
            raise QueryRefused(message, self._text, _position(tree.children[0]))
        part = self.condition(tree.children[-1], depth)
        return part if tree.data == "group" else Not(part)

    def _test(self, tree: Tree[Token]) -> Condition:
        name, *rest = [child for child in tree.children if child is None or isinstance(child, Token)]
        self._terms += 1
        if self._terms > MAX_TERMS:
            self._refuse(f"the query has more than {MAX_TERMS} comparisons", name)
        field, label, kind = self._field(name)
        if tree.data == "flag":
            return self._flag(name, field, kind)
        given = [token for token in rest if token is not None]
        operator, denied = _operator(str(tree.data), given)
        if operator not in kind.operators:
            self._refuse("the field cannot be compared so", given[0] if given else name, f"it takes {_taken(kind)}")
        tokens = [token for token in given if token.type not in ("OPERATOR", "NOT")]
        if len(tokens) > MAX_VALUES:
            self._refuse(f"more than {MAX_VALUES} values in one `in`", tokens[MAX_VALUES])
        found = Comparison(field, operator, self._values(kind, operator, tokens), label)
        return Not(found) if denied else found

    def _field(self, name: Token) -> tuple[str, str | None, Field]:
        word = name.value.lower()
        for prefix in LABEL_PREFIXES:
            if word.startswith(prefix):
                label = name.value[len(prefix) :]
                if not valid_label_name(label):
                    self._refuse("this is no name of a label", name, LABEL_RULE)
                return LABEL, label, LABELS
        field = ALIASES.get(word, word)
        if field not in FIELDS:
            hint = f"{did_you_mean(word, [*FIELDS, *ALIASES])}fields are {fields_text()}"
            self._refuse("there is no such field", name, hint)
        return field, None, FIELDS[field]

    def _flag(self, name: Token, field: str, kind: Field) -> Comparison:
        if kind.kind is not Kind.FLAG:
            self._refuse("the field is not true or false by itself", name, f"compare it with {kind.kind.value}")
        return Comparison(field, "=", (True,))

    def _values(self, kind: Field, operator: Operator, tokens: list[Token]) -> tuple[Value, ...]:
        values: list[Value] = []
        for token in tokens:
            try:
                values.append(value_of(kind.kind, token))
            except WrongValue as wrong:
                self._refuse(wrong.message, token, wrong.hint)
            if _type(values[-1]) is not _type(values[0]):
                self._refuse("values of a label that stand together are of one kind", token)
        if values and kind.kind is Kind.LABEL:
            self._check_label(operator, values[0], tokens[0])
        return tuple(values)

    def _check_label(self, operator: Operator, value: Value, token: Token) -> None:
        if isinstance(value, bool) and operator not in ("=", "in"):
            self._refuse("true and false have no order", token, "write = or !=")
        if operator == "starts with" and not isinstance(value, str):
            self._refuse("only a text starts with something", token, "a text stands in quotes")


def _type(value: Value) -> type:
    return Instant if isinstance(value, FromNow) else type(value)


def _operator(rule: str, tokens: list[Token]) -> tuple[Operator, bool]:
    """The operator of a rule of the grammar, and whether it is denied."""
    denied = bool(tokens) and tokens[0].type == "NOT"
    match rule:
        case "listed":
            return "in", denied
        case "range":
            return "between", denied
        case "prefix":
            return "starts with", denied
        case "null":
            return "is null", denied
    sign = tokens[0].value
    return _SIGNS[sign], sign == "!="


_SIGNS: Final[dict[str, Operator]] = {"=": "=", "!=": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def _taken(field: Field) -> str:
    """The operators of a field, for people."""
    also = {"=": "= !=", "in": "in", "is null": "is null"}
    return ", ".join(also.get(operator, operator) for operator in field.operators)


def _position(token: Tree[Token] | Token) -> int:
    assert isinstance(token, Token), "a group begins with its parenthesis, a negation with its word"
    return token.start_pos or 0
