"""Which chains of names a CEL expression reads: `input.a.b`, `steps["x-y"].reply.c`, with the place of each.

The CEL library names root variables only, so the text is read here, token by token. Nothing is evaluated and the grammar is not
checked (the library compiles the text as well): this finds names, bound variables of macros, calls and how deep macros nest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

MACROS: Final = frozenset({"all", "exists", "exists_one", "existsOne", "filter", "map"})
_WORDS: Final = frozenset({"true", "false", "null", "in"})
_TOKEN: Final = re.compile(
    r"""
      (?P<space>(?:\s|//[^\n]*)+)
    | (?P<string>(?:[rR][bB]?|[bB][rR])(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*')
        | [bB]?(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    | (?P<number>(?:0[xX][0-9a-fA-F]+|(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[uU]?)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_SIMPLE_KEY: Final = re.compile(r"""^(?:"([^"\\]*)"|'([^'\\]*)')$""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A root name and what is selected from it. An element of None is an index that is not a literal name."""

    root: str
    path: tuple[str | None, ...]
    offset: int
    """Of the root, in characters from the start of the expression."""
    binding: Chain | None = None
    """For the variable of a macro: the chain it runs over, where that is known."""
    bound: bool = False
    """The root is the variable of a macro."""

    def __str__(self) -> str:
        return self.root + "".join("[…]" if part is None else f".{part}" for part in self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What an expression names."""

    chains: tuple[Chain, ...]
    functions: Mapping[str, int]
    """Each function or method called, with the offset of its first call."""
    loops: int
    """How deep macros that run over lists nest."""
    depth: int
    """How deep brackets nest."""
    shadows: tuple[Chain, ...]
    """Macro variables that take the name of a root."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    offset: int


@dataclass(slots=True)
class _Bracket:
    closing: str
    macro: bool = False
    bound: dict[str, Chain | None] = field(default_factory=dict)


def tokens(text: str) -> Iterator[_Token]:
    """The tokens of an expression, spaces and comments left out."""
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "space":
            yield _Token(match.lastgroup or "mark", match.group(), match.start())


def read_chains(text: str, roots: frozenset[str]) -> Reading:
    """Find every chain an expression names."""
    return _Reader(list(tokens(text)), roots).read()


class _Reader:
    def __init__(self, found: list[_Token], roots: frozenset[str]) -> None:
        self._tokens = found
        self._roots = roots
        self._at = 0
        self._stack: list[_Bracket] = []
        self._chains: list[Chain] = []
        self._shadows: list[Chain] = []
        self._functions: dict[str, int] = {}
        self._loops = 0
        self._depth = 0

    def read(self) -> Reading:
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token.kind == "name" and token.text not in _WORDS:
                self._name(token)
            else:
                self._mark(token)
                self._at += 1
        return Reading(
            chains=tuple(self._chains),
            functions=self._functions,
            loops=self._loops,
            depth=self._depth,
            shadows=tuple(self._shadows),
        )

    def _text(self, ahead: int) -> str:
        index = self._at + ahead
        return self._tokens[index].text if 0 <= index < len(self._tokens) else ""

    def _mark(self, token: _Token) -> None:
        if token.kind != "mark":
            return
        closing = {"(": ")", "[": "]", "{": "}"}.get(token.text)
        if closing is not None:
            self._open(_Bracket(closing))
        elif self._stack and token.text == self._stack[-1].closing:
            self._stack.pop()

    def _open(self, bracket: _Bracket) -> None:
        self._stack.append(bracket)
        self._depth = max(self._depth, len(self._stack))
        self._loops = max(self._loops, sum(one.macro for one in self._stack))

    def _name(self, token: _Token) -> None:
        """A root, a function, or a member of something that is not a chain (`f(x).y`)."""
        selected = self._text(-1) == "." and self._at > 1 and self._ends_operand(self._at - 2)
        if self._text(1) == "(":
            self._call(token, None)
            return
        if selected:
            self._at += 1
            return
        self._chain(token)

    def _ends_operand(self, index: int) -> bool:
        token = self._tokens[index]
        return token.kind in ("string", "number", "name") or token.text in (")", "]", "}")

    def _chain(self, token: _Token) -> None:
        self._at += 1
        path: list[str | None] = []
        while True:
            if self._text(0) == "." and self._is_name(1):
                if self._text(2) == "(":
                    break
                path.append(self._text(1))
                self._at += 2
            elif self._text(0) == "[" and self._text(2) == "]":
                path.append(self._key(self._tokens[self._at + 1]))
                if path[-1] is None:
                    self._index_name(self._tokens[self._at + 1])
                self._depth = max(self._depth, len(self._stack) + 1)
                self._at += 3
            else:
                break
        chain = self._made(token, path)
        self._chains.append(chain)
        if self._text(0) == "." and self._is_name(1):  # a method on this chain
            self._at += 1
            self._call(self._tokens[self._at], chain)

    def _is_name(self, ahead: int) -> bool:
        index = self._at + ahead
        return index < len(self._tokens) and self._tokens[index].kind == "name"

    def _key(self, token: _Token) -> str | None:
        match = _SIMPLE_KEY.match(token.text) if token.kind == "string" else None
        return (match.group(1) or match.group(2) or "") if match else None

    def _index_name(self, token: _Token) -> None:
        """`a[b]`: b is a chain of its own."""
        if token.kind == "name" and token.text not in _WORDS:
            self._chains.append(self._made(token, []))

    def _made(self, token: _Token, path: list[str | None]) -> Chain:
        for bracket in reversed(self._stack):
            if token.text in bracket.bound:
                binding = bracket.bound[token.text]
                return Chain(root=token.text, path=tuple(path), offset=token.offset, binding=binding, bound=True)
        return Chain(root=token.text, path=tuple(path), offset=token.offset)

    def _call(self, token: _Token, receiver: Chain | None) -> None:
        """At a function's name; the bracket behind it is opened, with the macro's variable where it binds one."""
        self._functions.setdefault(token.text, token.offset)
        bracket = _Bracket(")", macro=token.text in MACROS)
        self._at += 2
        if bracket.macro and self._is_name(0) and self._text(1) == ",":
            variable = self._tokens[self._at]
            bracket.bound[variable.text] = receiver
            if variable.text in self._roots:
                self._shadows.append(Chain(root=variable.text, path=(), offset=variable.offset))
            self._at += 2
        self._open(bracket)
