"""From a query's tree to conditions of SQL over the lines of a list, with bound values only.

Two tables have such lines: `saga_listing` and `imported`. Conditions are spelt so that their
partial indexes serve them. Negations are carried down to the comparisons, because SQL's "unknown"
is not the language's: there, a comparison with what is not there is false, and its negation true.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Table,
    and_,
    case,
    collate,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    true,
    union,
)

from saga_coordinator.query.fields import LABEL
from saga_coordinator.query.tree import (
    All,
    Comparison,
    Condition,
    FromNow,
    Instant,
    Lasting,
    Not,
    Query,
    Some,
    Value,
)
from saga_coordinator.store import schema
from saga_coordinator.store.columns import Flag, Real, database_clock
from saga_coordinator.store.dialect import AnySelect
from saga_coordinator.store.label_tables import saga_label

_LAST_CHAR: Final = 0x10FFFF
_BEFORE_SURROGATES: Final = 0xD7FF
_AFTER_SURROGATES: Final = 0xE000
_LABEL: Final = saga_label.c

_Holds = Callable[[Comparison], ColumnElement[bool]]


def matching(query: Query, lines: Table, dialect: str, tenant: str) -> ColumnElement[bool]:
    """The condition that a query is, over `saga_listing` or `imported`, of a tenant's lines."""
    return _Lines(lines, dialect, tenant).condition(query.condition, true_wanted=True)


def of_phase(phase: str) -> ColumnElement[bool]:
    """With the partial index's own condition, spelt out so that the planner sees it."""
    t = schema.saga_listing.c
    if phase in schema.OPEN_PHASES:
        return (t.phase == phase) & t.closed_at.is_(None)
    if phase in schema.FINAL_PHASES:
        return t.phase == literal(phase, literal_execute=True)
    raise ValueError("no such phase")


def begins_at() -> ColumnElement[Any]:
    """When a saga that is SCHEDULED begins: its wake-up. Of any other nothing."""
    t, s = schema.saga_listing.c, schema.saga.c
    wake_at = select(s.wake_at).where(s.id == t.saga_id).scalar_subquery()
    return case((t.phase == literal(schema.SCHEDULED, literal_execute=True), wake_at), else_=null())


def needs_attention() -> ColumnElement[bool]:
    return schema.saga_listing.c.attention > literal(0, literal_execute=True)


def holders(tenant: str, keys: Sequence[str], definition: str | None = None) -> AnySelect:
    """The sagas that hold or held one of these keys."""
    found = []
    for t in (schema.saga_key, schema.saga_key_former):
        of_key = t.c.business_key == keys[0] if len(keys) == 1 else t.c.business_key.in_(keys)
        query = select(t.c.saga_id).where(t.c.tenant == tenant, of_key)
        found.append(query if definition is None else query.where(t.c.definition_name == definition))
    both = union(*found).subquery()
    return select(both.c.saga_id)


@dataclass(frozen=True, slots=True)
class _Operand:
    """What a comparison looks at, where that is one value of the line."""

    value: ColumnElement[Any]
    nullable: bool = False
    text: bool = False


class _Lines:
    """The lines of one table."""

    def __init__(self, lines: Table, dialect: str, tenant: str) -> None:
        self._postgres = dialect == "postgresql"
        self._tenant = tenant
        self._own = lines is schema.saga_listing
        self._t = t = lines.c
        self._operands: Mapping[str, _Operand] = {
            "id": _Operand(t.saga_id),
            "key": _Operand(t.business_key, nullable=True, text=True),
            "definition": _Operand(t.definition_name, text=True),
            "version": _Operand(t.definition_version),
            "phase": _Operand(t.phase),
            "started": _Operand(t.started_at),
            "closed": _Operand(t.closed_at, nullable=True),
            "begins": _Operand(begins_at() if self._own else null(), nullable=True),
            "duration": _Operand(func.coalesce(t.closed_at, _now()) - t.started_at),
            "trace": _Operand(t.trace_id, text=True),
        }
        self._flags: Mapping[str, ColumnElement[bool]] = {
            "open": t.closed_at.is_(None),
            "attention": needs_attention() if self._own else false(),
            "imported": false() if self._own else true(),
        }
        self._special: Mapping[str, _Holds] = {"reason": self._reason, LABEL: self._label} | (
            {"phase": self._phase} if self._own else {}
        )

    def condition(self, node: Condition, *, true_wanted: bool) -> ColumnElement[bool]:
        """What is true where the node is as wanted, and never unknown where it decides."""
        match node:
            case Not(part):
                return self.condition(part, true_wanted=not true_wanted)
            case All(parts) | Some(parts):
                found = [self.condition(part, true_wanted=true_wanted) for part in parts]
                return and_(*found) if isinstance(node, All) is true_wanted else or_(*found)
            case Comparison():
                return self._holds(node) if true_wanted else self._fails(node)

    def _holds(self, node: Comparison) -> ColumnElement[bool]:
        if node.field in self._flags:
            wanted = set(node.values)
            flag = self._flags[node.field]
            return true() if len(wanted) == 2 else flag if True in wanted else not_(flag)
        if node.field in self._special:
            return self._special[node.field](node)
        if self._own and node.field == "key" and node.operator in ("=", "in"):
            return self._t.saga_id.in_(holders(self._tenant, [str(key) for key in node.values]))
        return self._compared(self._operands[node.field], node)

    def _fails(self, node: Comparison) -> ColumnElement[bool]:
        operand = self._operands.get(node.field)
        if node.field == LABEL:
            return self._labelled(node) if node.operator == "is null" else not_(self._labelled(node))
        if operand is None:
            return not_(self._holds(node))
        fails = not_(self._compared(operand, node))
        return or_(operand.value.is_(None), fails) if operand.nullable and node.operator != "is null" else fails

    def _compared(self, operand: _Operand, node: Comparison) -> ColumnElement[bool]:
        value = operand.value
        ordered = node.operator not in ("=", "in", "is null")
        if operand.text and ordered and self._postgres:
            value = collate(value, "C")
        return _compared(value, node.operator, [_bound(one) for one in node.values])

    def _phase(self, node: Comparison) -> ColumnElement[bool]:
        return or_(*(of_phase(str(phase)) for phase in node.values))

    def _reason(self, node: Comparison) -> ColumnElement[bool]:
        """Of a reason why a person must look: a saga may have several."""
        if not self._own:
            return true() if node.operator == "is null" else false()
        if node.operator == "is null":
            return not_(needs_attention())
        reason = schema.attention.c.reason
        compared = collate(reason, "C") if self._postgres and node.operator == "starts with" else reason
        of_saga = select(literal(1)).where(schema.attention.c.saga_id == self._t.saga_id)
        return needs_attention() & of_saga.where(_compared(compared, node.operator, node.values)).exists()

    def _label(self, node: Comparison) -> ColumnElement[bool]:
        if self._postgres or node.operator == "is null":  # PostgreSQL's planner chooses which of the two tables leads
            return not_(self._labelled(node)) if node.operator == "is null" else self._labelled(node)
        found = select(_LABEL.saga_id).where(_LABEL.tenant == self._tenant, _LABEL.name == node.label)
        return self._t.saga_id.in_(found.where(_of_label(node)))

    def _labelled(self, node: Comparison) -> ColumnElement[bool]:
        """As a look at each saga's own labels."""
        of_saga = select(literal(1)).where(_LABEL.tenant == self._tenant, _LABEL.name == node.label)
        return of_saga.where(_LABEL.saga_id == self._t.saga_id, _of_label(node)).exists()


def _now() -> ColumnElement[int]:
    """The clock as a query of its own: it is read once."""
    return select(database_clock()).scalar_subquery()


def _bound(value: Value) -> Any:
    match value:
        case Instant(us) | Lasting(us):
            return us
        case FromNow(us):
            return _now() + us
    return value


def _of_label(node: Comparison) -> ColumnElement[bool]:
    """What is asked of a label, in the column that has values of this type."""
    values = node.values
    if not values:
        return true()
    column, bound = _typed(values)
    return _compared(column, node.operator, bound)


def _typed(values: Sequence[Value]) -> tuple[ColumnElement[Any], list[Any]]:
    first = values[0]
    if isinstance(first, bool):
        return _LABEL.flag_value, [literal(value, Flag) for value in values]
    if isinstance(first, float):
        return _LABEL.number_value, [literal(value, Real) for value in values]
    if isinstance(first, Instant | FromNow):
        return _LABEL.time_value, [_bound(value) for value in values]
    return _LABEL.text_value, list(values)


def _compared(column: ColumnElement[Any], operator: str, values: Sequence[Any]) -> ColumnElement[bool]:
    match operator:
        case "is null":
            return column.is_(None)
        case "in":
            return column.in_(values)
        case "between":
            return and_(column >= values[0], column <= values[1])
        case "starts with":
            return _prefixed(column, values[0])
    return _SIGNS[operator](column, values[0])


_SIGNS: Final[Mapping[str, Callable[[ColumnElement[Any], Any], ColumnElement[bool]]]] = {
    "=": lambda column, value: column == value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
}


def _prefixed(column: ColumnElement[Any], prefix: str) -> ColumnElement[bool]:
    """A range, which an index finds."""
    after = _after(prefix)
    from_there = column >= prefix
    return from_there if after is None else and_(from_there, column < after)


def _after(prefix: str) -> str | None:
    """The first text behind all that start so; None where there is none."""
    while prefix and ord(prefix[-1]) == _LAST_CHAR:
        prefix = prefix[:-1]
    if not prefix:
        return None
    last = ord(prefix[-1])
    return prefix[:-1] + chr(_AFTER_SURROGATES if last == _BEFORE_SURROGATES else last + 1)
