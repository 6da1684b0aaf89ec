"""Why sagas of a batch were refused or failed: how many by each code, and the first of them. Pure.

What is kept is bounded, however long the batch is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self
from uuid import UUID

import orjson

CODES_MOST: Final = 20
OTHERS: Final = "others"
"""All codes beyond the first CODES_MOST."""
SAMPLE: Final = 5


@dataclass(frozen=True, slots=True)
class Reason:
    """What one code says."""

    count: int = 0
    first: tuple[UUID, ...] = ()

    def and_of(self, saga_id: UUID) -> Reason:
        return Reason(self.count + 1, (*self.first, saga_id)[:SAMPLE])


@dataclass(frozen=True, slots=True)
class Outcomes:
    """By code, those that were refused and those that failed."""

    refused: Mapping[str, Reason] = field(default_factory=dict)
    failed: Mapping[str, Reason] = field(default_factory=dict)

    def refusing(self, code: str, saga_id: UUID) -> Outcomes:
        return Outcomes(_with(self.refused, code, saga_id), self.failed)

    def failing(self, code: str, saga_id: UUID) -> Outcomes:
        return Outcomes(self.refused, _with(self.failed, code, saga_id))

    @classmethod
    def read(cls, document: str) -> Self:
        """What `text` wrote. Raises ValueError."""
        content = orjson.loads(document)
        if not isinstance(content, dict):
            raise ValueError("outcomes: no object")
        return cls(_reasons(content.get("refused", {})), _reasons(content.get("failed", {})))

    def text(self) -> str:
        return orjson.dumps({"refused": _plain(self.refused), "failed": _plain(self.failed)}).decode()


def _with(reasons: Mapping[str, Reason], code: str, saga_id: UUID) -> Mapping[str, Reason]:
    place = code if code in reasons or len(reasons) < CODES_MOST else OTHERS
    return {**reasons, place: reasons.get(place, Reason()).and_of(saga_id)}


def _reasons(content: Mapping[str, list[Any]]) -> dict[str, Reason]:
    return {code: Reason(int(count), tuple(map(UUID, first))) for code, (count, *first) in content.items()}


def _plain(reasons: Mapping[str, Reason]) -> dict[str, list[object]]:
    """`[count, first, …]` for each code."""
    return {code: [reason.count, *map(str, reason.first)] for code, reason in reasons.items()}
