"""Sources of a schedule: a `*.schedule.yaml`, or a `Schedule` built in Python (`module:object`),
with the definitions and the calendars of days that stand beside it."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer

from saga_cli.definition_source import names_object, source_of
from saga_cli.exits import CommandFailed, ExitCode
from saga_cli.object_loader import load_object
from saga_coordinator.calendar.document import DayCalendarDocument
from saga_coordinator.definitions.compile import CompiledDefinition, compile_definition
from saga_coordinator.definitions.finding import Report
from saga_coordinator.definitions.yaml_reader import read_yaml
from saga_coordinator.schedules import DaysLint, Schedule, ScheduleDocument, ScheduleLint, lint_days, lint_schedule
from saga_coordinator.schedules.lint import Look

DAYS_SUFFIX: Final = ".days.yaml"
_NOT_REGISTERED: Final = "S310"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSource:
    """One schedule, not checked yet."""

    name: str
    """As it was given on the command line."""
    content: bytes | Schedule
    """A file's bytes, or what the module's object is."""
    folder: Path
    """Where it stands."""

    def lint(self, definitions: Path | None, schemas: Path | None) -> ScheduleLint:
        """Check it.

        Args:
            definitions: Folder of the `*.saga.yaml` and `*.days.yaml` that there are. None: of
                those that stand beside it; the definition may be elsewhere, which is a warning.
            schemas: Folder of the schemas of the definitions.
        """
        folder = definitions or self.folder
        found = self._lint(Definitions(folder, schemas).find, folder)
        if definitions is None and any(finding.code == _NOT_REGISTERED for finding in found.findings):
            return self._lint(None, folder)
        return found

    def document(self, definitions: Path | None = None, schemas: Path | None = None) -> ScheduleDocument:
        """Return the document.

        Raises:
            CommandFailed: The schedule has errors; the message lists the findings (exit 1).
        """
        result = self.lint(definitions, schemas)
        if result.document is None:
            raise CommandFailed("\n".join([f"{self.name} has findings:", *map(str, result.findings)]), ExitCode.FINDINGS)
        return result.document

    def data(self) -> bytes | dict[str, Any]:
        """What is sent to a coordinator: the file as it stands, or the object as JSON."""
        return self.content if isinstance(self.content, bytes) else self.content.data()

    def _lint(self, look: Look | None, folder: Path) -> ScheduleLint:
        days = days_of(folder)
        if isinstance(self.content, Schedule):
            return self.content.lint(look, days, now_us())
        return lint_schedule(self.content, self.name, look, days, now_us())


class Definitions:
    """The definitions of a folder, found by the name and version that they say."""

    def __init__(self, folder: Path, schemas: Path | None) -> None:
        self._schemas = schemas
        self._files: dict[tuple[str, int], Path] = {}
        for path in sorted(folder.glob("*.saga.yaml")):
            root = read_yaml(path.read_bytes(), Report(path.name))
            plain = None if root is None else root.plain
            if isinstance(plain, dict) and isinstance(plain.get("saga"), str) and isinstance(plain.get("version"), int):
                self._files[plain["saga"], plain["version"]] = path

    def find(self, name: str, version: int | None) -> CompiledDefinition | None:
        """The definition; without a version the newest.

        Raises:
            CommandFailed: It has errors (exit 1).
        """
        versions = [known for saga, known in self._files if saga == name and version in (None, known)]
        if not versions:
            return None
        source = source_of(str(self._files[name, max(versions)]), self._schemas)
        return compile_definition(source.document(), source.catalog)


def schedule_source_of(given: str) -> ScheduleSource:
    """Read the file or load the object that `given` names.

    Raises:
        typer.BadParameter: There is no such file or object.
    """
    if names_object(given):
        schedule = load_object(given, Schedule, example="shop.schedules:settlement")
        module = sys.modules[given.partition(":")[0]].__file__
        return ScheduleSource(name=given, content=schedule, folder=Path(module or given).parent)
    return ScheduleSource(name=given, content=_read(given), folder=Path(given).parent)


def lint_days_file(given: str) -> DaysLint:
    """Check the file of a calendar of days. Raises typer.BadParameter where there is none."""
    return lint_days(_read(given), given)


def days_of(folder: Path) -> Mapping[str, DayCalendarDocument]:
    """The calendars of days that stand in a folder, those that have errors left out."""
    found = [lint_days(path.read_bytes(), path.name).document for path in sorted(folder.glob(f"*{DAYS_SUFFIX}"))]
    return {document.calendar: document for document in found if document is not None}


def now_us() -> int:
    """The time, in microseconds since 1970."""
    return time.time_ns() // 1_000


def _read(given: str) -> bytes:
    try:
        return Path(given).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{given}: {error.strerror}", param_hint="FILE") from None
