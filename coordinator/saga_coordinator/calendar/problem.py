"""One thing that is wrong with a calendar."""

from __future__ import annotations

from saga_schemas.record_class import record

Path = tuple[str | int, ...]


@record
class Problem:
    """What is wrong, and where."""

    path: Path
    """From the calendar's own keys: `("cron", 0)`; empty for the calendar as a whole."""
    code: str
    """One of `definitions.CODES`."""
    message: str
    warning: bool
    """It may be so on purpose; whoever says `--yes` has it."""


class CalendarInvalid(ValueError):
    """A calendar that cannot tick; `problems` has all that is wrong with it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems
