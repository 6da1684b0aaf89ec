"""A CEL expression that runs: the same data gives the same result, on every host and in every
process.

The only file that imports `cel`. The library has faults that would break that, each worked round
here:

- it reads a datetime without a zone in the host's time zone: such a value goes in as text, as dates
  and times of day do;
- it keeps maps in an order of chance: loops over a map take its keys sorted, and a map that comes
  out is sorted;
- it counts the bytes of a text: `size` is ours and counts characters;
- it cuts what is finer than a microsecond, ends durations at 292 years and replaces bytes that are
  no text: there ours refuse.

What it cannot do at all is refused by `lint` (cel_functions.py).
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from types import ModuleType
from typing import Any, Final
from uuid import UUID

from saga_coordinator.definitions.cel_tree import Call, Index, Listing, Literal, Loop, Name, Node, Select, parts, walk
from saga_coordinator.engine.definition import MappingFailed
from saga_schemas.times import parse_instant

# The package imports its command line, and so a terminal toolkit that nobody here uses: 7 MB.
sys.modules.setdefault("cel.cli", ModuleType("cel.cli"))
import cel  # noqa: E402

MAX_ITERATIONS: Final = 1_000_000
"""The longest list in scope to the power of nested loops may not exceed this."""
ROOTS: Final = frozenset({"input", "steps", "saga", "schedule"})
"""`schedule` is in scope where a schedule makes a start, and the others where a saga runs."""
_DURATION: Final = re.compile(r"(?a:[+-]?(?:0|(?:(?:\d+(?:\.\d*)?|\.\d+)(?:h|ms|m|s|us|ns))+))")
_DURATION_PART: Final = re.compile(r"(?a:(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|ns))")
_UNIT_NS: Final = {"h": 3_600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_LONGEST_DURATION: Final = timedelta(days=290 * 365)
_ORDERED: Final = frozenset({"map", "filter"})
"""Loops whose result has the order of what they run over."""

# The library logs whatever a function of ours raises; the failure reaches the caller anyway.
logging.getLogger("cel").setLevel(logging.CRITICAL)


class NotCompiled(ValueError):
    """The library does not take the text: its message, and the character it stops at."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An expression, ready to run over a scope of decoded data."""

    text: str
    reads: frozenset[str]
    """Steps whose reply it names; lint refuses a step name that is computed."""
    _roots: frozenset[str]
    _loops: int
    _ours: bool
    _program: cel.Program

    def value(self, scope: Mapping[str, Any]) -> Any:
        """Evaluate. Raises MappingFailed with the kind of failure, never with a value."""
        plain = self._plain(scope)
        if self._loops and _longest(plain) ** self._loops > MAX_ITERATIONS:
            raise MappingFailed("expression_too_large", f"${{{self.text}}} runs over a list that is too long")
        try:
            made = self._program.execute(cel.Context(variables=plain, functions=_FUNCTIONS) if self._ours else plain)
        except Exception as problem:
            # The library raises many kinds; its messages may repeat a value, so only the kind is
            # passed on.
            raise MappingFailed("expression_failed", f"${{{self.text}}}: {_kind_of(problem)}") from None
        return _settled(made)

    def _plain(self, scope: Mapping[str, Any]) -> dict[str, Any]:
        """Only the roots that are named, as plain data: what CEL does not know becomes text."""
        made: dict[str, Any] = {}
        if "input" in self._roots:
            made["input"] = _plain(scope["input"])
        if "saga" in self._roots:
            made["saga"] = dict(scope["saga"])
        if "schedule" in self._roots and "schedule" in scope:  # else it is the variable of a loop
            made["schedule"] = _plain(scope["schedule"])
        if "steps" in self._roots:
            made["steps"] = {name: {"reply": _plain(scope["steps"].get(name))} for name in self.reads}
        return made


def check_text(text: str) -> None:
    """Raises NotCompiled where the library does not take an expression."""
    _compiled(text)


def program_of(text: str, tree: Node) -> Program:
    """An expression that `check_text` let pass, and its tree. Raises NotCompiled."""
    rewritten = _rewritten(text, tree)
    return Program(
        text=text,
        reads=frozenset(filter(None, map(_step_read, walk(tree)))),
        _roots=frozenset(node.name for node in walk(tree) if isinstance(node, Name)) & ROOTS,
        _loops=loop_depth(tree),
        _ours=rewritten != text,
        _program=_compiled(rewritten),
    )


def loop_depth(tree: Node) -> int:
    """How deep loops nest."""
    within = max(map(loop_depth, parts(tree)), default=0)
    if not isinstance(tree, Loop):
        return within
    return max(loop_depth(tree.over), 1 + max(map(loop_depth, tree.bodies)))


def literal_fails(name: str, value: str) -> bool:
    """Whether a function of one text, or `matches` with a pattern, fails for this very text."""
    call = "''.matches(x)" if name == "matches" else f"{_PREFIX if _PREFIX + name in _FUNCTIONS else ''}{name}(x)"
    try:
        cel.evaluate(call, cel.Context(variables={"x": value}, functions=_FUNCTIONS))
    except Exception:
        return True
    return False


def _step_read(node: Node) -> str | None:
    """`steps.x` or `steps["x"]`."""
    match node:
        case Select(operand=Name(name="steps"), field=step):
            return step
        case Index(operand=Name(name="steps"), key=Literal(kind="string", value=str(step))):
            return step
        case _:
            return None


def _rewritten(text: str, tree: Node) -> str:
    """With our functions in place of those the library gets wrong."""
    edits: list[tuple[int, int, str]] = []
    for node in walk(tree):
        if isinstance(node, Call) and node.name == "string" and node.receiver is None:
            edits += [(node.end, 0, ")"), (node.at, 0, f"string({_PREFIX}")]
        elif isinstance(node, Call) and f"{_PREFIX}{node.name}" in _FUNCTIONS:
            edits.append((node.at, len(node.name), f"{_PREFIX}{node.name}"))
        elif isinstance(node, Loop) and node.macro in _ORDERED and not _gives_list(node.over):
            start, end = node.over_span
            edits += [(end, 0, ")"), (start, 0, f"{_PREFIX}keys(")]
    for start, length, new in sorted(edits, key=lambda edit: (-edit[0], -edit[1], edit[2])):
        text = text[:start] + new + text[start + length :]
    return text


def _gives_list(node: Node) -> bool:
    return isinstance(node, Listing) or (isinstance(node, Loop) and node.macro in _ORDERED)


def _compiled(text: str) -> cel.Program:
    try:
        return cel.compile(text)
    except Exception as problem:
        raise NotCompiled(*_syntax(str(problem))) from None


_CEL_PLACE: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")


def _syntax(problem: str) -> tuple[str, int]:
    """The library's message in one line, and its column."""
    match = _CEL_PLACE.search(problem)
    if match is None:
        return "not a CEL expression", 0
    message = match[3].split(" expecting ")[0].removeprefix("Syntax error: ")
    column = int(match[2]) - 1 if match[1] == "1" else 0
    return f"not a CEL expression: {message[:120]}", column


def _kind_of(problem: Exception) -> str:
    kinds: tuple[tuple[type[Exception], str], ...] = (
        (ZeroDivisionError, "division by zero"),
        (OverflowError, "a number out of range"),
        (KeyError, "a field that is not there"),
        (IndexError, "an index out of range"),
        (TypeError, "values of types that do not go together; null has no fields"),
    )
    return next((words for kind, words in kinds if isinstance(problem, kind)), "it could not be evaluated")


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):  # a record of a union with several: (full name, fields)
        return _plain(value[1])
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, (UUID, Decimal)):
        return str(value)
    if isinstance(value, (date, time)) and not (isinstance(value, datetime) and value.tzinfo is not None):
        return value.isoformat()
    return value


def _settled(value: Any) -> Any:
    """A result in an order that is always the same."""
    if isinstance(value, dict):
        return {key: _settled(value[key]) for key in _keys(value)}
    return [_settled(inner) for inner in value] if isinstance(value, list) else value


def _longest(value: Any) -> int:
    """The longest list or map within, text and bytes not counted; at least 1."""
    if isinstance(value, dict):
        return max([len(value), *(_longest(inner) for inner in value.values())], default=1)
    if isinstance(value, list):
        return max([len(value), *(_longest(inner) for inner in value)], default=1)
    return 1


# --- functions of ours; what they raise names no value --------------------------------------------


def _size(value: Any) -> int:
    if not isinstance(value, (str, bytes, list, dict)):
        raise TypeError("size of something that has none")
    return len(value)


def _keys(value: Any) -> list[Any]:
    """A list as it is, of a map the keys in one order."""
    if isinstance(value, dict):
        return sorted(value, key=lambda key: (type(key).__name__, key))
    if not isinstance(value, list):
        raise TypeError("a loop over something that is no list")
    return value


def _timestamp(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise TypeError("no text")
    return parse_instant(value)


def _string(value: Any) -> Any:
    """What the library's own `string` then takes.

    Of bytes it would hide what is no text, of long durations it is wrong.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, timedelta) and abs(value) > _LONGEST_DURATION:
        raise OverflowError("a duration of more than 290 years")
    return value


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise TypeError("no text")
    if len(value) > 60 or _DURATION.fullmatch(value) is None:
        raise ValueError("not a duration such as 1h30m or 2.5s")
    ns = sum(Fraction(number) * _UNIT_NS[unit] for number, unit in _DURATION_PART.findall(value))
    us, finer = divmod(ns, 1_000)
    if finer:
        raise ValueError("finer than a microsecond")
    return timedelta(microseconds=-us if value.startswith("-") else us)


_PREFIX: Final = "saga_"
_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    f"{_PREFIX}size": _size,
    f"{_PREFIX}keys": _keys,
    f"{_PREFIX}timestamp": _timestamp,
    f"{_PREFIX}duration": _duration,
    f"{_PREFIX}string": _string,
}
