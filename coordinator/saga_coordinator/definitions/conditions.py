"""`when:`, `key:` and `labels:` against the schemas: a truth, and what only the input gives, a text
and values that one can search for.
"""

from __future__ import annotations

from collections.abc import Mapping

from saga_coordinator.definitions.avro_types import AvroType
from saga_coordinator.definitions.cel_check import check_expression, known_where
from saga_coordinator.definitions.cel_facts import NOTHING, Facts
from saga_coordinator.definitions.cel_syntax import NotRead, parse_tree
from saga_coordinator.definitions.cel_tree import Logic
from saga_coordinator.definitions.cel_tree import Node as Tree
from saga_coordinator.definitions.expressions import Expression, ExpressionInvalid, Path, is_expression, literal, parse
from saga_coordinator.definitions.finding import Report
from saga_coordinator.definitions.scope_types import Sight, Wrong
from saga_coordinator.definitions.tree import Node
from saga_coordinator.definitions.value_check import ValueCheck
from saga_coordinator.engine.definition import MappingFailed
from saga_schemas.labels import LabelInvalid, label_value

_KEY_KINDS = ("string", "int", "long", "enum")
_COMPUTED_KINDS = ("string", "int", "uint")
_LABEL_KINDS = ("string", "int", "long", "float", "double", "boolean", "enum")
_LABEL_LOGICAL = ("decimal", "timestamp-millis", "timestamp-micros")
_COMPUTED_LABELS = (*_COMPUTED_KINDS, "double", "bool", "timestamp")
_LABEL_IS = "a label is a text, a number, true or false, or a time"


def check_when(node: Node, sight: Sight, report: Report, step: str) -> None:
    """A condition is an expression that gives true or false."""
    check = ValueCheck(sight, report, step)
    if not is_expression(node.value):
        check.add("S008", node, "when must be an expression such as ${input.total > 0}")
        return
    source = check.source(node)
    if isinstance(source, Expression):
        made = check.gives(source, node)
        if not made.unknown and any(option.name != "bool" for option in made.values):
            check.add("S211", node, f"when needs a boolean, this is {made}; compare it with something")
        elif not made.unknown and made.null is not None:
            check.add("S213", node, "when needs a boolean, this may be null; write … == true")
        elif source.constant:
            _constant(source, node, check)
        return
    end = _path_end(source, node, check)
    if end is None or not isinstance(source, Path):
        return
    if [option.kind for option in end.options] != ["boolean"]:
        check.add("S211", node, f"when needs a boolean, ${{{source.text}}} is {end.described}; compare it with something")
    elif end.nullable or sight.skippable(source):
        check.add("S213", node, f"when needs a boolean, ${{{source.text}}} may be null; write ${{{source.text} == true}}")


def implies(when: object, other: object) -> bool:
    """Whether a step whose condition is `when` runs only where one with the condition `other` runs,
    too: it has every part of it.
    """
    return when == other or (
        is_expression(when) and is_expression(other) and _parts(str(when)) >= _parts(str(other)) > frozenset()
    )


def _parts(when: str) -> frozenset[Tree]:
    """What `&&` holds together."""
    try:
        tree = parse_tree(when[2:-1])
    except NotRead:
        return frozenset()
    return frozenset(tree.operands if isinstance(tree, Logic) and tree.operator == "&&" else [tree])


def shown_by(when: Node | None, sight: Sight) -> Facts:
    """What is not null where a step's condition has held, so that its commands may take it as it
    is.
    """
    if when is None or not is_expression(when.value):
        return NOTHING
    try:
        source = parse(str(when.value))
    except ExpressionInvalid:
        return NOTHING
    if isinstance(source, Expression):
        return known_where(source.tree, sight)
    root = (source.root,) if source.step is None else ("steps", source.step, "reply")
    return frozenset({(*root, *source.fields)})


def _constant(source: Expression, node: Node, check: ValueCheck) -> None:
    """An expression that reads nothing always gives the same."""
    try:
        value = source.value({"input": {}, "steps": {}, "saga": {}})
    except MappingFailed as problem:
        check.add("S112", node, f"`when` always fails: {problem.detail}")
        return
    if value is False:
        check.add("S112", node, "the step can never run: its `when` is always false")


def check_key(node: Node, sight: Sight, report: Report) -> None:
    """The business key: text or a whole number of the input, never null."""
    check = ValueCheck(sight, report, None)
    if not is_expression(node.value):
        check.add("S008", node, "key must be an expression such as ${input.order_id}; a constant would allow one saga only")
        return
    source = check.source(node)
    if isinstance(source, Expression):
        _computed_key(source, node, check)
    end = _path_end(source, node, check)
    if end is None or not isinstance(source, Path):
        return
    if not all(option.kind in _KEY_KINDS and option.logical in (None, "uuid") for option in end.options):
        check.add("S211", node, f"a key is text, a whole number or a UUID, ${{{source.text}}} is {end.described}")
    elif end.nullable:
        check.add("S213", node, f"a key may not be null, ${{{source.text}}} may; use a field that is always there")


def _computed_key(source: Expression, node: Node, check: ValueCheck) -> None:
    made = check.gives(source, node)
    if source.constant:
        message = "the key reads nothing of the input, so it would allow one saga only; use a field that tells sagas apart"
        check.add("S216", node, message)
    elif not made.unknown and any(option.name not in _COMPUTED_KINDS for option in made.values):
        check.add("S211", node, f"a key is text or a whole number, this is {made}")
    elif not made.unknown and made.null is not None:
        check.add("S213", node, "a key may not be null, this may; give a default, or use a field that is always there")


def check_label(name: str, node: Node, sight: Sight, report: Report) -> None:
    """A label: a constant, or what the input gives. Where that is null the saga goes without it."""
    check = ValueCheck(sight, report, None)
    check.value(node, None, f"labels.{name}")
    if isinstance(node.value, Mapping | tuple):
        check.add("S212", node, f"{_LABEL_IS}, {name} is {node.kind}")
    elif not is_expression(node.value):
        _constant_label(name, node, check)
    elif (source := _parsed(node)) is not None:
        _computed_label(name, source, node, check)


def _parsed(node: Node) -> Path | Expression | None:
    try:
        return parse(str(node.value))
    except ExpressionInvalid:  # that was found before
        return None


def _constant_label(name: str, node: Node, check: ValueCheck) -> None:
    try:
        label_value(literal(node.value))
    except LabelInvalid as wrong:
        check.add("S212", node, f"labels.{name}: {wrong}")


def _computed_label(name: str, source: Path | Expression, node: Node, check: ValueCheck) -> None:
    if isinstance(source, Expression):
        made, found = check_expression(source.tree, source.text, check.sight)
        if not found and not made.unknown and any(option.name not in _COMPUTED_LABELS for option in made.values):
            check.add("S211", node, f"{_LABEL_IS}, {name} is {made}")
        return
    try:
        end = check.sight.path_type(source)
    except Wrong:  # that was found before
        return
    if end is not None and not all(_is_label(option) for option in end.options):
        check.add("S211", node, f"{_LABEL_IS}, ${{{source.text}}} is {end.described}")


def _is_label(option: AvroType) -> bool:
    return option.logical in _LABEL_LOGICAL if option.logical not in (None, "uuid", "date") else option.kind in _LABEL_KINDS


def _path_end(source: Path | Expression | None, node: Node, check: ValueCheck) -> AvroType | None:
    if not isinstance(source, Path):
        return None
    try:
        return check.sight.path_type(source)
    except Wrong as problem:
        check.add(problem.code, node, problem.message)
        return None
