"""From a checked document and its schemas to the definition the engine runs.

Here expressions become programs and schemas become readers: what the engine sees afterwards is
`Message.render` and `Condition.holds`. A document that `lint` passed compiles; anything else raises
CompileFailed with one line why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from heapq import heappop, heappush
from typing import Any, Final

from saga_coordinator.definitions.avro_types import Field, TypeUnknown, default_value, type_of
from saga_coordinator.definitions.document import CompensationDocument, Document, RetryPolicy, StepDocument
from saga_coordinator.definitions.expressions import ExpressionInvalid
from saga_coordinator.definitions.messages import CommandMessage, FieldSource, Predicate, Replies, read_input, take_input
from saga_coordinator.definitions.records import records_reached
from saga_coordinator.definitions.values import Default, SameName, Value, compile_value
from saga_coordinator.engine.definition import CommandSpec, Definition, MappingFailed, Retry, Step, StepKind, Timing
from saga_schemas.catalog import Catalog
from saga_schemas.headers import StartHeaders
from saga_schemas.ids import TEXT_RULE, valid_business_key
from saga_schemas.inbound import Envelope, StartPayload
from saga_schemas.labels import LabelInvalid, LabelValue, labels_of
from saga_schemas.schema import Schema

KEY_INVALID: Final = "key_invalid"
LABEL_INVALID: Final = "label_invalid"


class CompileFailed(ValueError):
    """The document and the schemas at hand do not make a definition.

    The message says what is missing.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledDefinition:
    """A definition ready to run, with what the service around the engine needs to know about it."""

    definition: Definition
    document: Document
    input_schema: Schema
    reader_schemas: Mapping[str, Schema]
    """By full name: every record the definition reaches, as pinned."""
    _replies: Mapping[str, str | None]
    _key: Value | None
    _labels: Mapping[str, Value]
    _catalog: Catalog = dataclass_field(repr=False, compare=False)

    @property
    def has_key(self) -> bool:
        """Whether the definition computes its business key."""
        return self._key is not None

    def reply_schema(self, step: str) -> Schema | None:
        """What a SUCCEEDED reply of this step is read as; None: its payload is not read.

        Raises KeyError for an unknown step.
        """
        record = self._replies[step]
        return None if record is None else self.reader_schemas[record]

    def take_input(self, start: Envelope[StartHeaders], catalog: Catalog) -> StartPayload:
        """The input of a start, untrusted, under its pinned schema.

        `catalog` knows the writers. Raises BadMessage.
        """
        return take_input(start, catalog, self.input_schema)

    def business_key(self, input_value: bytes | Mapping[str, Any]) -> str | None:
        """The key of an input, framed or decoded; None where the definition has no `key:`.

        Raises MappingFailed.
        """
        if self._key is None:
            return None
        return key_text(self._key.make({"input": self._input(input_value), "steps": {}, "saga": {}}))

    def labels(self, input_value: bytes | Mapping[str, Any]) -> dict[str, LabelValue]:
        """The labels that the definition computes of an input, framed or decoded.

        Raises MappingFailed.
        """
        if not self._labels:
            return {}
        scope = {"input": self._input(input_value), "steps": {}, "saga": {}}
        try:
            return labels_of({name: value.make(scope) for name, value in self._labels.items()})
        except LabelInvalid as wrong:
            raise MappingFailed(LABEL_INVALID, f"labels: {wrong}") from None

    def _input(self, value: bytes | Mapping[str, Any]) -> Any:
        return read_input(value, self._catalog, self.input_schema) if isinstance(value, bytes) else value


def compile_definition(document: Document, catalog: Catalog, *, pinned: Mapping[str, Schema] | None = None) -> CompiledDefinition:
    """Compile.

    `pinned` are the reader schemas a stored definition was registered with; without it the newest
    are taken.

    Raises CompileFailed.
    """
    schemas = {name: _schema(name, catalog, pinned) for name in records_reached(document)}
    try:
        return _Compiler(document, schemas).compiled()
    except (ExpressionInvalid, TypeUnknown) as problem:
        raise CompileFailed(f"{document.saga}@{document.version}: {problem}") from problem


def _schema(name: str, catalog: Catalog, pinned: Mapping[str, Schema] | None) -> Schema:
    found = catalog.latest(name) if pinned is None else pinned.get(name)
    if found is None:
        raise CompileFailed(f"no schema of record {name}; add {name}.avsc to the schemas")
    return found


class _Compiler:
    def __init__(self, document: Document, schemas: Mapping[str, Schema]) -> None:
        self._document = document
        self._schemas = schemas
        self._types = {name: type_of(schema) for name, schema in schemas.items()}
        self._catalog = Catalog()
        for schema in schemas.values():
            self._catalog.add(schema)
        self._reply_schemas = {step.name: schemas[step.reply] for step in document.steps if step.reply is not None}

    def compiled(self) -> CompiledDefinition:
        document = self._document
        steps = tuple(self._step(step) for step in in_topological_order(document.steps))
        needed: set[str] = set()
        for step in steps:
            needed |= step.action.message.reads
            needed |= step.when.reads if step.when else frozenset()
            needed |= step.compensation.message.reads if step.compensation else frozenset()
        return CompiledDefinition(
            definition=Definition(
                name=document.saga,
                version=document.version,
                hash=document.hash,
                deadline_ms=document.deadline_ms,
                steps=tuple(replace(step, reply_needed=step.name in needed) for step in steps),
            ),
            document=document,
            input_schema=self._schemas[document.input],
            reader_schemas=self._schemas,
            _replies={step.name: step.reply for step in document.steps},
            _key=None if document.key is None else compile_value(document.key),
            _labels={name: compile_value(value) for name, value in (document.labels or {}).items()},
            _catalog=self._catalog,
        )

    def _step(self, step: StepDocument) -> Step:
        return Step(
            name=step.name,
            kind=StepKind(step.kind),
            participant=step.participant,
            after=step.after,
            when=None if step.when is None else Predicate(compile_value(step.when), self._replies_of()),
            action=CommandSpec(message=self._message(step), retry=_retry(step.retry)),
            compensation=None if step.compensation is None else self._undo(step, step.compensation),
            timing=Timing(
                step_ms=step.timeout.step_ms,
                reask_ms=step.timeout.reask_ms,
                reask_cap_ms=step.timeout.reask_cap_ms,
                heartbeat_ms=step.timeout.heartbeat_ms,
                attention_ms=step.timeout.attention_ms,
                expiry_ms=step.timeout.expiry_ms,
            ),
            reply_needed=False,
        )

    def _undo(self, step: StepDocument, undo: CompensationDocument) -> CommandSpec:
        return CommandSpec(message=self._message(undo, action=step), retry=_retry(undo.retry))

    def _message(self, command: StepDocument | CompensationDocument, action: StepDocument | None = None) -> CommandMessage:
        """The command of a step, or of the compensation of `action`."""
        made = [
            FieldSource(name=name, type=one.type, value=value)
            for name, one in self._types[command.command].fields.items()
            for value in (self._source(one, command.mapping, action),)
        ]
        return CommandMessage(
            schema=self._schemas[command.command],
            fields=tuple(made),
            reads=frozenset().union(*(one.value.reads for one in made)),
            replies=self._replies_of(None if action is None else action.command),
        )

    def _source(self, field: Field, mapping: Mapping[str, Any], action: StepDocument | None) -> Value:
        """Where a field comes from. Raises CompileFailed."""
        name = field.name
        if name in mapping:
            return compile_value(mapping[name])
        if action is not None and name in self._types[action.command].fields:
            return SameName("command", name)
        if name in self._types[self._document.input].fields:
            return SameName("input", name)
        if not field.has_default:
            raise CompileFailed(f"field {name} gets no value: name it in `with:`, or give it a default in its schema")
        return Default(default_value(field.type, field.default))

    def _replies_of(self, action_command: str | None = None) -> Replies:
        return Replies(
            catalog=self._catalog,
            input=self._schemas[self._document.input],
            replies=self._reply_schemas,
            command=None if action_command is None else self._schemas[action_command],
        )


def in_topological_order(steps: tuple[StepDocument, ...]) -> list[StepDocument]:
    """Each step after those it depends on, else as written.

    Raises CompileFailed on a cycle or an unknown step.
    """
    places = {step.name: place for place, step in enumerate(steps)}
    dependents: dict[str, list[int]] = {step.name: [] for step in steps}
    waiting = [len(set(step.after)) for step in steps]
    for place, step in enumerate(steps):
        for name in set(step.after):
            if name not in places:
                raise CompileFailed(f"step {step.name} is after {name}, which is no step")
            dependents[name].append(place)
    ready = [place for place, count in enumerate(waiting) if count == 0]
    ordered: list[StepDocument] = []
    while ready:
        step = steps[heappop(ready)]
        ordered.append(step)
        for place in dependents[step.name]:
            waiting[place] -= 1
            if waiting[place] == 0:
                heappush(ready, place)
    if len(ordered) != len(steps) or len(places) != len(steps):
        raise CompileFailed("the steps depend on each other in a circle, or two have one name")
    return ordered


def _retry(policy: RetryPolicy) -> Retry:
    return Retry(
        attempts=policy.attempts,
        first_ms=policy.first_ms,
        factor=policy.factor,
        cap_ms=policy.cap_ms,
        jitter=policy.jitter,
        never=frozenset(policy.never),
    )


def key_text(value: Any) -> str:
    """A business key: text, a whole number or a UUID, by the rule that given keys and look-ups keep
    too.
    """
    if value is None or isinstance(value, (bool, float, bytes, Mapping, list)):
        raise MappingFailed(KEY_INVALID, "key: the input gives no text, whole number or UUID")
    text = str(value)
    if not valid_business_key(text):
        raise MappingFailed(KEY_INVALID, f"key: must be {TEXT_RULE}")
    return text
