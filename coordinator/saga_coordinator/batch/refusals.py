"""Messages that the broker refused, as far as this instance tried: the sweeper holds them, and people ask why."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final
from uuid import UUID

_MOST_REFUSALS: Final = 10_000


class Refusals:
    """Why the broker would not take messages, by outbox id, as far as this instance tried; the latest are kept."""

    def __init__(self) -> None:
        self._reasons: OrderedDict[UUID, str] = OrderedDict()

    def note(self, outbox_id: UUID, reason: str) -> None:
        self._reasons[outbox_id] = reason
        self._reasons.move_to_end(outbox_id)
        if len(self._reasons) > _MOST_REFUSALS:
            self._reasons.popitem(last=False)

    def why(self, outbox_id: UUID) -> str | None:
        return self._reasons.get(outbox_id)
