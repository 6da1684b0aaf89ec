"""`saga recover`: what will be done, how far it is, and which sagas are lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.text import Text

from saga_cli.show.formatting import duration, plain
from saga_coordinator.store.recovering import Recovering
from saga_coordinator.store.recovery import Status, Survey
from saga_coordinator.views.lost_sagas import LostSaga, LostStep
from saga_schemas.ids import saga_text
from saga_schemas.times import format_us

COLUMNS = ("ID", "STEP", "PARTICIPANT", "KIND", "OUTCOME", "AT", "WAY OUT")
FORCED = (
    "A coordinator that still runs goes by the old rows until it learns of the recovery, for some seconds: "
    "in that time it may undo what was done, or do what was undone."
)
_LATE_S = 30.0


def plan(found: Survey, sagas_per_s: float) -> str:
    """What a recovery will do."""
    seen = "never" if found.seen_s is None else f"{duration(found.seen_s)} ago"
    lines = [
        f"incarnation {found.incarnation}; by this backup a coordinator was last at work {seen}",
        f"{found.open_sagas} open sagas will ask again every step that they ever asked, {sagas_per_s:g} sagas a second,",
        "and none moves until all of its participants have answered; finished sagas stay as they are",
        f"{found.orphans} replies of sagas that this database does not know are kept (`saga recover orphans`)",
    ]
    return "\n".join([*lines, *([f"a coordinator may be alive: {'; '.join(found.alive)}", FORCED] if found.alive else [])])


def standing(found: Status) -> str:
    """How far a recovery is, and what moves it."""
    left, at = Recovering.of(found.waits), f"incarnation {found.incarnation}"
    if left.sagas:
        answered = max(found.sagas - left.sagas, 0)
        lines = [f"{at}: {left.sagas} of {found.sagas} sagas recover, {answered} have been answered", *_movers(found, left)]
    elif found.sagas:
        lines = [f"{at}: all {found.sagas} sagas have been answered"]
    else:
        lines = [f"{at}: no saga recovers"]
    return "\n".join([*lines, *([f"{found.orphans} replies of lost sagas: saga recover orphans"] if found.orphans else [])])


def _movers(found: Status, left: Recovering) -> Iterator[str]:
    late_s = -(found.next_ask_s or 0.0)
    if left.to_ask and late_s > _LATE_S:
        yield f"{left.to_ask} should have asked {duration(late_s)} ago: is a coordinator running? does its log park them?"
    elif left.to_ask:
        yield f"{left.to_ask} have not asked yet: their turn comes within {duration(found.last_ask_s or 0.0)}"
    for participant, sagas in sorted(left.unanswered.items(), key=lambda one: -one[1]):
        yield f"{sagas} wait for {participant}, which is asked again by itself: is it running, is its log well?"


def standing_plain(found: Status) -> dict[str, Any]:
    left = Recovering.of(found.waits)
    return {
        "incarnation": found.incarnation,
        "recovering": left.sagas > 0,
        "sagas": found.sagas,
        "answered": max(found.sagas - left.sagas, 0),
        "to_ask": left.to_ask,
        "unanswered": dict(left.unanswered),
        "orphan_replies": found.orphans,
    }


def lost_rows(found: Iterable[LostSaga]) -> list[list[Text]]:
    """A line for each step of each saga."""
    return [[plain(text) for text in (saga_text(lost.id), *_line(step))] for lost in found for step in lost.steps]


def _line(step: LostStep) -> tuple[str, ...]:
    return step.step, step.participant, step.kind.value, step.outcome.value, format_us(step.at_us), step.way_out


def lost_plain(lost: LostSaga) -> dict[str, Any]:
    return {"saga": saga_text(lost.id), "steps": [_step_plain(step) for step in lost.steps]}


def _step_plain(step: LostStep) -> dict[str, Any]:
    return {
        "step": step.step,
        "participant": step.participant,
        "kind": step.kind.value,
        "outcome": step.outcome.value,
        "run": step.run,
        "at": format_us(step.at_us),
        "effect": step.effect.value,
        "way_out": step.way_out,
    }
