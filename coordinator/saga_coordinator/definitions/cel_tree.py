"""The syntax tree of a CEL expression: plain data, every part with its place.

Chains of one operator are flat (`a + b + c` is one node), so a tree is as deep as its brackets and
hardly deeper. Two trees are equal when they say the same, wherever they stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


def _place() -> Any:
    return field(compare=False)


@dataclass(frozen=True, slots=True)
class Literal:
    """`kind` is int, uint, double, string, bytes, bool or null."""

    kind: str
    value: Any
    at: int = _place()


@dataclass(frozen=True, slots=True)
class Name:
    """A root, the variable of a loop, or a type."""

    name: str
    at: int = _place()


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.field`"""

    operand: Node
    field: str
    at: int = _place()


@dataclass(frozen=True, slots=True)
class Index:
    """`operand[key]`"""

    operand: Node
    key: Node
    at: int = _place()


@dataclass(frozen=True, slots=True)
class Has:
    """`has(operand.field)`"""

    target: Select
    at: int = _place()


@dataclass(frozen=True, slots=True)
class Call:
    """`name(arguments)` or `receiver.name(arguments)`.

    `at` is where the name stands, `end` where the text of the call ends.
    """

    name: str
    receiver: Node | None
    arguments: tuple[Node, ...]
    at: int = _place()
    end: int = _place()


@dataclass(frozen=True, slots=True)
class Loop:
    """`over.macro(variable, …)`"""

    macro: str
    over: Node
    variable: str
    bodies: tuple[Node, ...]
    at: int = _place()
    over_span: tuple[int, int] = _place()
    """Where the text of `over` begins and ends, its own brackets included."""


@dataclass(frozen=True, slots=True)
class Listing:
    """`[a, b]`"""

    items: tuple[Node, ...]
    at: int = _place()


@dataclass(frozen=True, slots=True)
class Entries:
    """`{key: value}`"""

    entries: tuple[tuple[Node, Node], ...]
    at: int = _place()


@dataclass(frozen=True, slots=True)
class Unary:
    """`!a` or `-a`"""

    operator: str
    operand: Node
    at: int = _place()


@dataclass(frozen=True, slots=True)
class Operation:
    """Operators of one rank, from the left: `a + b - c`, `a < b`.

    Each of `rest` is operator, operand.
    """

    first: Node
    rest: tuple[tuple[str, Node], ...]
    at: int = _place()


@dataclass(frozen=True, slots=True)
class Logic:
    """`a && b && c` or `a || b`"""

    operator: str
    operands: tuple[Node, ...]
    at: int = _place()


@dataclass(frozen=True, slots=True)
class Choice:
    """`test ? yes : no`"""

    test: Node
    yes: Node
    no: Node
    at: int = _place()


Node = Literal | Name | Select | Index | Has | Call | Loop | Listing | Entries | Unary | Operation | Logic | Choice


def parts(node: Node) -> tuple[Node, ...]:
    """What a node is directly made of."""
    match node:
        case Select() | Unary():
            return (node.operand,)
        case Index():
            return (node.operand, node.key)
        case Has():
            return (node.target,)
        case Call():
            return node.arguments if node.receiver is None else (node.receiver, *node.arguments)
        case Loop():
            return (node.over, *node.bodies)
        case Listing():
            return node.items
        case Entries():
            return tuple(part for entry in node.entries for part in entry)
        case Operation():
            return (node.first, *(operand for _, operand in node.rest))
        case Logic():
            return node.operands
        case Choice():
            return (node.test, node.yes, node.no)
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """A node and everything within it."""
    yield node
    for part in parts(node):
        yield from walk(part)
