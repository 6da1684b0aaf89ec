"""The answer to an act that waits for a second person: nothing was done yet."""

from __future__ import annotations

from typing import Any, Final

import orjson
from fastapi import Request, Response
from pydantic import BaseModel, TypeAdapter

from saga_coordinator.api.answers import Accepted
from saga_coordinator.confirmations.gate import ConfirmationNeeded
from saga_coordinator.views.batches import ConfirmationView, confirmation_view


class Waiting(BaseModel):
    """Nothing was done yet: the act waits for a second person."""

    confirmation: ConfirmationView


_SHOWN: Final = TypeAdapter(ConfirmationView)
WAITS: Final[dict[int | str, dict[str, Any]]] = {202: {"model": Waiting, "description": "it waits for a second person"}}
"""What a route may answer whose act may need one."""
ACCEPTED: Final[dict[int | str, dict[str, Any]]] = {
    202: {"model": Accepted | Waiting, "description": "it is recorded; or it waits for a second person"}
}
"""The same of an act on one saga."""
OF_TWO: Final = ("actor_needed", "confirmations_full")
"""What asking for a second person is refused with."""


async def waits(_: Request, error: Exception) -> Response:
    """Says which confirmation it waits for."""
    assert isinstance(error, ConfirmationNeeded)
    row = error.confirmation
    content = {"confirmation": _SHOWN.dump_python(confirmation_view(row, row.asked_at_us))}
    headers = {"Location": f"/v1/confirmations/{row.id}"}
    return Response(orjson.dumps(content), 202, headers=headers, media_type="application/json")
