"""Queries in tests: made at random, written as text, and answered in plain Python."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from saga_coordinator.query.fields import FIELDS, LABEL, Kind
from saga_coordinator.query.tree import (
    All,
    Comparison,
    Condition,
    FromNow,
    Instant,
    Lasting,
    Not,
    Operator,
    Some,
    Value,
)
from saga_schemas.times import format_us

DAY_US = 86_400_000_000
ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Line:
    """A saga as a query sees it."""

    id: UUID
    key: str | None
    definition: str
    version: int
    phase: str
    started: int
    closed: int | None
    trace: str
    reasons: tuple[str, ...] = ()
    begins: int | None = None
    imported: bool = False
    labels: Mapping[str, str | float | bool | Instant] = field(default_factory=dict)


def holds(condition: Condition, line: Line, now_us: int) -> bool:
    """Whether the saga matches, by what docs/queries.md says."""
    match condition:
        case Not(part):
            return not holds(part, line, now_us)
        case All(parts):
            return all(holds(part, line, now_us) for part in parts)
        case Some(parts):
            return any(holds(part, line, now_us) for part in parts)
        case Comparison():
            values = [plain(value, now_us) for value in condition.values]
            found = [plain(one, now_us) for one in seen(condition, line, now_us)]
            if condition.operator == "is null":
                return not found
            return any(type(one) is type(values[0]) and compared(one, condition.operator, values) for one in found)


def seen(comparison: Comparison, line: Line, now_us: int) -> Sequence[Any]:
    """What the field has of a saga: nothing, one value, or several reasons."""
    if comparison.field == LABEL:
        assert comparison.label is not None
        return [line.labels[comparison.label]] if comparison.label in line.labels else []
    one = {
        "id": line.id,
        "key": line.key,
        "definition": line.definition,
        "version": line.version,
        "phase": line.phase,
        "open": line.closed is None,
        "attention": bool(line.reasons),
        "started": line.started,
        "closed": line.closed,
        "begins": line.begins,
        "duration": (now_us if line.closed is None else line.closed) - line.started,
        "trace": line.trace,
        "imported": line.imported,
    }
    if comparison.field == "reason":
        return line.reasons
    return [] if one[comparison.field] is None else [one[comparison.field]]


def plain(value: Value, now_us: int) -> Any:
    match value:
        case Instant(us) | Lasting(us):
            return us
        case FromNow(us):
            return now_us + us
    return value


def compared(one: Any, sign: str, values: Sequence[Any]) -> bool:
    first = values[0]
    match sign:
        case "in":
            return one in values
        case "between":
            return bool(first <= one <= values[1])
        case "starts with":
            return bool(one.startswith(first))
    return bool(ORDER[sign](one, first))


# -- as text


def written(condition: Condition) -> str:
    """A text that is read as this condition."""
    match condition:
        case Not(part):
            return f"not ({written(part)})"
        case All(parts):
            return " and ".join(inner(part) for part in parts)
        case Some(parts):
            return " or ".join(inner(part) for part in parts)
        case Comparison():
            name = condition.field if condition.label is None else f"label.{condition.label}"
            values = [literal(value) for value in condition.values]
            match condition.operator:
                case "in":
                    return f"{name} in ({', '.join(values)})"
                case "between":
                    return f"{name} between {values[0]} and {values[1]}"
            return " ".join([name, condition.operator, *values])


def inner(condition: Condition) -> str:
    return f"({written(condition)})" if isinstance(condition, All | Some) else written(condition)


def literal(value: Value) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float() | UUID():
            return str(value)
        case Instant(us):
            return format_us(us)
        case FromNow(us):
            return f"{'+' if us >= 0 else '-'}{abs(us) // 1000}ms"
        case Lasting(us):
            return f"{us // 1000}ms"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


# -- at random


def conditions(known: Mapping[str, Sequence[Value]], labels: Mapping[str, Sequence[Value]]) -> st.SearchStrategy[Condition]:
    """Conditions whose values are often those of some saga: `known` by field, `labels` by name."""
    leaf = comparisons(known) | labelled(labels)
    return st.recursive(
        leaf,
        lambda part: (
            st.builds(Not, part)
            | st.lists(part, min_size=2, max_size=3).map(lambda parts: All(tuple(parts)))
            | st.lists(part, min_size=2, max_size=3).map(lambda parts: Some(tuple(parts)))
        ),
        max_leaves=6,
    )


@st.composite
def comparisons(draw: st.DrawFn, known: Mapping[str, Sequence[Value]]) -> Comparison:
    name = draw(st.sampled_from(sorted(FIELDS)))
    sign = draw(st.sampled_from(FIELDS[name].operators))
    values = known.get(name, (True, False) if FIELDS[name].kind is Kind.FLAG else ())
    return Comparison(name, sign, tuple(draw(given(sign, st.sampled_from(values)))))


@st.composite
def labelled(draw: st.DrawFn, labels: Mapping[str, Sequence[Value]]) -> Comparison:
    label = draw(st.sampled_from(sorted(labels)))
    first = draw(st.sampled_from(labels[label]))
    alike = [value for value in labels[label] if kind(value) is kind(first)]
    signs: list[Operator] = ["=", "in", "is null"]
    signs += [] if isinstance(first, bool) else ["<", "<=", ">", ">=", "between"]
    signs += ["starts with"] if isinstance(first, str) else []
    sign = draw(st.sampled_from(signs))
    return Comparison(LABEL, sign, tuple(draw(given(sign, st.sampled_from(alike)))), label)


def kind(value: Value) -> type:
    return Instant if isinstance(value, FromNow) else type(value)


def given(sign: str, value: st.SearchStrategy[Value]) -> st.SearchStrategy[list[Value]]:
    least, most = {"is null": (0, 0), "between": (2, 2), "in": (1, 3)}.get(sign, (1, 1))
    return st.lists(value, min_size=least, max_size=most)
