"""`when:` and `key:` against the schemas: a truth, and a text that only the input gives."""

from __future__ import annotations

from saga_coordinator.definitions.avro_types import AvroType
from saga_coordinator.definitions.expressions import Expression, Path, is_expression
from saga_coordinator.definitions.finding import Report
from saga_coordinator.definitions.scope_types import Sight, Wrong
from saga_coordinator.definitions.tree import Node
from saga_coordinator.definitions.value_check import ValueCheck
from saga_coordinator.engine.definition import MappingFailed

_KEY_KINDS = ("string", "int", "long", "enum")


def check_when(node: Node, sight: Sight, report: Report, step: str) -> None:
    """A condition is an expression that gives true or false."""
    check = ValueCheck(sight, report, step)
    if not is_expression(node.value):
        check.add("S008", node, "when must be an expression such as ${input.total > 0}")
        return
    source = check.source(node)
    if isinstance(source, Expression):
        _constant(source, node, check)
        return
    end = _path_end(source, node, check)
    if end is None or not isinstance(source, Path):
        return
    if [option.kind for option in end.options] != ["boolean"]:
        check.add("S211", node, f"when needs a boolean, ${{{source.text}}} is {end.described}; compare it with something")
    elif end.nullable or sight.skippable(source):
        check.add("S213", node, f"when needs a boolean, ${{{source.text}}} may be null; write ${{{source.text} == true}}")


def _constant(source: Expression, node: Node, check: ValueCheck) -> None:
    """An expression that reads nothing always gives the same."""
    if source.reading.chains:
        return
    try:
        value = source.value({"input": {}, "steps": {}, "saga": {}})
    except MappingFailed as problem:
        check.add("S112", node, f"`when` always fails: {problem.detail}")
        return
    if not isinstance(value, bool):
        check.add("S211", node, "when needs a boolean; this expression never gives one")
    elif value is False:
        check.add("S112", node, "the step can never run: its `when` is always false")


def check_key(node: Node, sight: Sight, report: Report) -> None:
    """The business key: text or a whole number of the input, never null."""
    check = ValueCheck(sight, report, None)
    if not is_expression(node.value):
        check.add("S008", node, "key must be an expression such as ${input.order_id}; a constant would allow one saga only")
        return
    source = check.source(node)
    if isinstance(source, Expression) and not source.reading.chains:
        check.add(
            "S216",
            node,
            "the key reads nothing of the input, so it would allow one saga only; use a field that tells sagas apart",
        )
    end = _path_end(source, node, check)
    if end is None or not isinstance(source, Path):
        return
    if not all(option.kind in _KEY_KINDS and option.logical in (None, "uuid") for option in end.options):
        check.add("S211", node, f"a key is text, a whole number or a UUID, ${{{source.text}}} is {end.described}")
    elif end.nullable:
        check.add("S213", node, f"a key may not be null, ${{{source.text}}} may; use a field that is always there")


def _path_end(source: Path | Expression | None, node: Node, check: ValueCheck) -> AvroType | None:
    if not isinstance(source, Path):
        return None
    try:
        return check.sight.path_type(source)
    except Wrong as problem:
        check.add(problem.code, node, problem.message)
        return None
