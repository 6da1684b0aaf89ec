"""Schemas as files: `<Full.Name>.avsc` is the current version, `<Full.Name>.<n>.avsc` are older
ones.

The only file of this package that reads a disk, and only when it is called.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from saga_schemas.errors import SchemaRefused
from saga_schemas.gate import full_name_of
from saga_schemas.limits import SCHEMA_BYTES
from saga_schemas.schema import Schema, load_json

_OLDER: Final = re.compile(r"(.+)\.([1-9][0-9]{0,5})")


def read_schemas(directory: Path) -> list[Schema]:
    """Every record in a directory, older versions before newer ones.

    So a catalog's `latest` is the current file.
    """
    if not directory.is_dir():
        raise SchemaRefused(f"{directory} is not a directory of .avsc files")
    files = sorted(directory.glob("*.avsc"), key=_order)
    documents = {path: read_document(path) for path in files}
    known = {_order(path)[0]: document for path, document in documents.items() if not _OLDER.fullmatch(path.stem)}
    schemas = []
    for path, document in documents.items():
        if isinstance(document, dict) and document.get("type") != "record":
            continue  # an enum or a fixed in a file of its own: reached from the records that use it
        schemas.append(_parsed(path, document, known))
    return schemas


def read_document(path: Path) -> Any:
    """One file's JSON, checked to be about the type it is named for."""
    try:
        if path.stat().st_size > SCHEMA_BYTES:
            raise SchemaRefused(f"{path.name}: a schema has at most {SCHEMA_BYTES} bytes")
        document = load_json(path.read_bytes())
    except SchemaRefused as error:
        raise SchemaRefused(f"{path.name}: {error}") from None
    except OSError as error:
        raise SchemaRefused(f"{path.name}: {error.strerror}") from None
    if full_name_of(document) != _order(path)[0]:
        raise SchemaRefused(f"{path.name}: holds {full_name_of(document) or 'no named type'}; a file is named for its type")
    return document


def _parsed(path: Path, document: Any, known: dict[str, Any]) -> Schema:
    try:
        return Schema.parse(document, known)
    except SchemaRefused as error:
        raise SchemaRefused(f"{path.name}: {error}") from None


def _order(path: Path) -> tuple[str, int]:
    match = _OLDER.fullmatch(path.stem)
    return (match[1], int(match[2])) if match else (path.stem, 10**6)
