"""One value of a mapping against the Avro type of its field."""

from __future__ import annotations

from collections.abc import Mapping

from saga_coordinator.definitions.avro_types import AvroType, assignable
from saga_coordinator.definitions.cel_check import check_expression
from saga_coordinator.definitions.cel_types import UNKNOWN, CelType, from_avro, may_fit
from saga_coordinator.definitions.conversion import DoesNotFit, convert
from saga_coordinator.definitions.expressions import Expression, ExpressionInvalid, Path, is_expression, literal, parse
from saga_coordinator.definitions.finding import Report, shown
from saga_coordinator.definitions.scope_types import Sight, Wrong
from saga_coordinator.definitions.tree import Node


class ValueCheck:
    """Checks the values of one command."""

    def __init__(self, sight: Sight, report: Report, step: str | None) -> None:
        self.sight = sight
        self.report = report
        self._step = step

    def add(self, code: str, node: Node, message: str) -> None:
        self.report.add(code, node, message, step=self._step)

    def value(self, node: Node, target: AvroType | None, path: str) -> None:
        """Check a literal, path, expression, map or list.

        `target` None checks only what does not need a type.
        """
        if is_expression(node.value):
            self._computed(node, target, path)
        elif isinstance(node.value, Mapping):
            self._map(node, target, path)
        elif isinstance(node.value, tuple):
            self._list(node, target, path)
        else:
            self._literal(node, target, path)

    def source(self, node: Node) -> Path | Expression | None:
        """Parse a `${…}` and check what it names; None after a finding."""
        assert isinstance(node.value, str)
        try:
            source = parse(node.value)
        except ExpressionInvalid as problem:
            at = f" (character {problem.offset + 1})" if problem.offset else ""
            self.add("S215" if problem.too_large else "S203", node, f"{shown(node.value)}: {problem}{at}")
            return None
        return source

    def gives(self, source: Expression, node: Node) -> CelType:
        """What an expression gives; not known after a finding."""
        made, found = check_expression(source.tree, source.text, self.sight)
        for one in found:
            self.add(one.code, node, f"{one.message} (character {one.at + 3})")
        return UNKNOWN if found else made

    def _computed(self, node: Node, target: AvroType | None, path: str) -> None:
        source = self.source(node)
        if isinstance(source, Expression):
            made = self.gives(source, node)
            if target is not None:
                self._result(made, target, path, f"${{{shown(source.text)}}}", node)
        if not isinstance(source, Path):
            return
        try:
            end = self.sight.path_type(source)
        except Wrong as problem:
            self.add(problem.code, node, problem.message)
            return
        if end is not None and target is not None:
            text = f"${{{shown(source.text)}}}"
            if source.root == "schedule":  # its times go into times of any precision, as what is computed does
                self._result(from_avro(end, shown(source.text)), target, path, text, node)
                return
            check_source(end, target, path, text, node, self)
            if self.sight.skippable(source) and not target.nullable:
                message = f"{path} may not be null, {text} is when step {source.step} was skipped"
                self.add("S217", node, f'{message}; write ${{steps["{source.step}"].reply == null ? … : …}}')

    def _result(self, made: CelType, target: AvroType, path: str, text: str, node: Node) -> None:
        """Whether what an expression gives may go into a field."""
        wrong = [option for option in made.values if not may_fit(option, target)]
        if wrong:
            sometimes = "may be" if len(wrong) < len(made.values) else "is"
            self.add("S211", node, f"{path} is {target.described}, {text} {sometimes} {' or '.join(map(str, wrong))}")
        elif made.null is not None and not made.unknown and not target.nullable:
            self.add("S213", node, f"{path} may not be null, {text} may; make the field nullable, or give a default")

    def _literal(self, node: Node, target: AvroType | None, path: str) -> None:
        value = node.value
        if isinstance(value, str) and "${" in value and not value.startswith("$${"):
            message = f"{path}: only a whole value can be an expression, this is taken as text; write ${{'…' + string(input.x)}}"
            self.add("S214", node, f"{message}, or $${{ where text is meant")
        if target is None:
            return
        try:
            convert(literal(value), target, path)
        except DoesNotFit as problem:
            self.add("S212", node, f"{problem}; `{shown(value)}` is not" if value is not None else str(problem))

    def _map(self, node: Node, target: AvroType | None, path: str) -> None:
        assert isinstance(node.value, Mapping)
        records = [] if target is None else [option for option in target.options if option.kind == "record"]
        maps = [] if target is None else [option for option in target.options if option.kind == "map"]
        if target is not None and not records and not maps:
            self.add("S212", node, f"{path} is {target.described}; a map does not fit")
        record = records[0] if len(records) == 1 and not maps else None
        for name, entry in node.value.items():
            inner = maps[0].items if maps and not records else None
            if record is not None and name in record.fields:
                inner = record.fields[name].type
            elif record is not None:
                self.add(
                    "S208", entry.key, f"{record.name} has no field {shown(name)}; its fields are {', '.join(record.fields)}"
                )
            self.value(entry.node, inner, f"{path}.{name}")
        for name, field in record.fields.items() if record is not None else ():
            if name not in node.value and not field.has_default:
                self.add("S209", node, f"{path}.{name} gets no value and has no default; add `{name}: …`")

    def _list(self, node: Node, target: AvroType | None, path: str) -> None:
        assert isinstance(node.value, tuple)
        arrays = [] if target is None else [option for option in target.options if option.kind == "array"]
        if target is not None and not arrays:
            self.add("S212", node, f"{path} is {target.described}; a list does not fit")
        for index, inner in enumerate(node.value):
            self.value(inner, arrays[0].items if arrays else None, f"{path}[{index}]")


def check_source(source: AvroType, target: AvroType, path: str, text: str, node: Node, check: ValueCheck) -> None:
    """Whether what a path leads to may go into a field."""
    if not assignable(source, target):
        check.add("S211", node, f"{path} is {target.described}, {text} is {source.described}")
    elif source.nullable and not target.nullable:
        check.add(
            "S213", node, f"{path} may not be null, {text} may; make the field nullable, or give a default in an expression"
        )
