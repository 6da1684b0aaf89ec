"""What a person does to a schedule: hold it, run it now, run past ticks, delete it."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from saga_coordinator.api.problems import Problem
from saga_coordinator.console import parameters
from saga_coordinator.console.console import Console
from saga_coordinator.console.forms import ActForm, FormRefused
from saga_coordinator.console.parameters import uuid_of
from saga_coordinator.console.rendering import path_part
from saga_coordinator.console.routing import ACTS, PageRoute
from saga_coordinator.console.schedule.backfilling import PER_MINUTE, Asked, Tried, told_of_tick
from saga_coordinator.console.schedule.clock import input_text, instant_us
from saga_coordinator.console.schedule.policies import OVERLAPS, overlap_text
from saga_coordinator.console.schedule.reading import Story, read_story
from saga_coordinator.engine.events import Refused
from saga_coordinator.schedules.document import MAX_AT_ONCE
from saga_coordinator.schedules.tick_names import tick_text
from saga_schemas.ids import parse_number

_SECTION: Final = "schedules"
_SAMPLE: Final = 10


async def pause(console: Console, request: Request) -> Response:
    """Hold it."""

    async def doing(form: ActForm) -> str:
        row = await console.coordinator.pause_schedule(_name(request), form.reason, form.actor)
        return f"{row.name} is paused: no tick runs. Sagas that it started go on."

    return await console.act(request, _back(request), doing)


async def resume(console: Console, request: Request) -> Response:
    """End its pause."""

    async def doing(form: ActForm) -> str:
        row = await console.coordinator.resume_schedule(_name(request), form.reason, form.actor)
        return f"{row.name} goes on. What it missed goes by its policy for missed ticks."

    return await console.act(request, _back(request), doing)


async def trigger(console: Console, request: Request) -> Response:
    """Run it now."""

    async def doing(form: ActForm) -> str:
        overlap = overlap_text(form.get("overlap"), form.get("limit")) or None
        return told_of_tick(await console.coordinator.trigger_schedule(_name(request), form.reason, form.actor, overlap=overlap))

    return await console.act(request, _back(request), doing)


async def delete(console: Console, request: Request) -> Response:
    """End it for good: it has no page then."""
    back = [_back(request)]

    async def doing(form: ActForm) -> str:
        row = await console.coordinator.delete_schedule(_name(request), form.reason, form.actor)
        back.append("/schedules")
        return f"{row.name} is deleted: it ticks no more. Its sagas go on, and what it ran stays on record."

    return await console.act(request, lambda: back[-1], doing)


# --- backfills ------------------------------------------------------------------------------------


async def prepare_backfill(console: Console, request: Request) -> Response:
    """How many ticks a backfill would come to; nothing is changed."""
    story = await read_story(console.coordinator, _name(request))
    policy = story.document.overlap if story.document is not None else None
    asked = Asked(
        from_text=parameters.text(request, "from"),
        until_text=parameters.text(request, "until"),
        overlap=parameters.text(request, "overlap") or (policy.policy if policy is not None else "skip"),
        limit=parameters.text(request, "limit") or (str(policy.limit) if policy is not None else "1"),
        per_minute=parameters.text(request, "per_minute") or str(PER_MINUTE),
    )
    tried, refused = await _tried(console, story.row.name, asked)
    return await console.page(
        request,
        "schedule_backfill.html",
        section=_SECTION,
        title=f"A backfill of {story.row.name}",
        status=422 if refused is not None else 200,
        base=console.url(_back(request)),
        row=story.row,
        story=story,
        asked=asked,
        tried=tried,
        sample=[] if tried is None else await _sample(console, story, tried),
        from_name=tick_text(tried.from_us) if tried is not None else "",
        until_name=tick_text(tried.until_us) if tried is not None else "",
        refused=refused,
        overlaps=OVERLAPS,
        limit_most=MAX_AT_ONCE,
        latest=input_text(story.now_us),
    )


async def begin_backfill(console: Console, request: Request) -> Response:
    """Begin it."""

    async def doing(form: ActForm) -> str:
        from_us, until_us = instant_us(form.get("from")), instant_us(form.get("until"))
        per_minute = parse_number(form.get("per_minute"))
        if from_us is None or until_us is None:
            raise FormRefused("say from when until when, as 2027-01-31T02:30")
        if not per_minute:
            raise FormRefused("say how many ticks a minute at most")
        row = await console.coordinator.backfill_schedule(
            _name(request),
            form.reason,
            form.actor,
            from_us=from_us,
            until_us=until_us,
            overlap=overlap_text(form.get("overlap"), form.get("limit")),
            per_minute=per_minute,
        )
        return f"The backfill of {row.found:,} ticks has begun. Ticks that have fired before are passed over."

    return await console.act(request, f"{_back(request)}#backfills", doing)


async def stop_backfill(console: Console, request: Request) -> Response:
    """Let it run no further tick."""

    async def doing(form: ActForm) -> str:
        found = uuid_of(request.path_params["backfill_id"])
        if found is None:
            raise Problem("backfill_unknown")
        row = await console.coordinator.stop_backfill(found, form.reason, form.actor)
        done = row.fired + row.known + row.skipped + row.failed
        return f"The backfill is stopped after {done:,} of {row.found:,} ticks. What it has started goes on."

    return await console.act(request, f"{_back(request)}#backfills", doing)


async def _tried(console: Console, name: str, asked: Asked) -> tuple[Tried | None, str | None]:
    """What it would come to, or why it would be refused; neither where nothing is asked yet."""
    if not asked.from_text and not asked.until_text:
        return None, None
    from_us, until_us, per_minute = instant_us(asked.from_text), instant_us(asked.until_text), parse_number(asked.per_minute)
    if from_us is None or until_us is None:
        return None, "Say from when until when, in UTC, as 2027-01-31T02:30."
    if not per_minute:
        return None, "Say how many ticks a minute at most."
    try:
        count = await console.coordinator.count_backfill(name, from_us=from_us, until_us=until_us)
    except Refused as refused:
        return None, refused.detail
    return Tried(from_us=from_us, until_us=until_us, count=count, per_minute=per_minute), None


async def _sample(console: Console, story: Story, tried: Tried) -> list[tuple[str, str]]:
    """The first of its ticks, each by its name and on the wall clock."""
    ticks = await console.coordinator.next_ticks(story.row.name, from_us=tried.from_us, count=_SAMPLE)
    return [(tick_text(one.at_us), story.clock.at(one.at_us).whole) for one in ticks if one.at_us <= tried.until_us]


def _name(request: Request) -> str:
    name: str = request.path_params["name"]
    return name


def _back(request: Request) -> str:
    return f"/schedules/{path_part(_name(request))}"


ROUTES = [
    PageRoute(path="/schedules/{name}/pause", handler=pause, methods=ACTS),
    PageRoute(path="/schedules/{name}/resume", handler=resume, methods=ACTS),
    PageRoute(path="/schedules/{name}/trigger", handler=trigger, methods=ACTS),
    PageRoute(path="/schedules/{name}/delete", handler=delete, methods=ACTS),
    PageRoute(path="/schedules/{name}/backfill", handler=prepare_backfill),
    PageRoute(path="/schedules/{name}/backfill", handler=begin_backfill, methods=ACTS),
    PageRoute(path="/schedules/{name}/backfills/{backfill_id}/stop", handler=stop_backfill, methods=ACTS),
]
