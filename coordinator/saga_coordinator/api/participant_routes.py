"""`/v1/participants`: who takes part, and what each has heard of the horizon."""

from __future__ import annotations

from fastapi import APIRouter

from saga_coordinator.api.answers import ParticipantLine, ParticipantPage
from saga_coordinator.api.facade import CoordinatorDep, Facade
from saga_coordinator.api.problems import problems
from saga_coordinator.api.request_body import StrictRoute
from saga_coordinator.horizon.participants import named
from saga_coordinator.views.participants import ParticipantView, participant_views
from saga_schemas.times import format_us

router = APIRouter(prefix="/v1/participants", tags=["participants"], route_class=StrictRoute)


@router.get("", responses=problems())
async def list_participants(coordinator: CoordinatorDep) -> ParticipantPage:
    """The participants that registered definitions name, by name."""
    store = coordinator.store
    horizon = await store.horizon(coordinator.settings.tenant)
    views = participant_views(
        named(await store.definitions(coordinator.settings.tenant)),
        asked=await coordinator.definitions.participants(),
        memories=await store.participant_memories(),
        horizon=horizon,
        unread=await coordinator.no_consumer(),
        now_us=await store.now_us(),
        terms=coordinator.settings.horizon,
    )
    return ParticipantPage(
        horizon=_at(horizon.horizon.below_ms * 1000 or None),
        exceptions=len(horizon.horizon.exceptions),
        announced_at=_at(horizon.announced_at_us),
        items=[_line(coordinator, view) for view in views],
    )


def _line(coordinator: Facade, view: ParticipantView) -> ParticipantLine:
    return ParticipantLine(
        name=view.name,
        command_topic=coordinator.topics.command(view.name),
        reply_topic=coordinator.topics.reply(view.name),
        definitions=list(view.definitions),
        asked=view.asked,
        horizon=None if view.heard is None else _at(view.heard.below_ms * 1000),
        heard_at=None if view.heard is None else _at(view.heard.heard_at_us),
        behind_s=None if view.behind_ms is None else view.behind_ms / 1000,
        note=view.note or None,
    )


def _at(time_us: int | None) -> str | None:
    return None if time_us is None else format_us(time_us)
