"""What each act of a batch gives to a saga."""

from __future__ import annotations

from dataclasses import replace

import pytest

from saga_coordinator.batches.acts import ACTS, By, Events, act_named, is_stuck
from saga_coordinator.engine.events import Cancel, Pause, Refused, Resume, RetryStep, Terminate
from saga_coordinator.engine.state import Phase, Saga, Status, StepState
from unit.coordinator.api.stored import COMPILED, started

BY = By(actor="ada", reason="wrong prices")
DEFINITION = COMPILED.definition


def saga(**steps: StepState) -> Saga:
    begun = started().saga
    assert begun is not None
    return replace(begun, steps={**begun.steps, **steps})


def events_of(act: str) -> Events:
    events = ACTS[act].events
    assert events is not None
    return events


@pytest.mark.parametrize(("act", "event"), [("cancel", Cancel), ("pause", Pause), ("resume", Resume), ("terminate", Terminate)])
def test_acts_on_a_whole_saga_are_one_event_in_the_name_of_whoever_made_the_batch(act: str, event: type) -> None:
    assert events_of(act)(DEFINITION, saga(), BY) == [event(reason="wrong prices", actor="ada")]


def test_retry_asks_every_step_that_is_stuck_or_silent_and_no_other() -> None:
    stuck = saga(
        reserve=StepState(status=Status.ASKED),
        charge=StepState(status=Status.STUCK_FORWARD, attention="rejected"),
        ship=StepState(status=Status.ASKED, reasks=1),
    )
    assert events_of("retry")(DEFINITION, stuck, BY) == [
        RetryStep(step=step, reason="wrong prices", actor="ada") for step in DEFINITION.by_name if step in ("charge", "ship")
    ]


def test_retry_of_a_saga_in_which_nothing_is_stuck_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        events_of("retry")(DEFINITION, saga(), BY)
    assert refused.value.code == "not_stuck"


def test_of_a_finished_saga_nothing_is_stuck() -> None:
    with pytest.raises(Refused) as refused:
        events_of("retry")(DEFINITION, replace(saga(), phase=Phase.COMPLETED), BY)
    assert refused.value.code == "finished"


@pytest.mark.parametrize("status", Status)
def test_only_what_a_retry_moves_is_stuck(status: Status) -> None:
    """A step for which a person was called, and that no retry moves, would refuse the whole act."""
    called = StepState(status=status, attention="conflict", reasks=3)
    retried = {"stuck_forward", "stuck_back", "asked", "undo_asked", "undo_backoff", "resolving"}
    assert is_stuck(called) is (status.value in retried)


def test_an_act_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(Refused, match="cancel, retry") as refused:
        act_named("waive")
    assert refused.value.code == "act_unknown"
