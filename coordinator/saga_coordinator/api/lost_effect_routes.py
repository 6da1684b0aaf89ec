"""`/v1/lost-effects`: what stands at participants and no saga owns, after a restore; and the sweep
that finds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from saga_coordinator.api.bodies import ActBody, AdoptBody, LostEffectQuery, UndoBody
from saga_coordinator.api.facade import CoordinatorDep, Facade
from saga_coordinator.api.problems import WITH_BODY, Problem, problems
from saga_coordinator.api.request_body import StrictRoute
from saga_coordinator.starts.requests import StartRefused
from saga_coordinator.sweep.acts import EffectRefused
from saga_coordinator.sweep.undoing import UndoIncomplete
from saga_coordinator.views.lost_effects import LostEffectView, lost_effect_view
from saga_schemas.ids import parse_saga_id, valid_name, valid_step

router = APIRouter(prefix="/v1", tags=["recovery"], route_class=StrictRoute)

_ON_EFFECT: Final = ("effect_unknown", "effect_settled", *WITH_BODY)
_BY_DEFINITION: Final = ("definition_unknown", "definition_inactive")


class LostEffectPage(BaseModel):
    """Those of the lowest saga ids."""

    items: list[LostEffectView]
    total: int


class Adopted(BaseModel):
    """The saga is here again."""

    id: str


class Skipped(BaseModel):
    """It is not asked any more."""

    participant: str


@router.get("/lost-effects", responses=problems())
async def list_lost_effects(coordinator: CoordinatorDep, wanted: Annotated[LostEffectQuery, Query()]) -> LostEffectPage:
    """Effects that no saga owns, by saga and step."""
    found = await coordinator.store.lost_effects(coordinator.settings.tenant, settled=wanted.settled)
    return LostEffectPage(items=[lost_effect_view(one) for one in found[: wanted.limit]], total=len(found))


@router.post("/lost-effects/{saga_id}/steps/{step}/keep", responses=problems(*_ON_EFFECT))
async def keep_effect(coordinator: CoordinatorDep, saga_id: str, step: str, body: ActBody) -> LostEffectView:
    """The effect stays, and needs nobody any more."""
    effect = _saga_id(saga_id), _step(step)
    with _refused():
        await coordinator.lost_effects.keep(*effect, who=body.actor, why=body.reason)
    return await _shown(coordinator, *effect)


@router.post(
    "/lost-effects/{saga_id}/steps/{step}/undo",
    status_code=202,
    responses=problems("effect_beside", "undo_incomplete", *_BY_DEFINITION, *_ON_EFFECT),
)
async def undo_effect(coordinator: CoordinatorDep, saga_id: str, step: str, body: UndoBody) -> LostEffectView:
    """Ask the participant for the compensation, until it answers."""
    effect = _saga_id(saga_id), _step(step)
    with _refused():
        await coordinator.lost_effects.undo(
            *effect, definition=body.definition, version=body.version, given=body.command, who=body.actor, why=body.reason
        )
    return await _shown(coordinator, *effect)


@router.post(
    "/lost-effects/{saga_id}/adopt",
    status_code=201,
    responses=problems(
        "step_unknown",
        "input_invalid",
        "key_mismatch",
        "key_held",
        "below_horizon",
        "definition_missing",
        *_BY_DEFINITION,
        *_ON_EFFECT,
    ),
)
async def adopt_saga(coordinator: CoordinatorDep, saga_id: str, body: AdoptBody) -> Adopted:
    """Let the lost saga begin again under its id; its participants answer from their rows."""
    adopted = _saga_id(saga_id)
    with _refused():
        await coordinator.lost_effects.adopt(
            adopted, definition=body.definition, version=body.version, input=body.input, who=body.actor, why=body.reason
        )
    return Adopted(id=str(adopted))


@router.post("/sweeps/{participant}/skip", responses=problems("participant_unknown", "sweep_not_open", *WITH_BODY))
async def skip_participant(coordinator: CoordinatorDep, participant: str, body: ActBody) -> Skipped:
    """Take a participant that no longer exists for swept. What it may hold is never found."""
    if not valid_name(participant):
        raise Problem("participant_unknown")
    with _refused():
        await coordinator.lost_effects.skip(participant, who=body.actor, why=body.reason)
    return Skipped(participant=participant)


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except EffectRefused as refused:
        raise Problem(refused.code, str(refused)) from None
    except UndoIncomplete as incomplete:
        raise Problem("undo_incomplete", str(incomplete)) from None
    except StartRefused as refused:
        raise Problem(refused.code, refused.detail, **refused.extra) from None


async def _shown(coordinator: Facade, saga_id: UUID, step: str) -> LostEffectView:
    found = await coordinator.store.lost_effects(coordinator.settings.tenant, settled=True)
    return next(lost_effect_view(one) for one in found if (one.saga_id, one.step) == (saga_id, step))


def _saga_id(text: str) -> UUID:
    found = parse_saga_id(text)
    if found is None:
        raise Problem("effect_unknown")
    return found


def _step(text: str) -> str:
    if not valid_step(text):
        raise Problem("effect_unknown")
    return text
