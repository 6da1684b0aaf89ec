"""A start of a schedule's next tick, made and thrown away: what types cannot tell shows before it
happens at night."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from saga_coordinator.calendar.tick import Cursor
from saga_coordinator.definitions.compile import CompiledDefinition
from saga_coordinator.definitions.finding import Report
from saga_coordinator.definitions.tree import Node
from saga_coordinator.engine.definition import MappingFailed
from saga_coordinator.schedules.program import Moment, ScheduleProgram

_SECOND_US: Final = 1_000_000
_DAY_US: Final = 24 * 3_600 * _SECOND_US


def check_trial(
    program: ScheduleProgram, compiled: CompiledDefinition, now_us: int, places: tuple[Node, Node], report: Report
) -> None:
    """Make the input, the key and the labels of the first tick and of one that follows another.

    `places`: where the file says the input, and the key.
    """
    tick = program.calendar.next(Cursor(after_us=now_us))
    at_us = tick.at_us if tick is not None else now_us // _SECOND_US * _SECOND_US
    found: dict[tuple[str, int], Node] = {}
    for previous_us in (None, at_us - _DAY_US):
        moment = Moment(name=program.document.schedule, at_us=at_us, previous_us=previous_us)
        place = places[0]
        try:
            framed = program.input_of(compiled, moment)
            compiled.business_key(framed)
            compiled.labels(framed)
            place = places[1]
            program.key_of(moment)
        except MappingFailed as failure:
            place = _field(place, compiled.input_schema.full_name, failure.detail)
            found.setdefault((failure.detail, place.line), place)
    for (detail, _), place in found.items():
        report.add("S312", place, f"the next tick could not start: {detail}")


def _field(given: Node, record: str, detail: str) -> Node:
    """The value of the field that a failure names, where the file says it."""
    path = detail.removeprefix(f"{record}.")
    if path == detail or not isinstance(given.value, Mapping):
        return given
    named = re.split(r"[.\[ ]", path, maxsplit=1)[0]
    return given.value[named].node if named in given.value else given
