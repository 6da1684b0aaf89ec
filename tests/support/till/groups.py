"""Groups of commands as tests want them: from the first command on."""

from __future__ import annotations

from saga_participant.delivery.groups import HandlerTimes
from saga_participant.handling.registry import Route


class KnownToBeQuick(HandlerTimes):
    """All handlers may share a transaction from the first command on, whatever they did before."""

    def of(self, route: Route | None) -> float | None:
        return None if route is not None and route.handler.external else 0.0
