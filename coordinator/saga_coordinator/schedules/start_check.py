"""What a tick starts, against the definition: the input by its record, the business key.

Types are checked as those of a command are (`definitions/value_check.py`); the root `schedule` is
all that there is to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from saga_coordinator.definitions.avro_types import type_of
from saga_coordinator.definitions.cel_tree import Index, Literal, Name, Select, walk
from saga_coordinator.definitions.cel_tree import Node as Tree
from saga_coordinator.definitions.compile import CompiledDefinition
from saga_coordinator.definitions.expressions import Expression, ExpressionInvalid, Path, is_expression, parse
from saga_coordinator.definitions.finding import Report, shown
from saga_coordinator.definitions.scope_types import Sight, Wrong
from saga_coordinator.definitions.tree import Node
from saga_coordinator.definitions.value_check import ValueCheck
from saga_coordinator.schedules.program import SCHEDULE
from saga_coordinator.schedules.reading import ScheduleDraft

_OF_A_TICK: Final = frozenset({"tick", "scheduled_for", "previous"})
"""What is another at each tick."""
_KEY_KINDS: Final = frozenset({"string", "int", "uint"})
_SIGHT: Final = Sight(input=None, replies={}, has_key=False, schedule=SCHEDULE)


def check_start(draft: ScheduleDraft, compiled: CompiledDefinition | None, report: Report) -> None:
    """Check the input and the key.

    `compiled` None: the definition is not known; what needs no type is checked all the same.
    """
    check = ValueCheck(_SIGHT, report, None)
    given = draft.input or Node({}, draft.node.line, draft.node.column)
    if compiled is None:
        check.value(given, None, "input")
    else:
        check.value(given, type_of(compiled.input_schema), compiled.input_schema.full_name)
    if draft.key is not None:
        _check_key(draft.key, check)
    if compiled is not None and compiled.has_key:
        _check_computed_key(draft, given, compiled, report)


def _check_computed_key(draft: ScheduleDraft, given: Node, compiled: CompiledDefinition, report: Report) -> None:
    """Where the definition has a key, only it says the key, and it sees the input only."""
    name = compiled.document.saga
    if draft.key is not None:
        report.add("S314", draft.key, f"{name} computes its key from the input; remove `key:`")
    elif not _reads_within(given) & _OF_A_TICK:
        message = f"{name} computes its key from the input, which is the same at each tick: one saga could ever run"
        report.add("S313", given, f"{message}; let the input read schedule.tick, or schedule.scheduled_for")


def _check_key(node: Node, check: ValueCheck) -> None:
    if not is_expression(node.value):
        check.add("S008", node, "key must be an expression such as ${schedule.tick}; a constant would allow one saga only")
        return
    source = check.source(node)
    if source is None:
        return
    before = len(check.report.findings)
    if isinstance(source, Expression):
        _check_computed(source, node, check)
    else:
        _check_path(source, node, check)
    if len(check.report.findings) == before and not _reads(source) & _OF_A_TICK:
        message = "the key is the same at each tick, so it would allow one saga only; read schedule.tick"
        check.add("S313", node, message)


def _check_computed(source: Expression, node: Node, check: ValueCheck) -> None:
    made = check.gives(source, node)
    if made.unknown:
        return
    if any(option.name not in _KEY_KINDS for option in made.values):
        check.add("S211", node, f"a key is text or a whole number, this is {made}")
    elif made.null is not None:
        check.add("S213", node, "a key may not be null, this may; give a default, or read schedule.tick")


def _check_path(source: Path, node: Node, check: ValueCheck) -> None:
    try:
        end = check.sight.path_type(source)
    except Wrong as problem:
        check.add(problem.code, node, problem.message)
        return
    if end is not None and any(option.kind != "string" for option in end.options):
        text = f"${{{shown(source.text)}}}"
        check.add("S211", node, f"a key is text or a whole number, {text} is {end.described}; write ${{schedule.tick}}")


def _reads_within(node: Node) -> frozenset[str]:
    """The fields of `schedule` that some value within reads."""
    if isinstance(node.value, Mapping):
        return frozenset().union(*(_reads_within(entry.node) for entry in node.value.values()))
    if isinstance(node.value, tuple):
        return frozenset().union(*(_reads_within(each) for each in node.value))
    if not is_expression(node.value):
        return frozenset()
    try:
        return _reads(parse(str(node.value)))
    except ExpressionInvalid:  # that was found before
        return _OF_A_TICK


def _reads(source: Path | Expression) -> frozenset[str]:
    """The fields of `schedule` that it reads."""
    if isinstance(source, Path):
        return frozenset(source.fields[:1]) or _OF_A_TICK
    nodes = list(walk(source.tree))
    named = [name for name in map(_field, nodes) if name is not None]
    roots = sum(isinstance(node, Name) and node.name == "schedule" for node in nodes)
    return _OF_A_TICK if roots > len(named) else frozenset(named)


def _field(node: Tree) -> str | None:
    match node:
        case Select(operand=Name(name="schedule"), field=name):
            return name
        case Index(operand=Name(name="schedule"), key=Literal(kind="string", value=str(name))):
            return name
        case _:
            return None
