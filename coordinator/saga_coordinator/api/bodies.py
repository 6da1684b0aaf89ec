"""What requests may say: strict models, unknown fields refused, every text and list bounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from saga_coordinator.batches.jobs import RATE, RATE_MOST
from saga_coordinator.definitions.document import (
    MAX_ATTEMPTS,
    MAX_DURATION_MS,
    MAX_RECORD_NAME,
    MAX_VERSION,
    NAME_PATTERN,
    RECORD_PATTERN,
)
from saga_coordinator.engine.state import Phase
from saga_coordinator.query.parsing import MAX_CHARS
from saga_coordinator.registry.registration import MAX_SCHEMAS
from saga_coordinator.starts.requests import OnClosed, OnOpen
from saga_coordinator.store.schedule_records import ScheduleStatus
from saga_coordinator.views.preview import PreviewedAct
from saga_schemas.ids import TEXT_RULE, valid_business_key
from saga_schemas.limits import LABELS

REASON_CHARS: Final = 1_000
PAGE_MOST: Final = 500
PAGE: Final = 50
CURSOR_CHARS: Final = 256
TICKS_MOST: Final = 1_000
"""Ticks to come that one request asks for."""
PER_MINUTE_MOST: Final = 6_000


def _text(text: str) -> str:
    if not valid_business_key(text):
        raise ValueError(TEXT_RULE)
    return text


def _prose(most: int) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not text.strip() or len(text) > most or not text.replace("\n", "").isprintable():
            raise ValueError(f"1 to {most} printable characters")
        return text

    return check


Name = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$", max_length=63)]
Key = Annotated[str, AfterValidator(_text)]
Reason = Annotated[str, AfterValidator(_prose(REASON_CHARS)), Field(max_length=REASON_CHARS)]
Version = Annotated[int, Field(ge=1, le=MAX_VERSION)]
Subject = Annotated[str, AfterValidator(_text)]
StartAt = Annotated[str, Field(max_length=64)]
StartIn = Annotated[str, Field(max_length=20)]
RecordName = Annotated[str, Field(pattern=f"^{RECORD_PATTERN}$", max_length=MAX_RECORD_NAME)]


_Moment = Annotated[str, Field(max_length=40)]
_Overlap = Annotated[str, Field(max_length=40)]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class StartBody(_Body):
    """Start one saga."""

    definition: Name
    version: Version | None = Field(None, description="the active one when absent")
    input: dict[str, Any] = Field(description="plain JSON of the definition's input record")
    key: Key | None = Field(None, description="business key; a definition with `key:` computes it")
    labels: Annotated[dict[str, Any], Field(max_length=LABELS)] = Field(
        {}, description="what the saga is found by: texts, numbers, true, false; docs/queries.md"
    )
    on_open: OnOpen = "return_existing"
    on_closed: OnClosed = "reject"
    start_at: StartAt | None = Field(
        None, description="when it begins, RFC 3339, at most 366 days ahead; at once when absent or past"
    )
    start_in: StartIn | None = Field(None, description="the same as a duration from now: 500ms, 30s, 10m, 2h, 1d")

    def asked(self) -> dict[str, Any]:
        """What a repeat of the same request says: what it leaves out as before there was any."""
        left_out = {name for name in ("labels", "start_at", "start_in") if not getattr(self, name)}
        return self.model_dump(mode="json", exclude=left_out)


class ActBody(_Body):
    """Why, and who says so."""

    reason: Reason
    actor: Key = "anonymous"


_Duration = Annotated[int, Field(ge=1, le=MAX_DURATION_MS)]
_Attempts = Annotated[int, Field(ge=1, le=MAX_ATTEMPTS)]


class LimitsBody(ActBody):
    """Limits of one step of one saga; those that are absent stay."""

    attempts: Annotated[int, Field(ge=0, le=MAX_ATTEMPTS)] | None = Field(
        None, description="FAILED answers that spend the retries; 0: without end, past the pivot only"
    )
    undo_attempts: _Attempts | None = Field(None, description="the same of its compensation")
    cap_ms: _Duration | None = Field(None, description="longest wait between two attempts")
    step_ms: Annotated[int, Field(ge=0, le=MAX_DURATION_MS)] | None = Field(
        None, description="from first asked to answered; 0: no limit"
    )
    reask_ms: _Duration | None = Field(None, description="when it is asked again for the first time")
    reask_cap_ms: _Duration | None = Field(None, description="longest wait between two questions")
    attention_ms: _Duration | None = Field(None, description="silence after which a person is asked for")

    @property
    def changes(self) -> dict[str, int]:
        """By name, those that are given."""
        given = self.model_dump(exclude={"reason", "actor"})
        return {name: value for name, value in given.items() if value is not None}


class StartTimeBody(ActBody):
    """When a saga that has not begun is to begin: one of the two."""

    start_at: StartAt | None = Field(None, description="RFC 3339, at most 366 days ahead; at once where that has passed")
    start_in: StartIn | None = Field(None, description="a duration from now: 500ms, 30s, 10m, 2h, 1d")


class WaiveBody(_Body):
    """On what evidence a step is waived."""

    evidence: Reason
    reason: Reason | None = None
    actor: Key = "anonymous"
    unsafe: bool = Field(False, description="do not ask the participant first")


class UndoBody(ActBody):
    """By which definition an effect is undone."""

    definition: Name
    version: Version | None = Field(None, description="the active one when absent")
    command: dict[str, Any] = Field(default={}, description="fields of the compensation, before what the participant's row holds")


class AdoptBody(ActBody):
    """What a lost saga was started with."""

    definition: Name
    version: Version | None = Field(None, description="the active one when absent")
    input: dict[str, Any] = Field(description="plain JSON of the definition's input record")


class PurgeBody(_Body):
    """Which finished sagas are removed, who says so, and why."""

    definition: Name
    version: Version | None = Field(None, description="all versions when absent")
    before: Annotated[str, Field(max_length=40)] = Field(description="sagas that ended before then: a time or an age, as 90d")
    dry_run: bool = Field(False, description="only say what there is")
    reason: Reason
    actor: Key = "anonymous"


class BatchBody(ActBody):
    """Which sagas, what is done to each, and how fast."""

    act: Annotated[str, Field(max_length=40)]
    query: Annotated[str, Field(max_length=MAX_CHARS)] = Field(description="as lists take it: docs/queries.md")
    rate: Annotated[int, Field(ge=1, le=RATE_MOST)] = Field(RATE, description="sagas a second, at most")
    dry_run: bool = Field(False, description="only say what there is, and what the act would do to some of it")


class RedriveBody(ActBody):
    """Why, and who says so."""

    again: bool = Field(False, description="also a letter that was sent again before, or may have been")


class ViewBody(_Body):
    """What a saved view asks for and shows, and who saves it."""

    query: Annotated[str, Field(max_length=MAX_CHARS)] = ""
    columns: Annotated[list[str], Field(max_length=20)] = []
    reason: Reason | None = None
    actor: Key = "anonymous"


class ActivateBody(_Body):
    """Who and why, for the audit; may be absent."""

    reason: Reason | None = None
    actor: Key = "anonymous"


class DefinitionBody(_Body):
    """A definition with the schemas of the records it reaches."""

    document: str | dict[str, Any] = Field(description="the YAML text, or a canonical document")
    schemas: list[dict[str, Any]] = Field(default=[], max_length=MAX_SCHEMAS)
    file: Key = Field("definition", description="the name findings show")
    reason: Reason | None = None
    actor: Key = "anonymous"


class ScheduleBody(_Body):
    """A schedule, who says so, and why."""

    document: str | dict[str, Any] = Field(description="the YAML text, or the same as JSON")
    file: Key = Field("schedule", description="the name findings show")
    reason: Reason | None = None
    actor: Key = "anonymous"
    yes: bool = Field(False, description="also with warnings that ask whether it is meant so")


class ScheduleUpdateBody(ScheduleBody):
    """What it is from now on."""

    version: Version | None = Field(None, description="that the caller has seen; refused where it has another by now")


class SchedulePreviewBody(_Body):
    """A schedule that is not created."""

    document: str | dict[str, Any] = Field(description="the YAML text, or the same as JSON")
    file: Key = Field("schedule", description="the name findings show")
    count: Annotated[int, Field(ge=0, le=TICKS_MOST)] = Field(10, description="of its ticks, at most")
    begin: _Moment | None = Field(None, alias="from", description="the first instant that counts; now when absent")


class TriggerBody(ActBody):
    """Why it runs now, and who says so."""

    overlap: _Overlap | None = Field(None, description="`skip`, `queue_all:10`, …; the schedule's own when absent")


class BackfillBody(ActBody):
    """Which ticks are run afterwards, and how fast."""

    begin: _Moment = Field(alias="from", description="the first instant: RFC 3339, or a day in the zone of the calendar")
    until: _Moment = Field(description="the last instant; of a day, its end")
    overlap: _Overlap = Field("queue_one", description="while sagas of the schedule are open; with those that queue it waits")
    per_minute: Annotated[int, Field(ge=1, le=PER_MINUTE_MOST)] = Field(60, description="ticks a minute, at most")
    dry_run: bool = Field(False, description="only say how many ticks there are")


class DayCalendarBody(_Body):
    """Days that schedules may exclude, who says so, and why."""

    document: str | dict[str, Any] = Field(description="the YAML text, or the same as JSON")
    file: Key = Field("calendar", description="the name findings show")
    reason: Reason | None = None
    actor: Key = "anonymous"


class SchemaBody(_Body):
    """A later writer's schema."""

    subject: Subject | None = Field(None, description="the record's full name when absent")
    document: dict[str, Any]
    reason: Reason | None = None
    actor: Key = "anonymous"


class _Query(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Page(_Query):
    """One page of a list."""

    limit: Annotated[int, Field(ge=1, le=PAGE_MOST)] = PAGE
    cursor: Annotated[str, Field(max_length=CURSOR_CHARS)] | None = Field(None, description="`next` of the page before")


class SagaFilter(_Query):
    """Which sagas: those that all of it agrees to."""

    query: Annotated[str, Field(max_length=MAX_CHARS)] | None = Field(
        None, description="as docs/queries.md has it; blank for all"
    )
    definition: Name | None = None
    phase: Phase | None = None
    attention: bool | None = None
    key: Key | None = None


class SagaQuery(SagaFilter, Page):
    """Which page of them."""


class ImportQuery(_Query):
    """Who and why, for the audit."""

    reason: Reason | None = None
    actor: Key = "anonymous"


class ActQuery(_Query):
    """Why, and who says so."""

    reason: Reason
    actor: Key = "anonymous"


class ConfirmationQuery(Page):
    """Which confirmations."""

    pending: bool = Field(True, description="only those that may still be confirmed")


class ScheduleQuery(Page):
    """Which schedules."""

    status: ScheduleStatus | None = Field(None, description="those that are deleted are listed only with `deleted`")
    attention: bool = Field(False, description="only those that a person must look at")


class NextQuery(_Query):
    """Which ticks to come."""

    count: Annotated[int, Field(ge=1, le=TICKS_MOST)] = 10
    begin: _Moment | None = Field(
        None,
        alias="from",
        description="the first instant that counts: RFC 3339, or a day in the zone of the calendar;"
        " all that are not decided yet when absent",
    )


class LostEffectQuery(_Query):
    """Which lost effects."""

    settled: bool = Field(False, description="also those that are settled")
    limit: Annotated[int, Field(ge=1, le=PAGE_MOST)] = PAGE_MOST


class WaitQuery(_Query):
    """How long to wait for the end."""

    wait_s: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 0


class PreviewQuery(_Query):
    """Of which act."""

    act: PreviewedAct = PreviewedAct.CANCEL


class JournalQuery(_Query):
    """Which part of a journal."""

    after: Annotated[int, Field(ge=0, le=2**62)] = Field(0, description="records after this version")
    limit: Annotated[int, Field(ge=1, le=PAGE_MOST)] = 100


class TraceQuery(_Query):
    """Which part of a trace."""

    after: Annotated[int, Field(ge=0, le=2**62)] = Field(0, description="spans completed by later transitions than this version")
    limit: Annotated[int, Field(ge=1, le=PAGE_MOST)] = Field(
        PAGE_MOST, description="about this many spans: those of one transition are never parted"
    )


class DefinitionQuery(Page):
    """Which definitions."""

    limit: Annotated[int, Field(ge=1, le=PAGE_MOST)] = PAGE_MOST
    name: Name | None = None


class AuditQuery(Page):
    """Which acts of operators."""

    act: Key | None = Field(None, description="what it begins with, as `retry`")
    target: Key | None = Field(None, description="what it begins with: a saga's id, `order@3`, a subject")
    who: Key | None = None


class SchemaQuery(Page):
    """Which schemas."""

    subject: Subject | None = None
