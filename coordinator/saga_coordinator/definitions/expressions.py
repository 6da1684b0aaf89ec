"""Values of a definition: literal, a field path, or an expression.

A value is literal unless the whole of it is `${…}`; `$${` escapes. A plain path (`input.a.b`,
`steps.charge.reply.id`, `saga.key`, and in a schedule `schedule.tick`) becomes a look-up;
everything else is CEL (cel_program.py), bounded in size and depth and evaluated over plain data
only: no Python object is reachable from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from saga_coordinator.definitions.cel_program import ROOTS, NotCompiled, Program, check_text, loop_depth, program_of
from saga_coordinator.definitions.cel_syntax import NotRead, bracket_depth, parse_tree
from saga_coordinator.definitions.cel_tree import Name, Node, walk

MAX_EXPRESSION_CHARS: Final = 2_000
MAX_BRACKETS: Final = 32
MAX_LOOPS: Final = 2
SAGA_FIELDS: Final = ("id", "key", "tenant", "definition", "version")
_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_PATH: Final = re.compile(
    rf"""^\s*(?:
        input(?P<input>(?:\.{_NAME})*)
      | steps(?:\.(?P<dotted>[a-z][a-z0-9-]*)|\[(?:"(?P<double>[^"\\]+)"|'(?P<single>[^'\\]+)')\])\.reply(?P<reply>(?:\.{_NAME})*)
      | saga\.(?P<saga>{_NAME})
      | schedule(?P<schedule>(?:\.{_NAME})*)
    )\s*$""",
    re.VERBOSE,
)


class ExpressionInvalid(ValueError):
    """An expression cannot be compiled.

    `offset` is where, in characters from the `$`; the message says what to do.
    """

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
    tree: Node
    program: Program

    @property
    def reads(self) -> frozenset[str]:
        return self.program.reads

    @property
    def constant(self) -> bool:
        """Whether it reads nothing, so that it always gives the same."""
        return not any(isinstance(node, Name) and node.name in ROOTS for node in walk(self.tree))

    def value(self, scope: Mapping[str, Any]) -> Any:
        """Evaluate. Raises MappingFailed with the kind of failure, never with a value."""
        return self.program.value(scope)


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
    if match["schedule"] is not None:
        return Path(text=text.strip(), root="schedule", step=None, fields=_names(match["schedule"]))
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
    depth = bracket_depth(text)
    if depth > MAX_BRACKETS:
        raise ExpressionInvalid(f"brackets nest {depth} deep, at most {MAX_BRACKETS} are allowed", too_large=True)
    try:
        check_text(text)
        tree = parse_tree(text)
        loops = loop_depth(tree)
        if loops > MAX_LOOPS:
            raise ExpressionInvalid(f"loops nest {loops} deep, at most {MAX_LOOPS} are allowed", too_large=True)
        return Expression(text=text, tree=tree, program=program_of(text, tree))
    except NotCompiled as problem:
        raise ExpressionInvalid(str(problem), problem.offset + 2) from None
    except NotRead as problem:
        message = str(problem) if problem.too_deep else f"not a CEL expression: {problem}"
        raise ExpressionInvalid(message, problem.offset + 2, too_large=problem.too_deep) from None
