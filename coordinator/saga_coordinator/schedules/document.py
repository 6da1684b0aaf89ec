"""The canonical document of a schedule: what is stored, as one version of it.

JSON with sorted keys, durations in milliseconds, every default written out, `format: 1`. The models
check shape only: whether it makes sense is for `lint.py`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, JsonValue, ValidationError

from saga_coordinator.calendar.document import CalendarDocument, Part, Words
from saga_coordinator.definitions.document import MAX_VERSION, DocumentInvalid, Duration, Name, canonical_json

MAX_SCHEDULE_BYTES: Final = 64 * 1024
MAX_AT_ONCE: Final = 100
"""Sagas of one schedule that may run, and ticks that may be queued."""

OverlapPolicy = Literal["skip", "queue_one", "queue_all", "allow", "cancel_other", "terminate_other"]
MissedPolicy = Literal["skip", "run_one", "run_all"]


class OverlapDocument(Part):
    """What becomes of a tick while a saga of the schedule is open."""

    policy: OverlapPolicy
    limit: Annotated[int, Field(ge=1, le=MAX_AT_ONCE)]
    """Of `queue_all`: ticks that wait; of `allow`: sagas that run at a time. 1 with the others."""


class MissedDocument(Part):
    """What becomes of ticks that nobody decided in time, after downtime or a pause."""

    policy: MissedPolicy
    grace_ms: Duration
    """A tick that is decided within this time is late, not missed."""
    window_ms: Duration
    """Missed ticks that are older never run."""


class ScheduleDocument(Part):
    """A whole schedule."""

    format: Literal[1]
    schedule: Name
    definition: Name
    definition_version: Annotated[int, Field(ge=1, le=MAX_VERSION)] | None
    """None: the version that is active at the tick."""
    calendar: CalendarDocument
    runs: Annotated[int, Field(ge=1)] | None
    """After so many ticks that fired it ends."""
    input: dict[str, JsonValue]
    """Literals and `${…}` over `schedule.{name,tick,scheduled_for,previous}`."""
    key: str | None
    """None: `<schedule>@<tick>`, or what the definition computes where it has a key."""
    overlap: OverlapDocument
    missed: MissedDocument
    pause_after_failures: Annotated[int, Field(ge=1, le=1_000)] | None
    """So many COMPENSATED or FORCED sagas in a row pause it."""
    expect_success_ms: Duration | None
    """An alert stands once no saga of it has COMPLETED for so long."""
    note: Words

    @property
    def canonical(self) -> str:
        """The text that is stored."""
        return canonical_json(self.model_dump(mode="json")).decode()

    @classmethod
    def parse(cls, text: str | bytes) -> ScheduleDocument:
        """Read a stored document. Raises DocumentInvalid."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as problem:
            first = problem.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise DocumentInvalid(f"not a canonical schedule of format 1: {where}: {first['msg']}") from None
