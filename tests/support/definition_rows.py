"""Registered definitions as rows."""

from __future__ import annotations

from saga_coordinator.store.port import DefinitionRow


def definition_row(name: str, document: bytes) -> DefinitionRow:
    return DefinitionRow(
        id=1,
        hash="",
        tenant="default",
        name=name,
        version=1,
        document=document,
        reader_schemas={},
        active=True,
        registered_at_us=0,
    )
