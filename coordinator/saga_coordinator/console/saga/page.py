"""What the template of one saga's page reads, made of what was read of the saga. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from saga_coordinator.console.drawing.graph import GraphStep, draw_graph
from saga_coordinator.console.drawing.waterfall import draw_waterfall
from saga_coordinator.console.formatting import OUTCOME_TONES, PHASES, Look, moment_us
from saga_coordinator.console.saga.attention_words import alerts, calm
from saga_coordinator.console.saga.effects import effects
from saga_coordinator.console.saga.exchanges import Exchange
from saga_coordinator.console.saga.payload_text import payload_text
from saga_coordinator.console.saga.plan import StepPlan
from saga_coordinator.console.saga.reading import Story
from saga_coordinator.console.saga.step_sides import UNKNOWN_SIDE, StepSides, step_sides
from saga_coordinator.console.saga.timeline import timeline
from saga_coordinator.views.preview import PreviewedAct
from saga_coordinator.views.saga import AttentionView, StepView, WaitingView
from saga_schemas.record_class import record

LISTED_MOST: Final = 100
"""So many steps stand in the list at first."""
_MAY_CANCEL: Final = frozenset({"SCHEDULED", "RUNNING", "SETTLING"})
_UNKNOWN: Final = Look(shape="wait", tone="soft", words="a phase that this release does not know")


@record
class Wanted:
    """What of the saga the page is about, as its address says."""

    step: str | None = None
    direction: str | None = None
    before: int | None = None
    """Of the journal: records before this version."""
    all_steps: bool = False
    preview: PreviewedAct | None = None
    """The act of which the page says what it would do."""


def chosen_step(sides: Sequence[StepSides], story: Story, wanted: Wanted) -> StepSides | None:
    """The step whose attempts are shown.

    It is the one that was asked for, one that needs a person, one that is waited for, the one that
    turned the saga back, or the one that was asked last.
    """
    by_name = {one.view.name: one for one in sides}
    needs: list[AttentionView | WaitingView] = [*story.view.attention, *story.view.waiting]
    names = [wanted.step, *(one.step for one in needs), turned_at(story)]
    for name in names:
        if name is not None and name in by_name and (by_name[name].view.attempts or name == wanted.step):
            return by_name[name]
    asked = [one for one in sides if one.view.attempts]
    return max(asked, key=lambda one: one.view.attempts[-1].asked_at, default=None)


def all_sides(story: Story) -> list[StepSides]:
    """The steps; where the state cannot be read, as they were defined."""
    return step_sides(story.view, story.plans) if story.view.steps else [_unknown(plan) for plan in story.plans.values()]


def page_context(story: Story, sides: Sequence[StepSides], chosen: StepSides | None, wanted: Wanted, base: str) -> dict[str, Any]:
    """All but what is read besides. `base` is the page's own path as the browser sees it."""
    view = story.view
    graph = draw_graph([_graph_step(one, chosen, base) for one in sides], turned=turned_at(story), href=f"{base}?steps=all#list")
    lines, omitted = timeline(view, sides, lambda step, direction: _href(base, step, direction))
    begin = min([moment_us(view.started_at), *(bar.from_us for line in lines for bar in line.bars)])
    end = moment_us(view.closed_at) if view.closed_at is not None else begin + view.duration_ms * 1000
    return {
        "base": base,
        "view": view,
        "is_open": view.closed_at is None,
        "phase_look": PHASES.get(view.phase, _UNKNOWN),
        "needs": bool(view.attention) and view.closed_at is None,
        "alerts": alerts(view, sides) if view.closed_at is None else [],
        "waits": calm(view, sides),
        "graph": graph,
        "steps": list(sides) if wanted.all_steps else list(sides[:LISTED_MOST]),
        "steps_count": len(sides),
        "is_state_known": bool(view.steps),
        "waterfall": draw_waterfall(lines, from_us=begin, to_us=max(end, begin), is_open=view.closed_at is None),
        "lines_omitted": omitted,
        "chosen": chosen,
        "effects": effects(sides),
        "input": payload_text(view.input) if view.input is not None else None,
        "may_cancel": view.closed_at is None and view.imported is None and view.phase in _MAY_CANCEL,
        "is_scheduled": view.phase == "SCHEDULED",
        "own_pause": any(one.scope == "saga" for one in view.paused),
        "may_act": view.closed_at is None and view.imported is None,
        "is_forward": view.phase in ("COMMITTED", "COMPLETED"),
        "version": story.version,
        "tones": OUTCOME_TONES,
    }


def attempts_context(found: Sequence[Exchange], latest: Exchange | None, chosen: StepSides | None) -> Mapping[str, Any]:
    return {
        "exchanges": list(found),
        "latest": latest,
        "attempts_omitted": chosen.view.attempts_omitted if chosen is not None else 0,
    }


def turned_at(story: Story) -> str | None:
    """The step that turned the saga back, as the reason names it."""
    name, colon, _ = (story.view.reason or "").partition(":")
    went_back = story.view.phase not in ("SCHEDULED", "RUNNING", "COMMITTED", "COMPLETED")
    return name if colon and went_back and name in story.plans else None


def _graph_step(one: StepSides, chosen: StepSides | None, base: str) -> GraphStep:
    name = one.view.name
    return GraphStep(
        name=name,
        after=one.plan.after,
        forward=one.forward,
        undo=one.undo,
        pivot=one.plan.is_pivot,
        href=_href(base, name, "action"),
        undo_href=_href(base, name, "compensation"),
        chosen=chosen is not None and chosen.view.name == name,
    )


def _href(base: str, step: str, direction: str) -> str:
    return f"{base}?{urlencode({'step': step, 'direction': direction})}#attempts"


def _unknown(plan: StepPlan) -> StepSides:
    view = StepView(
        name=plan.name,
        participant=plan.participant,
        kind=plan.kind,
        status="unknown",
        after=plan.after,
        run=0,
        code=None,
        message=None,
        reply=None,
        reply_note=None,
        attempts=(),
        attempts_omitted=0,
    )
    return StepSides(view=view, plan=plan, forward=UNKNOWN_SIDE, undo=None)
