"""Which participants the horizon is announced to, and which have not answered for long. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final

from saga_coordinator.definitions.document import Document
from saga_coordinator.definitions.horizon import HorizonTerms
from saga_coordinator.store.horizon_port import ParticipantMemory
from saga_coordinator.store.port import DefinitionRow

_SILENT_ROUNDS: Final = 6
_SILENT_LEAST_MS: Final = 3_600_000


def named(rows: Iterable[DefinitionRow]) -> Mapping[str, list[str]]:
    """The participants that any of these definitions names, each with the definitions' names, both
    in order. A definition of another release names none.
    """
    found: dict[str, set[str]] = {}
    for row in rows:
        with suppress(ValueError):
            for step in Document.parse(row.document).steps:
                found.setdefault(step.participant, set()).add(row.name)
    return {name: sorted(found[name]) for name in sorted(found)}


def silent_after_ms(terms: HorizonTerms) -> int:
    """A participant that has not answered for so long has not answered for long."""
    return max(_SILENT_ROUNDS * terms.interval_ms, _SILENT_LEAST_MS)


def silent(memory: ParticipantMemory | None, now_us: int, terms: HorizonTerms) -> bool:
    """Whether a participant has not answered for long, or never."""
    return memory is None or now_us - memory.heard_at_us > silent_after_ms(terms) * 1000
