"""Sources of a definition: a `*.saga.yaml`, or a `Saga` built in Python (`module:object`), each
with the schemas it is checked against."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final

import typer

from saga_cli.client import actor
from saga_cli.exits import CommandFailed, ExitCode
from saga_cli.object_loader import load_object
from saga_coordinator.definitions import Contracts, Document, LintResult, Saga, lint, records_reached
from saga_schemas.catalog import Catalog
from saga_schemas.errors import SchemaRefused
from saga_schemas.files import read_schemas
from saga_schemas.schema import Schema
from saga_schemas.topics import Topics

_OBJECT: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionSource:
    """One definition, not checked yet."""

    name: str
    """As it was given on the command line."""
    content: bytes | Saga
    """A file's bytes, or what the module's object is."""
    catalog: Catalog

    def lint(self) -> LintResult:
        """Check it and return every finding."""
        if isinstance(self.content, Saga):
            return self.content.lint(self.catalog)
        return lint(self.content, self.name, self.catalog)

    def document(self) -> Document:
        """Return the canonical document.

        Raises:
            CommandFailed: The definition has errors; the message lists the findings (exit 1).
        """
        result = self.lint()
        if result.document is None:
            raise CommandFailed("\n".join([f"{self.name} has findings:", *map(str, result.findings)]), ExitCode.FINDINGS)
        return result.document


def names_object(given: str) -> bool:
    """Whether it is `module:object`, and no file is called so."""
    return _OBJECT.fullmatch(given) is not None and not Path(given).exists()


def source_of(given: str, schemas: Path | None) -> DefinitionSource:
    """Read the file or load the object that `given` names.

    Args:
        given: A path, or `module:object`.
        schemas: Folder of the schemas. None: `schemas/` beside the definition, else the demo's.

    Raises:
        typer.BadParameter: There is no such file or object.
        CommandFailed: A schema is refused.
    """
    path = Path(given)
    if names_object(given):
        saga = load_object(given, Saga, example="shop.sagas:order")
        module = sys.modules[given.partition(":")[0]].__file__
        return DefinitionSource(name=given, content=saga, catalog=_catalog(Path(module or given).parent, schemas))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{given}: {error.strerror}", param_hint="FILE") from None
    return DefinitionSource(name=given, content=content, catalog=_catalog(path.parent, schemas))


def registration(document: Document, catalog: Catalog) -> dict[str, Any]:
    """Build the body of a registration: the canonical document, and the current version of every
    record it reaches."""
    schemas = [json.loads(schema.canonical) for schema in _reached(document, catalog)]
    return {"document": json.loads(document.canonical), "schemas": schemas, "actor": actor()}


def asyncapi_of(sources: Sequence[DefinitionSource], participant: str | None, topic_prefix: str) -> dict[str, Any]:
    """Build the AsyncAPI document of definitions: the coordinator's, or that of one participant.

    Raises:
        CommandFailed: A definition has errors (exit 1), or none has a step of that participant.
    """
    contracts = Contracts()
    for source in sources:
        document = source.document()
        contracts.add(document, {schema.full_name: schema for schema in _reached(document, source.catalog)})
    if participant is not None and participant not in contracts.participants:
        raise CommandFailed(f"no step has the participant {participant!r}", ExitCode.NOT_FOUND)
    return contracts.asyncapi(Topics(topic_prefix), participant)


def _reached(document: Document, catalog: Catalog) -> list[Schema]:
    return [schema for name in records_reached(document) if (schema := catalog.latest(name)) is not None]


def _catalog(folder: Path, schemas: Path | None) -> Catalog:
    """Read the given schemas, else those beside the definition, else the demo's."""
    beside = folder / "schemas"
    given = schemas or (beside if beside.is_dir() else None)
    try:
        if given is not None:
            return Catalog(read_schemas(given))
        with as_file(files("saga_demo") / "schemas") as shop:
            return Catalog(read_schemas(shop))
    except SchemaRefused as error:
        raise CommandFailed(f"{given}: {error}", ExitCode.USAGE if given and not given.is_dir() else ExitCode.FINDINGS) from None
