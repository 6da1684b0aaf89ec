"""A new version of a definition beside those that are active or still have open sagas.

Schemas must stay compatible both ways (FULL_TRANSITIVE), since participants answer sagas of both
with one schema. The verdicts are `saga_schemas.compat`'s; which records are compared with which is
decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from saga_coordinator.definitions.document import Document
from saga_coordinator.definitions.finding import Finding, Report
from saga_coordinator.definitions.records import records_reached
from saga_schemas.compat import full_transitive
from saga_schemas.schema import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """A version that sagas run on or may be started with."""

    document: Document
    reader_schemas: Mapping[str, Schema]
    """As that version pinned them, by full name."""
    open_sagas: int = 0
    active: bool = False

    def __str__(self) -> str:
        why = ", ".join(
            part for part in ("active" if self.active else "", f"{self.open_sagas} open sagas" if self.open_sagas else "") if part
        )
        return f"{self.document.saga} {self.document.version}" + (f" ({why})" if why else "")


def check_compatibility(
    document: Document, reader_schemas: Mapping[str, Schema], earlier: Sequence[Earlier], file: str
) -> tuple[Finding, ...]:
    """Findings of a document with the schemas it would pin against each earlier version.

    Raises AvroMissing without `avro`.
    """
    report = Report(file)
    compared: set[tuple[int, int]] = set()
    for one in earlier:
        for name in records_reached(document):
            new, old = reader_schemas.get(name), one.reader_schemas.get(name)
            if new is None or old is None or (new.id, old.id) in compared:
                continue
            compared.add((new.id, old.id))
            for verdict in full_transitive(new, [old]):
                message = f"{name} is not compatible with {one}: {verdict.message}"
                report.add("S218", None, message + (f" at {verdict.path}" if verdict.path else ""))
        _changed_records(document, one, report)
    return report.sorted()


def _changed_records(document: Document, one: Earlier, report: Report) -> None:
    """Another record altogether is allowed; who sends or handles it has to know both."""
    if document.input != one.document.input:
        report.add(
            "S219", None, f"takes {document.input} where {one} takes {one.document.input}; those who start it must change over"
        )
    before = {step.name: step for step in one.document.steps}
    for step in document.steps:
        was = before.get(step.name)
        if was is not None and was.command != step.command:
            message = f"sends {step.command} where {one} sends {was.command}; {step.participant} must handle both"
            report.add("S219", None, message, step=step.name)
        elif was is not None and was.reply != step.reply and was.reply is not None:
            message = f"is answered with {step.reply or 'nothing read'} where {one} is answered with {was.reply}"
            report.add("S219", None, message, step=step.name)
