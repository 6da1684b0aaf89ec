"""An effect that no saga owns, as people see it, with its way out. Pure."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from saga_coordinator.store.port import LostEffect
from saga_coordinator.store.sweep_tables import ADOPTED, KEPT, OPEN, UNDOING, UNDONE
from saga_schemas.ids import saga_text
from saga_schemas.times import format_us

_WAYS_OUT: Final = {
    OPEN: "adopt its saga, undo it, or keep it",
    UNDOING: "its participant is asked to undo it, until it answers",
    ADOPTED: "none needed: its saga owns it",
    UNDONE: "none needed: it is undone",
    KEPT: "none needed: it stays",
}
_BESIDE: Final = "its saga is here, without such a step: undo it by hand, then keep it"
_REFUSED: Final = "its participant answered {note}, and is asked again; else undo it by hand, then keep it"


class LostEffectView(BaseModel):
    """What one step of a saga left at its participant, while no saga owned it."""

    saga: str
    step: str
    participant: str
    run: int
    state: str
    """`DONE`; or `ACCEPTED`: it may come yet."""
    status: str
    """`open`, `undoing`, `adopted`, `undone` or `kept`."""
    way_out: str
    definition_hash: str | None
    """Of the definition that its saga was pinned to, if its row remembers it."""
    found_at: str
    settled_at: str | None
    who: str | None
    why: str | None
    asked_at: str | None
    """When its undo was asked for last."""
    note: str | None
    """What its participant last answered to that."""


def lost_effect_view(effect: LostEffect) -> LostEffectView:
    return LostEffectView(
        saga=saga_text(effect.saga_id),
        step=effect.step,
        participant=effect.participant,
        run=effect.run,
        state=effect.state,
        status=effect.status,
        way_out=way_out(effect),
        definition_hash=effect.definition_hash,
        found_at=format_us(effect.found_at_us),
        settled_at=None if effect.settled_at_us is None else format_us(effect.settled_at_us),
        who=effect.who,
        why=effect.why,
        asked_at=format_us(effect.asked_at_us) if effect.asked_at_us else None,
        note=effect.note,
    )


def way_out(effect: LostEffect) -> str:
    """What a person can do."""
    if effect.beside and effect.status == OPEN:
        return _BESIDE
    if effect.status == UNDOING and effect.note is not None:
        return _REFUSED.format(note=effect.note)
    return _WAYS_OUT[effect.status]
