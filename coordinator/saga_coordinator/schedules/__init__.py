"""Schedules: sagas that are started when a calendar says so, exactly once a tick.

`document.py` is what a schedule says, `lint.py` checks it, `builder.py` makes it in Python,
`program.py` makes of a tick what a start needs, `deciding.py` decides about a tick (pure),
`turn.py` does what one schedule is due, in one transaction, `acts.py` is what people do. The loop
is `loops/schedules.py`.
"""

from saga_coordinator.schedules.builder import Allow, Every, Exclude, Missed, QueueAll, Schedule
from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.schedules.findings import DaysLint, ScheduleInvalid, ScheduleLint
from saga_coordinator.schedules.json_schema import days_json_schema, schedule_json_schema
from saga_coordinator.schedules.lint import lint_days, lint_schedule, lint_schedule_document

__all__ = [
    "Allow",
    "DaysLint",
    "Every",
    "Exclude",
    "Missed",
    "QueueAll",
    "Schedule",
    "ScheduleDocument",
    "ScheduleInvalid",
    "ScheduleLint",
    "days_json_schema",
    "lint_days",
    "lint_schedule",
    "lint_schedule_document",
    "schedule_json_schema",
]
