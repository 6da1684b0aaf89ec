"""The check that the runs under kills rely on goes red for one effect lost, doubled, left behind or
of nobody's."""

from __future__ import annotations

import pytest

from support.ledger import STEPS, Effect, wrongs

PHASES = {"done": "COMPLETED", "undone": "COMPENSATED"}
DONE = [Effect("done", step, "action", 1) for step in STEPS]
UNDONE = [Effect("undone", "reserve", kind, 1) for kind in ("action", "compensation")]


def test_right_books_are_not_complained_of() -> None:
    assert list(wrongs(DONE + UNDONE, PHASES)) == []


@pytest.mark.parametrize(
    ("effects", "complaint"),
    [
        (DONE[1:] + UNDONE, "done COMPLETED: reserve has a net effect of 0"),
        (DONE[:1] + DONE + UNDONE, "done: reserve run 1: action 2 times"),
        (DONE + UNDONE[:1], "undone COMPENSATED: reserve has a net effect of 1"),
        (DONE + UNDONE[1:], "undone: reserve run 1: undone but never done"),
        (DONE + UNDONE + UNDONE[1:], "undone: reserve run 1: compensation 2 times"),
        (DONE + UNDONE + [Effect("other", "ship", "action", 1)], "other: effects of a saga that nobody started"),
    ],
)
def test_one_wrong_effect_is_found(effects: list[Effect], complaint: str) -> None:
    assert complaint in list(wrongs(effects, PHASES))


def test_a_saga_that_has_not_ended_is_found() -> None:
    assert list(wrongs(DONE + UNDONE, {**PHASES, "undone": "COMPENSATING"}))
