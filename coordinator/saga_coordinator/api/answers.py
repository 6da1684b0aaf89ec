"""What the API answers with besides the views of sagas; here so that OpenAPI is complete."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from saga_coordinator.api.problems import FindingShown
from saga_coordinator.definitions import Finding
from saga_coordinator.store.port import AuditRow, DeadLetter, DefinitionRow, RedriveRow, SchemaRow
from saga_coordinator.views.batches import RedriveView, redrive_view
from saga_coordinator.views.instances import InstanceView
from saga_coordinator.views.journal import RecordView
from saga_coordinator.views.listed import ListedView
from saga_schemas.times import format_us


class Started(BaseModel):
    """The saga a start ended up with."""

    id: str
    created: bool
    """False: the request id was known, or the business key is held by this saga."""
    request_id: str


class SagaPage(BaseModel):
    items: list[ListedView]
    next: str | None


class JournalPage(BaseModel):
    items: list[RecordView]
    next: int | None
    """`after` of the page behind this one."""


class ImportAnswer(BaseModel):
    """The sagas of the file, by id."""

    imported: list[str]
    known: list[str]
    """They were here before."""


class Accepted(BaseModel):
    """The act is recorded; what follows is seen at the saga."""

    id: str
    phase: str


class DefinitionLine(BaseModel):
    """One version of a definition."""

    name: str
    version: int
    hash: str
    active: bool
    registered_at: str

    @classmethod
    def of(cls, row: DefinitionRow) -> DefinitionLine:
        return cls(
            name=row.name, version=row.version, hash=row.hash, active=row.active, registered_at=format_us(row.registered_at_us)
        )


class DefinitionShown(DefinitionLine):
    """With its canonical document and the schemas it pins, by record."""

    document: dict[str, Any]
    reader_schemas: dict[str, int]


class DefinitionRegistered(DefinitionLine):
    created: bool
    reader_schemas: dict[str, int]
    findings: list[FindingShown]
    """Warnings only."""


class DefinitionPage(BaseModel):
    items: list[DefinitionLine]
    next: str | None


class SchemaLine(BaseModel):
    """One version under a subject."""

    id: int
    subject: str
    version: int


class SchemaShown(SchemaLine):
    document: dict[str, Any]


class SchemaAdded(BaseModel):
    id: int
    name: str
    subject: str
    created: bool


class SchemaPage(BaseModel):
    items: list[SchemaLine]
    next: str | None


class DeadLetterLine(BaseModel):
    """A record that could not be read."""

    id: str
    consumer: str
    topic: str
    partition: int
    offset: int
    at: str
    reason: str
    detail: str
    relayed: bool
    """A copy is in the dead-letter topic."""
    redriven: RedriveView | None
    """null: it was never sent again."""


class HeaderShown(BaseModel):
    name: str
    value: str
    """As text; base64 where it is none."""


class DeadLetterShown(DeadLetterLine):
    key: str | None
    """base64"""
    value: str | None
    """base64, cut to 64 KiB"""
    headers: list[HeaderShown]


class DeadLetterPage(BaseModel):
    items: list[DeadLetterLine]
    next: str | None


class AuditLine(BaseModel):
    """One act of an operator."""

    id: int
    at: str
    act: str
    target: str
    who: str
    why: str

    @classmethod
    def of(cls, row: AuditRow) -> AuditLine:
        return cls(id=row.id, at=format_us(row.at_us), act=row.act, target=row.target, who=row.who, why=row.why)


class AuditLines(BaseModel):
    items: list[AuditLine]
    next: str | None


class PurgedSaga(BaseModel):
    """A finished saga that is to be removed."""

    id: str
    key: str | None
    definition: str
    definition_version: int
    phase: str
    closed_at: str


class PurgeShown(BaseModel):
    """What a purge found (`dry_run`), or what one call of it removed."""

    before: str
    found: int
    """Sagas that are there, counted up to 100,000."""
    sample: list[PurgedSaga]
    """Those that ended first."""
    removed: int
    rows: int
    held: dict[str, int]
    """Sagas that stay for now, by why: `unpublished`, `untraced`, `unexpired`, `locked`, `horizon`,
    `recovery`."""
    waiting: int
    """Sagas that ended before then and that the horizon does not let go yet; 0 in an answer that
    says `more`."""
    waiting_until: str | None
    """When it lets the last of them go, if nothing holds it back."""
    more: bool
    """Ask again: there may be others."""


class ParticipantLine(BaseModel):
    """A participant that a registered definition names, and what it has heard of the horizon."""

    name: str
    command_topic: str
    reply_topic: str
    definitions: list[str]
    asked: bool
    """An active definition names it, or one with open sagas. What others answer is not read."""
    horizon: str | None
    """The horizon that it says it remembers; none: it has never answered."""
    heard_at: str | None
    behind_s: float | None
    """How far that is behind the stored horizon."""
    note: str | None
    """What is wrong, and what to do."""


class ParticipantPage(BaseModel):
    """The participants, and the horizon that they are told of."""

    horizon: str | None
    """Sagas that started before then are finished, but for the exceptions; none: not looked yet."""
    exceptions: int
    announced_at: str | None
    items: list[ParticipantLine]


class InstancePage(BaseModel):
    items: list[InstanceView]


def finding_shown(finding: Finding) -> FindingShown:
    return FindingShown(
        code=finding.code,
        severity=finding.severity.value,
        file=finding.file,
        line=finding.line,
        column=finding.column,
        step=finding.step,
        message=finding.message,
    )


def schema_line(row: SchemaRow) -> SchemaLine:
    return SchemaLine(id=row.id, subject=row.subject, version=row.version)


def letter_line(letter: DeadLetter, redriven: RedriveRow | None) -> dict[str, Any]:
    """The fields of a DeadLetterLine."""
    return {
        "id": str(letter.id),
        "consumer": letter.consumer,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "at": format_us(letter.at_us),
        "reason": letter.reason,
        "detail": letter.detail,
        "relayed": letter.relayed,
        "redriven": None if redriven is None else redrive_view(redriven),
    }
