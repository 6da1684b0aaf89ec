"""From the text of a CEL expression to its tree.

The CEL library runs expressions and gives no tree, so the text is read here once more, by CEL's
grammar. Nothing is evaluated and no name is looked up; what the library refuses to compile is
refused before this is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from saga_coordinator.definitions.cel_literals import literal_of
from saga_coordinator.definitions.cel_tree import (
    Call,
    Choice,
    Entries,
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
)

LOOPS: Final = {"all": 2, "exists": 2, "exists_one": 2, "existsOne": 2, "filter": 2, "map": 3}
"""Macros that run over a list, with the most arguments each takes."""
MAX_DEPTH: Final = 100
_WORDS: Final = {"true": True, "false": False, "null": None}
_RELATIONS: Final = frozenset({"<", "<=", ">", ">=", "==", "!=", "in"})
_TOKEN: Final = re.compile(
    r"""
      (?P<space>(?:\s|//[^\n]*)+)
    | (?P<string>(?:[rR][bB]?|[bB][rR])(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*')
        | [bB]?(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    | (?P<number>(?:0[xX][0-9a-fA-F]+|(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[uU]?)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<mark>&&|\|\||[<>=!]=|.)
    """,
    re.VERBOSE | re.DOTALL,
)


class NotRead(ValueError):
    """Text that is no expression as this reader knows them; `offset` in characters."""

    def __init__(self, message: str, offset: int, *, too_deep: bool = False) -> None:
        super().__init__(message)
        self.offset = offset
        self.too_deep = too_deep


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is string, number, name, mark, or end."""

    kind: str
    text: str
    at: int


def tokens(text: str) -> Iterator[Token]:
    """The tokens of an expression, spaces and comments left out."""
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "space":
            yield Token(match.lastgroup or "mark", match.group(), match.start())


def bracket_depth(text: str) -> int:
    """How deep brackets nest, whether they match or not."""
    depth = deepest = 0
    for token in tokens(text):
        if token.text in ("(", "[", "{"):
            depth += 1
            deepest = max(deepest, depth)
        elif token.text in (")", "]", "}"):
            depth -= 1
    return deepest


def parse_tree(text: str) -> Node:
    """The tree of an expression. Raises NotRead."""
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = [*tokens(text), Token("end", "", len(text))]
        self._place = 0
        self._depth = 0

    def whole(self) -> Node:
        made = self._expression()
        if self._now.kind != "end":
            raise NotRead(f"unexpected {self._now.text[:20]!r}", self._now.at)
        return made

    @property
    def _now(self) -> Token:
        return self._tokens[self._place]

    @property
    def _end(self) -> int:
        """Where the text that has been read ends."""
        last = self._tokens[self._place - 1]
        return last.at + len(last.text)

    def _is(self, *texts: str) -> bool:
        return self._now.kind in ("mark", "name") and self._now.text in texts

    def _next(self) -> Token:
        token = self._now
        if token.kind == "end":
            raise NotRead("the expression ends too early", token.at)
        self._place += 1
        return token

    def _take(self, text: str) -> None:
        if not self._is(text):
            raise NotRead(f"expected {text!r}", self._now.at)
        self._place += 1

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NotRead(f"parts nest more than {MAX_DEPTH} deep", self._now.at, too_deep=True)

    def _expression(self) -> Node:
        self._deeper()
        at = self._now.at
        made = self._logic("||", lambda: self._logic("&&", self._relation))
        if self._is("?"):
            self._place += 1
            yes = self._expression()
            self._take(":")
            made = Choice(made, yes, self._expression(), at)
        self._depth -= 1
        return made

    def _logic(self, operator: str, inner: Callable[[], Node]) -> Node:
        at = self._now.at
        operands = [inner()]
        while self._is(operator):
            self._place += 1
            operands.append(inner())
        return operands[0] if len(operands) == 1 else Logic(operator, tuple(operands), at)

    def _relation(self) -> Node:
        return self._operation(_RELATIONS, self._sum)

    def _sum(self) -> Node:
        return self._operation(frozenset("+-"), lambda: self._operation(frozenset("*/%"), self._unary))

    def _operation(self, operators: frozenset[str], inner: Callable[[], Node]) -> Node:
        at = self._now.at
        first = inner()
        rest: list[tuple[str, Node]] = []
        while self._is(*operators):
            operator = self._next().text
            rest.append((operator, inner()))
        return Operation(first, tuple(rest), at) if rest else first

    def _unary(self) -> Node:
        if not self._is("!", "-"):
            return self._member()
        token = self._next()
        if token.text == "-" and self._now.kind == "number" and self._now.text[-1] not in "uU":
            return self._member(negative=token.at)
        self._deeper()
        made = Unary(token.text, self._unary(), token.at)
        self._depth -= 1
        return made

    def _member(self, negative: int | None = None) -> Node:
        start, depth = self._now.at, self._depth
        made = self._primary() if negative is None else self._number(negative)
        while self._is(".", "["):
            self._deeper()
            end = self._end
            opening = self._next()
            if opening.text == "[":
                made = Index(made, self._expression(), opening.at)
                self._take("]")
            else:
                made = self._selected(made, (start, end))
        self._depth = depth
        return made

    def _selected(self, operand: Node, span: tuple[int, int]) -> Node:
        name = self._next()
        if name.kind != "name":
            raise NotRead("a field's name is expected", name.at)
        if not self._is("("):
            return Select(operand, name.text, name.at)
        arguments = self._arguments()
        first = arguments[0] if arguments else None
        if name.text in LOOPS and isinstance(first, Name) and 2 <= len(arguments) <= LOOPS[name.text]:
            return Loop(name.text, operand, first.name, arguments[1:], name.at, span)
        return Call(name.text, operand, arguments, name.at, self._end)

    def _primary(self) -> Node:
        token = self._next()
        if token.kind == "string":
            return Literal(*literal_of(token.text), token.at)
        if token.kind == "number":
            self._place -= 1
            return self._number(None)
        if token.kind == "name":
            return self._named(token)
        if token.text == "." and self._now.kind == "name":  # a name of the outermost scope: no scope here has any
            name = self._next()
            return self._named(Token("name", f".{name.text}", token.at))
        if token.text == "(":
            made = self._expression()
            self._take(")")
            return made
        if token.text == "[":
            return Listing(self._items("]", self._expression), token.at)
        if token.text == "{":
            return Entries(self._items("}", self._entry), token.at)
        raise NotRead(f"unexpected {token.text[:20]!r}", token.at)

    def _number(self, negative: int | None) -> Node:
        token = self._next()
        kind, value = literal_of(token.text)
        return Literal(kind, value, token.at) if negative is None else Literal(kind, -value, negative)

    def _named(self, token: Token) -> Node:
        if token.text in _WORDS:
            value = _WORDS[token.text]
            return Literal("null" if value is None else "bool", value, token.at)
        if not self._is("("):
            return Name(token.text, token.at)
        arguments = self._arguments()
        if token.text == "has" and len(arguments) == 1 and isinstance(arguments[0], Select):
            return Has(arguments[0], token.at)
        return Call(token.text, None, arguments, token.at, self._end)

    def _arguments(self) -> tuple[Node, ...]:
        self._take("(")
        return self._items(")", self._expression)

    def _entry(self) -> tuple[Node, Node]:
        key = self._expression()
        self._take(":")
        return key, self._expression()

    def _items(self, closing: str, item: Callable[[], Any]) -> tuple[Any, ...]:
        made: list[Any] = []
        while not self._is(closing):
            made.append(item())
            if not self._is(closing):
                self._take(",")
        self._place += 1
        return tuple(made)
