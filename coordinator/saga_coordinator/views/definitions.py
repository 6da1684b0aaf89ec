"""Registered definitions as people look at them: by name, each with its versions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from saga_coordinator.definitions.document import Document, DocumentInvalid
from saga_coordinator.store.port import AuditRow, DefinitionRow
from saga_schemas.ids import valid_definition_ref
from saga_schemas.record_class import record

REGISTERED: Final = "definition.register"
ACTIVATED: Final = "definition.activate"


@record
class DefinitionSummary:
    """One definition."""

    name: str
    active: int | None
    """The version that starts run; None: nothing starts."""
    newest: int
    versions: int
    registered_at_us: int
    """Of the newest version."""
    steps: Sequence[str]
    """Of the active version, else of the newest; the pivot is marked. None where it cannot be
    read."""
    open: int


@record
class VersionView:
    """One version of a definition."""

    version: int
    active: bool
    hash: str
    registered_at_us: int
    by: AuditRow | None
    """Who registered it, where the audit still has it."""
    activated: AuditRow | None
    """When it was last activated, likewise."""
    open: int
    before: int | None
    """The version before it."""


def summaries(rows: Iterable[DefinitionRow], open_by_phase: Mapping[tuple[str, str], int]) -> Iterator[DefinitionSummary]:
    """By name.

    Args:
        rows: All versions of all definitions.
        open_by_phase: Open sagas by (definition, phase).
    """
    by_name: dict[str, list[DefinitionRow]] = {}
    for row in rows:
        by_name.setdefault(row.name, []).append(row)
    counts: dict[str, int] = {}
    for (name, _), count in open_by_phase.items():
        counts[name] = counts.get(name, 0) + count
    for name, versions in sorted(by_name.items()):
        newest = max(versions, key=lambda row: row.version)
        active = next((row for row in versions if row.active), None)
        yield DefinitionSummary(
            name=name,
            active=None if active is None else active.version,
            newest=newest.version,
            versions=len(versions),
            registered_at_us=newest.registered_at_us,
            steps=_steps(active or newest),
            open=counts.get(name, 0),
        )


def version_views(
    rows: Sequence[DefinitionRow], acts: Iterable[AuditRow], open_by_version: Mapping[int, int]
) -> list[VersionView]:
    """The versions of one definition, newest first.

    Args:
        rows: Its versions.
        acts: What operators did to it, newest first.
        open_by_version: Its open sagas.
    """
    done: dict[tuple[str, int], AuditRow] = {}
    for act in acts:
        reference = valid_definition_ref(act.target)
        if reference is not None and reference[1] is not None:
            done.setdefault((act.act, reference[1]), act)
    versions = sorted(row.version for row in rows)
    return [
        VersionView(
            version=row.version,
            active=row.active,
            hash=row.hash,
            registered_at_us=row.registered_at_us,
            by=done.get((REGISTERED, row.version)),
            activated=done.get((ACTIVATED, row.version)),
            open=open_by_version.get(row.version, 0),
            before=max((version for version in versions if version < row.version), default=None),
        )
        for row in sorted(rows, key=lambda row: -row.version)
    ]


def _steps(row: DefinitionRow) -> Sequence[str]:
    try:
        document = Document.parse(row.document)
    except DocumentInvalid:
        return ()
    return [("★ " if step.kind == "pivot" else "") + step.name for step in document.steps]
