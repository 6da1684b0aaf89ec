"""Both directions of a step, and which effects stand, told from its state and its attempts."""

from __future__ import annotations

import pytest

from saga_coordinator.console.formatting import STATUSES
from saga_coordinator.console.saga.effects import effects
from saga_coordinator.console.saga.plan import StepPlan, read_plan
from saga_coordinator.console.saga.step_sides import step_sides
from saga_coordinator.views.saga import StepView
from saga_schemas.outcomes import Kind, Outcome
from support.saga_views import attempt, needs, step, view

PLAN = StepPlan(
    name="charge", participant="payment", kind="compensatable", after=(), command="shop.ChargeCard", compensation="shop.Refund"
)
DONE = attempt(Outcome.SUCCEEDED)
UNDO, RESOLVE = Kind.COMPENSATION, Kind.RESOLVE


@pytest.mark.parametrize(
    ("of", "phase", "forward", "undo", "effect"),
    [
        (step("charge", "idle"), "RUNNING", ("not reached", "payment · not reached"), None, None),
        (step("charge", "no_effect"), "RUNNING", ("skipped: its condition is false", "payment · skipped"), None, None),
        (step("charge", "no_effect"), "COMPENSATING", ("not reached", "payment · not reached"), None, None),
        (step("charge", "done", DONE), "RUNNING", ("done", "payment · 40 ms"), None, ("1", "stands")),
        (
            step("charge", "no_effect", attempt(Outcome.REJECTED), code="over_limit"),
            "COMPENSATED",
            ("refused: it had no effect", "payment · over_limit"),
            None,
            ("0", "never came about"),
        ),
        (
            step("charge", "undo_due", DONE),
            "COMPENSATING",
            ("done", "payment · 40 ms"),
            ("to be undone, once what depends on it is", "its turn comes"),
            ("1", "stands until it is undone"),
        ),
        (
            step("charge", "stuck_back", DONE, attempt(Outcome.FAILED, 20, UNDO, code="bank_down")),
            "COMPENSATING",
            ("done", "payment · 40 ms"),
            ("stuck on the way back: a person is needed", "20 × FAILED bank_down"),
            ("1", "stands, and could not be undone yet"),
        ),
        (
            step("charge", "undone", DONE, attempt(Outcome.UNDONE, 1, UNDO)),
            "COMPENSATED",
            ("done", "payment · 40 ms"),
            ("undone", "payment · 40 ms"),
            ("0", "undone"),
        ),
        (
            step("charge", "undone", attempt(Outcome.FENCED)),
            "COMPENSATED",
            ("never ran", "payment"),
            None,
            ("0", "never came about"),
        ),
        (
            step("charge", "undo_asked", attempt(None), attempt(None, 1, UNDO)),
            "COMPENSATING",
            ("asked; whether it was done is not known", "payment"),
            ("asked to undo; its answer is awaited", "payment · asked to undo"),
            ("?", "not known: it was asked, and has not said"),
        ),
        (
            step("charge", "stuck_forward", attempt(Outcome.REJECTED), code="no"),
            "COMMITTED",
            ("stuck on the way forward: a person is needed", "payment · no"),
            None,
            ("0", "does not stand: it was refused"),
        ),
        (
            step("charge", "conflict", DONE),
            "COMPENSATING",
            ("two answers contradict each other", "payment · 40 ms"),
            None,
            ("?", "not known: its answers contradict each other"),
        ),
    ],
)
def test_what_a_step_says(
    of: StepView, phase: str, forward: tuple[str, str], undo: tuple[str, str] | None, effect: tuple[str, str] | None
) -> None:
    sides = step_sides(view(of, phase=phase), {"charge": PLAN})

    (one,) = sides
    assert (one.forward.look.words, one.forward.detail) == forward
    assert (None if one.undo is None else (one.undo.look.words, one.undo.detail)) == undo
    assert [(found.standing, found.look.words) for found in effects(sides)] == ([] if effect is None else [effect])


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_every_state_has_its_words_whatever_was_asked(status: str) -> None:
    for made in ((), (attempt(None),), (DONE, attempt(None, 1, UNDO)), (attempt(Outcome.FENCED, 1, RESOLVE),)):
        for phase in ("RUNNING", "SETTLING", "COMMITTED", "COMPENSATING", "FORCED"):
            sides = step_sides(view(step("charge", status, *made), phase=phase), {"charge": PLAN})
            assert sides[0].forward.detail
            effects(sides)


def test_only_the_direction_that_is_stuck_stands_out() -> None:
    stuck = step("charge", "stuck_back", DONE, attempt(Outcome.FAILED, 20, UNDO))

    (one,) = step_sides(view(stuck, phase="COMPENSATING", attention=(needs("charge", "undo_failed"),)), {"charge": PLAN})

    assert one.undo is not None and (one.forward.alarm, one.undo.alarm) == (False, True)


def test_many_effects_that_are_alike_share_a_line_and_what_is_not_known_stands_first() -> None:
    many = [step(f"s{number}", "done", DONE) for number in range(20)] + [step("last", "asked", attempt(None))]

    found = effects(step_sides(view(*many), {}))

    assert [(one.standing, one.steps) for one in found][:2] == [("?", "last"), ("1", "s0")]
    plans = {one.name: StepPlan(name=one.name, participant="p", kind=None, after=(), command="a.B") for one in many}
    assert [(one.standing, one.effect, one.steps) for one in effects(step_sides(view(*many), plans))] == [
        ("?", "B", "last"),
        ("20", "B", "s0 and 19 more"),
    ]


@pytest.mark.parametrize("document", [None, b"", b"{", b'{"format": 9}'])
def test_without_a_document_that_can_be_read_the_view_says_what_it_knows(document: bytes | None) -> None:
    plans = read_plan(document, view(step("charge", "done", after=("reserve",))))

    assert (plans["charge"].after, plans["charge"].command, plans["charge"].effect) == (("reserve",), None, "charge")
