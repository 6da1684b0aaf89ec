"""Values of a definition: literal, a field path, or an expression.

A value is literal unless the whole of it is `${…}`; `$${` escapes. A plain path (`input.a.b`, `steps.charge.reply.id`,
`saga.key`) becomes a look-up; everything else is CEL, bounded in size and depth and evaluated over plain data only: no Python
object is reachable from it. The only file that imports `cel`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import cel

from saga_coordinator.definitions.chains import Chain, Reading, read_chains
from saga_coordinator.engine.definition import MappingFailed

MAX_EXPRESSION_CHARS: Final = 2_000
MAX_BRACKETS: Final = 32
MAX_LOOPS: Final = 2
MAX_ITERATIONS: Final = 1_000_000
"""The longest list in scope to the power of nested loops may not exceed this."""
ROOTS: Final = frozenset({"input", "steps", "saga"})
SAGA_FIELDS: Final = ("id", "key", "tenant", "definition", "version")
FUNCTIONS: Final = frozenset(
    {
        *(
            "all",
            "exists",
            "exists_one",
            "existsOne",
            "filter",
            "map",
            "has",
            "size",
            "contains",
            "startsWith",
            "endsWith",
            "matches",
        ),
        *("int", "uint", "double", "string", "bytes", "bool", "timestamp", "duration", "type", "min", "max"),
        *("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
        *("getHours", "getMinutes", "getSeconds", "getMilliseconds"),
    }
)
_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_PATH: Final = re.compile(
    rf"""^\s*(?:
        input(?P<input>(?:\.{_NAME})*)
      | steps(?:\.(?P<dotted>[a-z][a-z0-9-]*)|\[(?:"(?P<double>[^"\\]+)"|'(?P<single>[^'\\]+)')\])\.reply(?P<reply>(?:\.{_NAME})*)
      | saga\.(?P<saga>{_NAME})
    )\s*$""",
    re.VERBOSE,
)


class ExpressionInvalid(ValueError):
    """An expression cannot be compiled. `offset` is where, in characters from the `$`; the message says what to do."""

    def __init__(self, message: str, offset: int = 0, *, too_large: bool = False) -> None:
        super().__init__(message)
        self.offset = offset
        self.too_large = too_large


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A look-up of a field."""

    text: str
    root: str
    step: str | None
    fields: tuple[str, ...]

    @property
    def reads(self) -> frozenset[str]:
        return frozenset() if self.step is None else frozenset({self.step})

    def value(self, scope: Mapping[str, Any]) -> Any:
        """The field; a null on the way gives null."""
        current = scope["steps"].get(self.step) if self.step is not None else scope[self.root]
        for name in self.fields:
            if current is None:
                return None
            current = (current[1] if isinstance(current, tuple) else current)[name]
        return current


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A CEL expression, compiled."""

    text: str
    program: cel.Program
    reading: Reading

    @property
    def reads(self) -> frozenset[str]:
        """Steps whose reply it names; lint refuses a step name that is computed."""
        named = (chain.path[0] for chain in self.reading.chains if chain.root == "steps" and not chain.bound and chain.path)
        return frozenset(name for name in named if name is not None)

    def value(self, scope: Mapping[str, Any]) -> Any:
        """Evaluate. Raises MappingFailed with the kind of failure, never with a value."""
        plain = _scope_for_cel(scope, self.reading.chains, self.reads)
        if self.reading.loops and _longest(plain) ** self.reading.loops > MAX_ITERATIONS:
            raise MappingFailed("expression_too_large", f"${{{self.text}}} runs over a list that is too long")
        try:
            return self.program.execute(plain)
        except Exception as problem:
            # The library raises many kinds; its messages may repeat a value, so only the kind is passed on.
            raise MappingFailed("expression_failed", f"${{{self.text}}}: {_kind_of(problem)}") from None


def is_expression(value: object) -> bool:
    """Whether the whole value is `${…}`."""
    return isinstance(value, str) and value.startswith("${") and value.endswith("}")


def literal(value: Any) -> Any:
    """A literal as it is meant: `$${x}` is the text `${x}`."""
    if isinstance(value, str):
        return value[1:] if value.startswith("$${") else value
    if isinstance(value, Mapping):
        return {key: literal(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [literal(inner) for inner in value]
    return value


@lru_cache(maxsize=4096)
def parse(value: str) -> Path | Expression:
    """Compile the text of a `${…}`. Raises ExpressionInvalid."""
    text = value[2:-1]
    if not text.strip():
        raise ExpressionInvalid("the expression is empty; write a path such as ${input.order_id}")
    path = _path(text)
    return path if path is not None else _expression(text)


def _path(text: str) -> Path | None:
    match = _PATH.match(text)
    if match is None:
        return None
    if match["input"] is not None:
        return Path(text=text.strip(), root="input", step=None, fields=_names(match["input"]))
    if match["saga"] is not None:
        return Path(text=text.strip(), root="saga", step=None, fields=(match["saga"],))
    step = match["dotted"] or match["double"] or match["single"]
    return Path(text=text.strip(), root="steps", step=step, fields=_names(match["reply"]))


def _names(dotted: str) -> tuple[str, ...]:
    return tuple(name for name in dotted.split(".") if name)


def _expression(text: str) -> Expression:
    if len(text) > MAX_EXPRESSION_CHARS:
        message = (
            f"the expression has {len(text)} characters, at most {MAX_EXPRESSION_CHARS} are allowed: compute it in a participant"
        )
        raise ExpressionInvalid(message, too_large=True)
    reading = read_chains(text, ROOTS)
    if reading.depth > MAX_BRACKETS:
        raise ExpressionInvalid(f"brackets nest {reading.depth} deep, at most {MAX_BRACKETS} are allowed", too_large=True)
    if reading.loops > MAX_LOOPS:
        raise ExpressionInvalid(f"loops nest {reading.loops} deep, at most {MAX_LOOPS} are allowed", too_large=True)
    try:
        program = cel.compile(text)
    except Exception as problem:
        message, offset = _syntax(str(problem))
        raise ExpressionInvalid(message, offset + 2) from None
    return Expression(text=text, program=program, reading=reading)


_CEL_PLACE: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")


def _syntax(problem: str) -> tuple[str, int]:
    """The library's complaint in one line, and its column."""
    match = _CEL_PLACE.search(problem)
    if match is None:
        return "not a CEL expression", 0
    said = match[3].split(" expecting ")[0].removeprefix("Syntax error: ")
    column = int(match[2]) - 1 if match[1] == "1" else 0
    return f"not a CEL expression: {said[:120]}", column


def _kind_of(problem: Exception) -> str:
    kinds: tuple[tuple[type[Exception], str], ...] = (
        (ZeroDivisionError, "division by zero"),
        (OverflowError, "a number out of range"),
        (KeyError, "a field that is not there"),
        (IndexError, "an index out of range"),
        (TypeError, "values of types that do not go together; null has no fields"),
    )
    return next((words for kind, words in kinds if isinstance(problem, kind)), "it could not be evaluated")


def _scope_for_cel(scope: Mapping[str, Any], chains: tuple[Chain, ...], reads: frozenset[str]) -> dict[str, Any]:
    """Only the roots that are named, as plain data: what CEL does not know becomes text."""
    roots = {chain.root for chain in chains}
    made: dict[str, Any] = {}
    if "input" in roots:
        made["input"] = _plain(scope["input"])
    if "saga" in roots:
        made["saga"] = dict(scope["saga"])
    if "steps" in roots:
        made["steps"] = {name: {"reply": _plain(scope["steps"].get(name))} for name in reads}
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):  # a record of a union with several: (full name, fields)
        return _plain(value[1])
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, (UUID, Decimal)):
        return str(value)
    if isinstance(value, (date, time)) and not isinstance(value, datetime):
        return value.isoformat()
    return value


def _longest(value: Any) -> int:
    """The longest list or map within, text and bytes not counted; at least 1."""
    if isinstance(value, dict):
        return max([len(value), *(_longest(inner) for inner in value.values())], default=1)
    if isinstance(value, list):
        return max([len(value), *(_longest(inner) for inner in value)], default=1)
    return 1
