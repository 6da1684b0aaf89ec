"""How one field of a command gets its value when the command is made.

A literal, a look-up, an expression, or a map or list of those: compiled once, then made from a
scope of decoded data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from saga_coordinator.definitions.expressions import Expression, Path, is_expression, literal, parse
from saga_coordinator.engine.definition import MappingFailed

Scope = Mapping[str, Any]
"""`input`, `steps` (reply by step), `saga`, and for a compensation `command`: decoded, by Avro's
Python types.
"""


class Value(Protocol):
    """Something that gives a value."""

    @property
    def reads(self) -> frozenset[str]: ...

    def make(self, scope: Scope) -> Any: ...


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal."""

    value: Any

    @property
    def reads(self) -> frozenset[str]:
        return frozenset()

    def make(self, scope: Scope) -> Any:
        return self.value


@dataclass(frozen=True, slots=True)
class Default(Constant):
    """The default of the schema, already of the field's type."""


@dataclass(frozen=True, slots=True)
class SameName:
    """The field of that name of the input, or of the action's command."""

    root: str
    name: str

    @property
    def reads(self) -> frozenset[str]:
        return frozenset()

    def make(self, scope: Scope) -> Any:
        return scope[self.root][self.name]


@dataclass(frozen=True, slots=True)
class Computed:
    """A path or an expression."""

    source: Path | Expression

    @property
    def reads(self) -> frozenset[str]:
        return self.source.reads

    def make(self, scope: Scope) -> Any:
        try:
            return self.source.value(scope)
        except (KeyError, TypeError):
            raise MappingFailed("field_missing", f"${{{self.source.text}}} leads nowhere") from None


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map or record written in the definition."""

    entries: tuple[tuple[str, Value], ...]

    @property
    def reads(self) -> frozenset[str]:
        return frozenset().union(*(value.reads for _, value in self.entries))

    def make(self, scope: Scope) -> Any:
        return {name: value.make(scope) for name, value in self.entries}


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list written in the definition."""

    items: tuple[Value, ...]

    @property
    def reads(self) -> frozenset[str]:
        return frozenset().union(*(value.reads for value in self.items))

    def make(self, scope: Scope) -> Any:
        return [value.make(scope) for value in self.items]


def compile_value(raw: Any) -> Value:
    """A value of `with:` as the document holds it. Raises ExpressionInvalid."""
    if is_expression(raw):
        return Computed(parse(raw))
    if isinstance(raw, Mapping):
        return MapOf(tuple((name, compile_value(inner)) for name, inner in raw.items()))
    if isinstance(raw, (list, tuple)):
        return ListOf(tuple(compile_value(inner) for inner in raw))
    return Constant(literal(raw))
