"""A retention that is shorter than commands live is refused at start."""

from __future__ import annotations

from contextlib import suppress

from saga_coordinator.definitions.document import Document
from saga_coordinator.definitions.retention import too_short
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.settings import Settings
from saga_messaging.errors import ConfigurationError


def refuse_short_retention(definitions: DefinitionCache, settings: Settings) -> None:
    """A finished saga must be known for as long as one of its commands may still be accepted.

    Raises ConfigurationError, for the first definition where it would not.
    """
    documents = []
    for row in definitions.rows():
        with suppress(ValueError):  # of another release: its sagas are kept for ever
            documents.append(Document.parse(row.document))
    if problem := too_short(documents, settings.retention):
        raise ConfigurationError(f"SAGA_RETENTION_SAGAS: {problem}")
