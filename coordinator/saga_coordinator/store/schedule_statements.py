"""The statements that a turn of many schedules runs: one text each, for both databases, with all
rows at once (see `statements.py`).
"""

from __future__ import annotations

from typing import Final

from saga_coordinator.store.schedule_rows import SCHEDULES, TICKS
from saga_coordinator.store.statements import Statement, inputs_of, insertion

_TICK: Final = ", ".join(TICKS.columns)
_TICK_CHANGES: Final = ", ".join(f"{name} = excluded.{name}" for name in TICKS.columns if name not in ("schedule_id", "at"))
_SCHEDULE: Final = tuple(name for name in SCHEDULES.columns if name not in ("tenant", "name", "created_at"))

# Ticks that are decided, and those of which more is known by now.
PUT_TICK: Final = insertion("schedule_tick", _TICK, f"ON CONFLICT (schedule_id, at) DO UPDATE SET {_TICK_CHANGES}")

# A schedule as it stands after a turn or an act. Its transaction has locked it.
PUT_SCHEDULE: Final = Statement(
    "schedule",
    f"UPDATE schedule SET {', '.join(f'{name} = i.{name}' for name in _SCHEDULE if name != 'id')}"
    " FROM {rows} WHERE schedule.id = i.id",
    inputs_of("schedule", ", ".join(_SCHEDULE)),
)
SCHEDULE_INPUTS: Final = tuple(SCHEDULES.columns.index(name) for name in _SCHEDULE)
"""Where the values of PUT_SCHEDULE stand among those of a row."""
