"""What is known not to be null where a condition has held: `x != null && …`, `has(x.y) ? … : …`.

A fact is a path: `("input", "note")`. Facts of two sorts: those a condition's truth alone gives,
and those that it was evaluated at all (`has(x.y)` fails where x is null). CEL lets the right side
of `&&` save a left side that failed, so only the first sort tells anything to what stands before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Final

from saga_coordinator.definitions.cel_tree import Call, Choice, Has, Index, Literal, Logic, Name, Node, Operation, Select, Unary

Path = tuple[str, ...]
Facts = frozenset[Path]
NOTHING: Final[Facts] = frozenset()


def path_of(node: Node) -> Path | None:
    """What a chain of names reads; None where something is computed on the way."""
    match node:
        case Name(name=name):
            return (name,)
        case Select(operand=operand, field=name) | Index(operand=operand, key=Literal(kind="string", value=str(name))):
            before = path_of(operand)
            return None if before is None else (*before, name)
        case _:
            return None


def facts_of(node: Node, truth: bool, never_null: Callable[[Node], bool], *, evaluated: bool = True) -> Facts:
    """What is not null where `node` gave `truth`.

    `never_null` tells of an expression; `evaluated`: also what its evaluation shows.
    """

    def again(inner: Node, held: bool) -> Facts:
        return facts_of(inner, held, never_null, evaluated=evaluated)

    match node:
        case Unary(operator="!", operand=operand):
            return again(operand, not truth)
        case Logic(operator=operator, operands=operands):
            found = [again(operand, truth) for operand in operands]
            return _all(found) if (operator == "&&") == truth else _common(found)
        case Choice(test=test, yes=yes, no=no):
            ways = [(True, yes), (False, no)]
            return _common(
                again(test, held) | again(way, truth)
                for held, way in ways
                if not (isinstance(way, Literal) and way.value != truth)
            )
        case Operation(first=left, rest=((operator, right),)):
            return _compared(left, operator, right, truth, never_null)
        case Has(target=target):
            return _known(target.operand) if evaluated else NOTHING
        case Select() | Index():
            return _known(node) if evaluated else NOTHING
        case _:
            return NOTHING


def _compared(left: Node, operator: str, right: Node, truth: bool, never_null: Callable[[Node], bool]) -> Facts:
    if operator == "in":
        return _known(left) if truth and never_null(right) else NOTHING
    if operator not in ("==", "!="):
        return NOTHING
    same = (operator == "==") == truth
    return _told(left, right, same, never_null) | _told(right, left, same, never_null)


def _told(node: Node, other: Node, same: bool, never_null: Callable[[Node], bool]) -> Facts:
    """What a value that is, or is not, the same as another tells."""
    if isinstance(node, Call) and node.name == "type" and isinstance(other, Name) and len(node.arguments) == 1:
        return _known(node.arguments[0]) if same != (other.name == "null_type") else NOTHING
    if isinstance(other, Literal) and other.kind == "null":
        return NOTHING if same else _known(node)
    return _known(node) if same and never_null(other) else NOTHING


def _known(node: Node) -> Facts:
    path = path_of(node)
    return NOTHING if path is None else frozenset({path})


def _all(found: Iterable[Facts]) -> Facts:
    return frozenset().union(*found)


def _common(found: Iterable[Facts]) -> Facts:
    ways = list(found)
    return reduce(frozenset.intersection, ways) if ways else NOTHING
