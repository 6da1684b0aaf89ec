"""The reasons, by outbox id, of the messages that this instance tried. The latest are kept."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final
from uuid import UUID

_MOST_REFUSALS: Final = 10_000


class Refusals:
    """The latest reasons, by outbox id, why the broker refused messages of this instance."""

    def __init__(self) -> None:
        self._reasons: OrderedDict[UUID, str] = OrderedDict()

    def note(self, outbox_id: UUID, reason: str) -> None:
        self._reasons[outbox_id] = reason
        self._reasons.move_to_end(outbox_id)
        if len(self._reasons) > _MOST_REFUSALS:
            self._reasons.popitem(last=False)

    def why(self, outbox_id: UUID) -> str | None:
        return self._reasons.get(outbox_id)
