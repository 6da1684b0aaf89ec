"""Every (state, event) pair: the row of the design acts with the stated result, or nothing changes
(row 26).

`RULES` is the design's text as data, read top down: the first rule that fits tells the states the
step may be in afterwards, counting what the same transition goes on to (a compensation that is due
is sent at once). A pair no rule fits must be stale. Every reachable pair of state and phase is
walked with every answer and every act, paused or not, in a saga that was recovered once or never
was.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from saga_coordinator.engine.definition import Definition
from saga_coordinator.engine.state import Phase, Status, StepState, StuckFrom
from saga_schemas.outcomes import Kind, Outcome
from unit.coordinator.engine.places import ACTS, ANSWERS, PLACES, Place, at, told
from unit.coordinator.engine.sagas import PIVOT

Fits = Callable[[Place], bool]
OPEN = {"asked", "accepted", "backoff", "ready"}
UNDO = {"undo_due", "undo_asked"}
FORWARD = {Phase.RUNNING, Phase.SETTLING}
committed: Fits = lambda p: p.phase is Phase.COMMITTED  # noqa: E731 - rules read better with words
running: Fits = lambda p: p.phase is Phase.RUNNING  # noqa: E731
dispatched: Fits = lambda p: p.state.dispatched  # noqa: E731
always: Fits = lambda p: True  # noqa: E731
STUCK_OR_SILENT = {"stuck_forward", "stuck_back", "asked", "undo_asked", "undo_backoff", "resolving"}

Rule = tuple[str, set[str], str, Fits, set[str]]
RULES: list[Rule] = [
    ("3", OPEN, "action SUCCEEDED", dispatched, {"done"}),
    ("3", {"stuck_forward"}, "action SUCCEEDED", always, {"done"}),
    ("4", OPEN, "action REJECTED", committed, {"stuck_forward"}),
    ("4", OPEN, "action REJECTED", dispatched, {"no_effect"}),
    ("5", {"asked", "accepted"}, "action FAILED", always, {"backoff"}),
    ("5b", OPEN, "action UNSUPPORTED", committed, {"stuck_forward"}),
    ("5b", OPEN, "action UNSUPPORTED", lambda p: running(p) and p.kind is PIVOT, {"resolving"}),
    ("11", OPEN, "action UNSUPPORTED", lambda p: dispatched(p) and p.unsure_of_pivot, OPEN),
    ("5b", OPEN, "action UNSUPPORTED", lambda p: running(p) and dispatched(p), UNDO),
    ("5b", {"undo_asked"}, "compensation UNSUPPORTED", always, {"stuck_back"}),
    ("5b", {"resolving"}, "resolve UNSUPPORTED", lambda p: p.state.waiving, {"resolving"}),
    ("5b", {"resolving"}, "resolve UNSUPPORTED", always, {"stuck_back"}),
    ("6", OPEN, "action IN_PROGRESS", dispatched, {"accepted"}),
    ("7", OPEN, "action FENCED", committed, {"stuck_forward"}),
    ("7", OPEN, "action FENCED", dispatched, {"undone"}),
    ("8", {"asked", "accepted"}, "action EXPIRED", always, {"asked", "accepted"}),
    ("8", {"asked", "accepted"}, "due", always, {"asked", "accepted"}),
    ("8b", {"undo_asked"}, "compensation EXPIRED", always, {"undo_asked"}),
    ("8b", {"undo_asked"}, "compensation IN_PROGRESS", always, {"undo_asked"}),
    ("8b", {"resolving"}, "resolve EXPIRED", always, {"resolving"}),
    ("8b", {"resolving"}, "resolve IN_PROGRESS", always, {"resolving"}),
    ("10", {"backoff"}, "due", always, {"ready", "asked"}),
    ("15", {"undo_asked", "undo_backoff", "stuck_back"}, "compensation UNDONE", always, {"undone"}),
    ("15", {"undo_asked", "undo_backoff", "stuck_back"}, "compensation NOTHING_TO_UNDO", always, {"undone"}),
    ("23", {"resolving"}, "compensation UNDONE", lambda p: p.state.waiving, {"undone"}),
    ("23", {"resolving"}, "compensation NOTHING_TO_UNDO", lambda p: p.state.waiving, {"undone"}),
    ("16", {"undo_asked"}, "compensation FAILED", always, {"undo_backoff"}),
    ("16", {"undo_asked"}, "compensation REJECTED", always, {"stuck_back"}),
    ("16b", {"undo_backoff"}, "due", always, {"undo_asked"}),
    ("17", {"undo_asked", "resolving"}, "due", always, {"undo_asked", "resolving"}),
    ("23", {"resolving"}, "done", lambda p: p.state.waiving and committed(p), {"done"}),
    ("23", {"resolving"}, "done", lambda p: p.state.waiving, {"waived"}),
    ("23", {"resolving"}, "not done", lambda p: p.state.waiving, {"waived"}),
    ("18", {"resolving", "stuck_back"}, "done", lambda p: p.from_resolving and p.kind is PIVOT, {"done"}),
    ("13b", {"resolving", "stuck_back"}, "done", lambda p: p.from_resolving and p.without_undo, {"kept"}),
    ("18", {"resolving", "stuck_back"}, "done", lambda p: p.from_resolving, UNDO),
    (
        "13b",
        {"resolving", "stuck_back"},
        "not done",
        lambda p: p.from_resolving and p.without_undo and p.kind is not PIVOT,
        {"no_effect"},
    ),
    ("19", {"resolving", "stuck_back"}, "not done", lambda p: p.from_resolving, {"undone", "no_effect"}),
    ("23", {"stuck_forward"}, "retry", always, {"ready", "asked"}),
    ("23", {"stuck_back"}, "retry", lambda p: p.state.stuck_from is StuckFrom.MAPPING, {"stuck_back", "undo_due"}),
    ("23", {"stuck_back"}, "retry", lambda p: p.from_resolving, {"resolving"}),
    ("23", {"stuck_back"}, "retry", always, {"undo_asked"}),
    ("23", {"asked", "undo_asked", "resolving"}, "retry", always, {"asked", "undo_asked", "resolving"}),
    ("23", {"undo_backoff"}, "retry", always, {"undo_asked"}),
    ("23", STUCK_OR_SILENT, "waive", lambda p: p.kind is not PIVOT and p.phase not in FORWARD, {"resolving"}),
    ("23", STUCK_OR_SILENT | {"conflict"}, "waive!", lambda p: p.kind is not PIVOT and p.phase not in FORWARD, {"waived"}),
]
DONE_WORDS = {"action SUCCEEDED", "resolve SUCCEEDED"}
NOT_DONE_WORDS = {"action REJECTED", "action FENCED", "resolve REJECTED", "resolve FENCED"}
PROOF = {
    **dict.fromkeys(DONE_WORDS, Outcome.SUCCEEDED),
    **{f"{kind} REJECTED": Outcome.REJECTED for kind in ("action", "resolve")},
    **{f"{kind} FENCED": Outcome.FENCED for kind in ("action", "resolve")},
    "compensation UNDONE": Outcome.UNDONE,
    "compensation NOTHING_TO_UNDO": Outcome.NOTHING_TO_UNDO,
}


def rule_for(place: Place, event: str) -> Rule | None:
    names = {event} | ({"done"} if event in DONE_WORDS else set()) | ({"not done"} if event in NOT_DONE_WORDS else set())
    return next((r for r in RULES if place.state.status in r[1] and r[2] in names and r[3](place)), None)


def contradicted(state: StepState, event: str) -> bool:
    """Row 20, in the design's words."""
    new = PROOF.get(event)
    if new is None or new in state.evidence:
        return False
    both = state.evidence | {new}
    done, not_done = both & {Outcome.SUCCEEDED, Outcome.UNDONE}, both & {Outcome.REJECTED, Outcome.NOTHING_TO_UNDO}
    return bool(done and not_done) or (both >= {Outcome.SUCCEEDED, Outcome.FENCED} and Kind.COMPENSATION not in state.sent)


@pytest.mark.parametrize("recovered", [False, True], ids=["", "recovered"])
@pytest.mark.parametrize("paused", [False, True], ids=["", "paused"])
@pytest.mark.parametrize("spot", PLACES, ids=[f"{p[0]} {p[4]} {p[1]} {p[3]}" for p in PLACES])
def test_every_event_does_what_its_row_says_or_nothing(
    spot: tuple[str, Phase, Definition, str, str], paused: bool, recovered: bool
) -> None:
    player, place = at(*spot, paused=paused, recovered=recovered)
    name = spot[4]
    for event in [f"{kind} {outcome}" for kind, outcome in ANSWERS] + ACTS + ["due"]:
        after = told(player, name, event)
        status, sent = after.state.steps[name].status, after.commands
        assert not (paused and sent), f"{event}: sent {sent} while paused"
        rule = rule_for(place, event)
        answered = event.partition(" ")[0]
        if answered in list(Kind) and Kind(answered) not in place.state.sent:
            rule = None  # S11: no such command was ever sent
        if rule is not None and paused and event == "due":
            rule = None  # row 24
        if place.state.status is not Status.CONFLICT and rule_sent(place, event) and contradicted(place.state, event):
            assert status == "conflict", f"{event}: row 20 says conflict, is {status}"
        elif rule is not None:
            assert status in rule[4], f"{event}: row {rule[0]} says {rule[4]}, is {status}"
        else:
            assert (status, after.state.phase, sent) == (spot[0], spot[1], []), f"{event}: row 26 says nothing changes"


def rule_sent(place: Place, event: str) -> bool:
    kind = event.partition(" ")[0]
    return kind in list(Kind) and Kind(kind) in place.state.sent


@pytest.mark.parametrize("spot", PLACES, ids=[f"{p[0]} {p[4]} {p[1]} {p[3]}" for p in PLACES])
def test_an_answer_that_matches_no_issued_command_changes_nothing(spot: tuple[str, Phase, Definition, str, str]) -> None:
    player, _ = at(*spot, paused=False, recovered=False)
    name, state = spot[4], player.state.steps[spot[4]]
    for kind, outcome in ANSWERS:
        for wrong in ({"run": state.run + 1}, {"run": state.run - 1}, {"incarnation": 0}, {"incarnation": 2}, {"step": "nobody"}):
            player.tell(player.reply(name, outcome, kind=kind, **wrong))
            assert player.facts == (), f"{kind} {outcome} {wrong}"


@pytest.mark.parametrize("spot", PLACES, ids=[f"{p[0]} {p[4]} {p[1]} {p[3]}" for p in PLACES])
def test_hints_count_only_for_the_current_attempt(spot: tuple[str, Phase, Definition, str, str]) -> None:
    player, _ = at(*spot, paused=False, recovered=False)
    attempt = player.state.steps[spot[4]].attempt
    for kind in Kind:
        for outcome in (Outcome.FAILED, Outcome.EXPIRED, Outcome.UNSUPPORTED, Outcome.IN_PROGRESS):
            for other in (attempt - 1, attempt + 1):
                player.tell(player.reply(spot[4], outcome, kind=kind, attempt=other))
                assert player.facts == (), f"{kind} {outcome} of attempt {other}"


def test_every_state_is_walked() -> None:
    assert {Status(place[0]) for place in PLACES} == set(Status)
