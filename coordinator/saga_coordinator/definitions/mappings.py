"""Records, replies and mappings against the schemas (findings S2xx).

Paths and expressions are type-checked as far as types are known. A record that is not known costs
one finding: what is mapped to it is still checked as far as it can be.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from saga_coordinator.definitions.avro_types import AvroType, TypeUnknown, type_of
from saga_coordinator.definitions.conditions import check_key, check_label, check_when, implies, shown_by
from saga_coordinator.definitions.draft import Draft, DraftCommand, DraftStep, Given
from saga_coordinator.definitions.finding import Report, shown
from saga_coordinator.definitions.graph import Graph
from saga_coordinator.definitions.records import REPLY_ATTRIBUTE
from saga_coordinator.definitions.scope_types import Reply, Sight
from saga_coordinator.definitions.value_check import ValueCheck, check_source
from saga_schemas.catalog import Catalog


def check_mappings(draft: Draft, graph: Graph, catalog: Catalog, report: Report) -> dict[int, str | None]:
    """Check everything that touches a schema.

    Gives the resolved reply record of each step by its index.
    """
    return _Mappings(draft, graph, catalog, report).check()


class _Mappings:
    def __init__(self, draft: Draft, graph: Graph, catalog: Catalog, report: Report) -> None:
        self._draft = draft
        self._graph = graph
        self._catalog = catalog
        self._report = report
        self._types: dict[str, AvroType | None] = {}
        self._replies: dict[int, str | None] = {}
        self._problems: dict[int, str | None] = {}

    def check(self) -> dict[int, str | None]:
        draft = self._draft
        input_type = self._record(draft.input, None)
        at_start = Sight(input=input_type, replies={}, has_key=True, input_only=True)
        if draft.key is not None:
            check_key(draft.key, at_start, self._report)
        for name, entry in draft.labels.items():
            check_label(name, entry.node, at_start, self._report)
        for step in draft.steps:
            self._resolve_reply(step)
        for step in draft.steps:
            self._check_step(step, input_type)
        return self._replies

    def _record(self, given: Given[str] | None, step: str | None) -> AvroType | None:
        """The type of a record that is named; a finding when it is not known."""
        if given is None:
            return None
        found = self._lookup(given.value)
        if found is None:
            close = difflib.get_close_matches(given.value, [schema.full_name for schema in self._catalog], n=1)
            cure = f"did you mean {close[0]}?" if close else f"add {given.value}.avsc to the schemas"
            self._report.add("S201", given.node, f"no schema of a record {shown(given.value)}; {cure}", step=step)
        return found

    def _lookup(self, name: str) -> AvroType | None:
        if name not in self._types:
            schema = self._catalog.latest(name)
            try:
                self._types[name] = None if schema is None else type_of(schema)
            except TypeUnknown:
                self._types[name] = None
        return self._types[name]

    def _resolve_reply(self, step: DraftStep) -> None:
        """`reply:`, else the attribute of the command's schema, else none."""
        record: str | None = None
        problem: str | None = None
        command = None if step.action.record is None else self._catalog.latest(step.action.record.value)
        if step.reply is not None:
            record = step.reply.value
            self._record(step.reply, step.label)
        elif command is not None:
            attribute = command.document.get(REPLY_ATTRIBUTE)
            if attribute is None:
                problem = f"the record {step.label} replies with is not known; add `reply: <record>` to it"
            elif not isinstance(attribute, str) or self._lookup(attribute) is None:
                message = f"{command.full_name} is answered with {shown(attribute)}, of which there is no schema"
                self._report.add("S201", step.action.node, message, step=step.label)
            else:
                record = attribute
        self._replies[step.index] = record
        self._problems[step.index] = problem

    def _check_step(self, step: DraftStep, input_type: AvroType | None) -> None:
        action = self._record(step.action.record, step.label)
        sight = self._sight(step, input_type, undoing=False)
        if step.when is not None:
            check_when(step.when, sight, self._report, step.label)
        known = shown_by(step.when, sight)
        check = ValueCheck(replace(sight, known=known), self._report, step.label)
        self._check_command(step.action, action, check, {"input": input_type})
        if step.compensation is not None:
            undo = self._record(step.compensation.record, step.label)
            seen = replace(self._sight(step, input_type, undoing=True), known=known)
            check = ValueCheck(seen, self._report, step.label)
            self._check_command(step.compensation, undo, check, {"action's command": action, "input": input_type})

    def _sight(self, step: DraftStep, input_type: AvroType | None, *, undoing: bool) -> Sight:
        """What a step may read: the replies of those before it, and undoing it, its own."""
        replies = _RepliesSeen(self._graph.by_name, lambda index: self._reply_seen(step, index, undoing))
        return Sight(input=input_type, replies=replies, has_key=self._draft.key is not None)

    def _reply_seen(self, step: DraftStep, index: int, undoing: bool) -> Reply:
        other = self._draft.steps[index]
        record = self._replies[index]
        same_when = other.when is not None and step.when is not None and implies(step.when.value, other.when.value)
        return Reply(
            type=None if record is None else self._lookup(record),
            problem=self._problems[index],
            there=self._graph.unsure[step.index] or self._graph.is_before(index, step.index) or (undoing and index == step.index),
            may_be_skipped=other.when is not None and index != step.index and not same_when,
        )

    def _check_command(
        self, command: DraftCommand, record: AvroType | None, check: ValueCheck, sources: dict[str, AvroType | None]
    ) -> None:
        for name, entry in command.mapping.items():
            if record is None:
                check.value(entry.node, None, name)
            elif name in record.fields:
                check.value(entry.node, record.fields[name].type, f"{record.name}.{name}")
            else:
                close = difflib.get_close_matches(name[:64], list(record.fields), n=1)
                cure = f"did you mean {close[0]}?" if close else f"its fields are {', '.join(record.fields)}"
                check.add("S208", entry.key, f"{record.name} has no field {shown(name)}; {cure}")
                check.value(entry.node, None, name)
        if record is not None and command.mapping_readable:
            self._check_same_named(command, record, check, sources)

    def _check_same_named(
        self, command: DraftCommand, record: AvroType, check: ValueCheck, sources: dict[str, AvroType | None]
    ) -> None:
        """Fields without a mapping.

        From the first source that has one of that name, else the default.
        """
        for name, field in record.fields.items():
            if name in command.mapping:
                continue
            holder = next((one for one in sources if (found := sources[one]) is not None and name in found.fields), None)
            if holder is not None:
                source = sources[holder]
                assert source is not None
                text = f"the {holder}'s {name}"
                check_source(source.fields[name].type, field.type, f"{record.name}.{name}", text, command.node, check)
            elif not field.has_default and None not in sources.values():
                message = (
                    f"{record.name}.{name} gets no value: it is no field of the {' or the '.join(sources)}, has no default; "
                )
                check.add("S209", command.node, message + f"add it to `with: {{{name}: …}}`")


class _RepliesSeen(Mapping[str, Reply]):
    """Replies by step, made when asked for: each of a thousand steps sees a thousand others and
    reads few.
    """

    def __init__(self, by_name: Mapping[str, int], make: Callable[[int], Reply]) -> None:
        self._by_name = by_name
        self._make = make

    def __getitem__(self, name: str) -> Reply:
        return self._make(self._by_name[name])

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)
