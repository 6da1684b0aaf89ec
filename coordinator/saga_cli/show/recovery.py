"""`saga recover`: what will be done, how far it is, and which sagas are lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from rich.text import Text

from saga_cli.show.formatting import duration, plain
from saga_coordinator.store.port import LostEffect, ParticipantSweep
from saga_coordinator.store.recovering import Recovering
from saga_coordinator.store.recovery import Status, Survey
from saga_coordinator.store.sweep_tables import OPEN
from saga_coordinator.views.lost_effects import lost_effect_view, way_out
from saga_coordinator.views.lost_sagas import LostSaga, LostStep
from saga_schemas.ids import saga_text
from saga_schemas.times import format_us

COLUMNS = ("ID", "STEP", "PARTICIPANT", "WHAT", "AT", "WAY OUT")
FORCED = (
    "A coordinator that still runs goes by the old rows until it learns of the recovery, for some seconds: "
    "in that time it may undo what was done, or do what was undone."
)
_LATE_S = 30.0


def plan(found: Survey, sagas_per_s: float, participant: str | None = None) -> str:
    """What a recovery will do. `participant`: whose database was restored, if not the
    coordinator's."""
    seen = "never" if found.seen_s is None else f"{duration(found.seen_s)} ago"
    lines = [
        f"incarnation {found.incarnation}; by this backup a coordinator was last at work {seen}",
        f"{found.open_sagas} open sagas will ask again every step that they ever asked, {sagas_per_s:g} sagas a second,",
        "and none moves until all of its participants have answered; finished sagas stay as they are",
        f"{participant or 'every participant'} is asked for its rows; no finished saga is removed before they are read",
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
    return "\n".join([*lines, *_sweep_lines(found), *_left_lines(found)])


def _sweep_lines(found: Status) -> Iterator[str]:
    left = [one for one in found.sweeps if one.done_at_us is None]
    for one in left:
        yield (
            f"{one.participant} has told {one.told} of its rows, and is asked again by itself: is it running, is its log well? "
            f"If it is gone for good: saga recover skip-participant {one.participant}"
        )
    if found.sweeping and not left:
        yield "participants are asked for their rows once a coordinator runs"
    if found.sweeps and not found.sweeping:
        yield f"all {len(found.sweeps)} participants have told their rows"
    for one in found.sweeps:
        if one.skipped is not None:
            yield f"{one.participant} was skipped: {one.skipped}"


def _left_lines(found: Status) -> Iterator[str]:
    for status, count in sorted(found.lost.items()):
        yield f"{count} effects of lost sagas are {status}: saga recover orphans"
    if found.orphans:
        yield f"{found.orphans} replies of lost sagas: saga recover orphans"


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
        "sweeping": found.sweeping,
        "participants": [_sweep_plain(one) for one in found.sweeps],
        "lost_effects": dict(found.lost),
    }


def _sweep_plain(one: ParticipantSweep) -> dict[str, Any]:
    return {"participant": one.participant, "rows": one.told, "swept": one.done_at_us is not None, "skipped": one.skipped}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """What is known of one lost saga."""

    saga: str
    effects: Sequence[LostEffect]
    """Those that are not settled."""
    steps: Sequence[LostStep]
    """By the replies that came: those without an effect on the list, settled or not."""


def together(replies: Iterable[LostSaga], effects: Iterable[LostEffect]) -> list[Lost]:
    """By saga, what is left to look at. `effects`: also those that are settled."""
    steps = {lost.id: lost.steps for lost in replies}
    by_saga: dict[UUID, list[LostEffect]] = {}
    for effect in effects:
        by_saga.setdefault(effect.saga_id, []).append(effect)
    found = [
        Lost(
            saga=saga_text(saga_id),
            effects=[one for one in by_saga.get(saga_id, []) if one.settled_at_us is None],
            steps=_not_listed(steps.get(saga_id, ()), by_saga.get(saga_id, ())),
        )
        for saga_id in sorted({*steps, *by_saga})
    ]
    return [lost for lost in found if lost.effects or lost.steps]


def _not_listed(steps: Iterable[LostStep], effects: Iterable[LostEffect]) -> list[LostStep]:
    listed = {(one.step, one.participant) for one in effects}
    return [step for step in steps if (step.step, step.participant) not in listed]


def lost_rows(found: Iterable[Lost]) -> list[list[Text]]:
    """A line for each effect and each step of each saga."""
    return [[plain(text) for text in (lost.saga, *line)] for lost in found for line in _lines(lost)]


def _lines(lost: Lost) -> Iterator[tuple[str, ...]]:
    for one in lost.effects:
        what = f"row {one.state}" if one.status == OPEN else f"row {one.state}, {one.status}"
        yield one.step, one.participant, what, format_us(one.found_at_us), way_out(one)
    for step in lost.steps:
        yield step.step, step.participant, f"{step.kind} {step.outcome}", format_us(step.at_us), step.way_out


def lost_plain(lost: Lost) -> dict[str, Any]:
    return {
        "saga": lost.saga,
        "effects": [lost_effect_view(one).model_dump() for one in lost.effects],
        "steps": [_step_plain(step) for step in lost.steps],
    }


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
