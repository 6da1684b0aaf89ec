"""A schedule, ready to run: its calendar, and what it makes of a tick, the input and the key of a
start.

Compiled once for a version of the document, rendered at each tick. The same tick gives the same
bytes: nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from saga_coordinator.calendar.calendar import Calendar, calendar_of
from saga_coordinator.calendar.document import DayCalendarDocument
from saga_coordinator.definitions.avro_types import NULL, STRING, AvroType, Field, TypeUnknown, type_of
from saga_coordinator.definitions.compile import CompiledDefinition, CompileFailed, key_text
from saga_coordinator.definitions.conversion import DoesNotFit, convert
from saga_coordinator.definitions.expressions import ExpressionInvalid
from saga_coordinator.definitions.values import Value, compile_value
from saga_coordinator.engine.definition import MappingFailed
from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.schedules.tick_names import tick_text
from saga_schemas import codec
from saga_schemas.errors import EncodingFailed
from saga_schemas.record_class import record
from saga_schemas.schema import Schema
from saga_schemas.times import to_datetime

_WRONG_TYPE: Final = "wrong_type"
_TIMESTAMP: Final = AvroType(kind="long", logical="timestamp-micros")
_FIELDS: Final = {
    "name": STRING,
    "tick": STRING,
    "scheduled_for": _TIMESTAMP,
    "previous": AvroType(kind="union", branches=(NULL, _TIMESTAMP)),
}
SCHEDULE: Final = AvroType(
    kind="record",
    name="schedule",
    fields={name: Field(name=name, type=type_, has_default=False) for name, type_ in _FIELDS.items()},
)
"""The type of `schedule` in the expressions of a schedule."""


@record
class Moment:
    """A tick that fires, as the expressions of its schedule see it."""

    name: str
    """The schedule's."""
    at_us: int
    previous_us: int | None
    """The tick that fired before; None: this is the first."""

    @property
    def scope(self) -> dict[str, Any]:
        """What expressions read: `schedule` alone."""
        schedule = {
            "name": self.name,
            "tick": tick_text(self.at_us),
            "scheduled_for": to_datetime(self.at_us),
            "previous": None if self.previous_us is None else to_datetime(self.previous_us),
        }
        return {"schedule": schedule, "input": {}, "steps": {}, "saga": {}}


@record
class ScheduleProgram:
    """One version of a schedule."""

    document: ScheduleDocument
    calendar: Calendar
    _input: Mapping[str, Value]
    _key: Value | None

    def input_of(self, compiled: CompiledDefinition, moment: Moment) -> bytes:
        """The input of the saga that this tick starts, framed under the schema that the definition
        pins.

        Raises MappingFailed: it names a field, never a value.
        """
        schema = compiled.input_schema
        target = _type_of(schema)
        unknown = next((name for name in self._input if name not in target.fields), None)
        if unknown is not None:
            raise MappingFailed(_WRONG_TYPE, f"{schema.full_name} has no field {unknown}")
        scope = moment.scope
        try:
            value = convert({name: one.make(scope) for name, one in self._input.items()}, target, schema.full_name)
            return codec.encode(schema, value)
        except DoesNotFit as problem:
            raise MappingFailed(_WRONG_TYPE, str(problem)) from None
        except EncodingFailed as problem:
            raise MappingFailed("encoding_failed", str(problem)) from problem

    def key_of(self, moment: Moment) -> str | None:
        """The business key that the schedule says; None: it says none. Raises MappingFailed."""
        return None if self._key is None else key_text(self._key.make(moment.scope))


def without_ticks(document: ScheduleDocument) -> ScheduleProgram:
    """The program of a schedule whose calendar cannot be followed any more: it never ticks."""
    calendar = Calendar(name=document.schedule, sources=(), start_us=None, end_us=None, jitter_ms=0)
    return ScheduleProgram(document=document, calendar=calendar, _input={}, _key=None)


def program_of(document: ScheduleDocument, days: Mapping[str, DayCalendarDocument]) -> ScheduleProgram:
    """Compile a schedule.

    Args:
        document: What `lint` let pass.
        days: The stored calendars of days, by name.

    Raises:
        CalendarInvalid: Its calendar cannot be followed: a zone or a calendar of days is gone.
        CompileFailed: An expression is none.
    """
    calendar = calendar_of(document.calendar, document.schedule, days)
    try:
        made = {name: compile_value(raw) for name, raw in document.input.items()}
        key = None if document.key is None else compile_value(document.key)
    except ExpressionInvalid as problem:
        raise CompileFailed(f"schedule {document.schedule}: {problem}") from problem
    return ScheduleProgram(document=document, calendar=calendar, _input=made, _key=key)


@lru_cache(maxsize=1024)
def _type_of(schema: Schema) -> AvroType:
    """Raises MappingFailed."""
    try:
        return type_of(schema)
    except TypeUnknown as problem:
        raise MappingFailed(_WRONG_TYPE, f"{schema.full_name}: {problem}") from problem
