"""Which rows of a participant fit a step: the whole table, and what the coordinator knows by each
state of a step."""

from __future__ import annotations

import pytest

from saga_coordinator.doctor.comparison import BarrierRow, Recorded, Trouble, compare, recorded, way_out
from saga_coordinator.engine.state import FINAL, Phase, Saga, Status, StepState
from saga_schemas.outcomes import Outcome, RowState

TABLE = """
             none       ACCEPTED     DONE          REJECTED  UNDONE  FENCED
nothing      -          unowned      unowned       -         -       -
undecided    -          -            -             -         -       -
stands       gone       gone         -             gone      gone    gone
leaving      gone       gone         -             gone      -       gone
undone       forgotten  comes_again  stands_again  -         -       -
not_done     forgotten  unowned      unowned       -         -       -
"""
OLDER = {"stands": "older", "leaving": "older", "undone": "forgotten", "not_done": "forgotten"}
"""What a row that fits is called where it is of an older run."""
HEAD, *LINES = [line.split() for line in TABLE.strip().splitlines()]
CELLS = [(line[0], state, cell) for line in LINES for state, cell in zip(HEAD, line[1:], strict=True)]


def row(state: str, run: int = 2) -> BarrierRow | None:
    return None if state == "none" else BarrierRow(state=RowState(state), run=run)


def name(trouble: Trouble | None) -> str:
    return "-" if trouble is None else str(trouble)


def test_the_table_has_every_cell() -> None:
    assert {(known, state) for known, state, _ in CELLS} == {(k.value, s) for k in Recorded for s in ("none", *RowState)}


@pytest.mark.parametrize(("known", "state", "cell"), CELLS)
@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize("late", [True, False])
def test_every_row_against_everything_that_is_recorded(known: str, state: str, cell: str, final: bool, late: bool) -> None:
    def said(run: int) -> str:
        return name(compare(Recorded(known), row(state, run), run=2, final=final, late=late))

    silent = (cell == "forgotten" and not late) or (known == "nothing" and not final)
    assert said(2) == said(3) == ("-" if silent else cell)
    older = OLDER.get(known, "-") if cell == "-" else cell
    assert said(1) == ("-" if silent or (older == "forgotten" and not late) else older)


SUCCEEDED = frozenset({Outcome.SUCCEEDED})
REJECTED = frozenset({Outcome.REJECTED})
WAY_BACK = (Status.UNDO_DUE, Status.UNDO_ASKED, Status.UNDO_BACKOFF, Status.STUCK_BACK, Status.RESOLVING, Status.CONFLICT)
STEPS = [
    *[(StepState(status=status, evidence=SUCCEEDED), Recorded.STANDS) for status in (Status.DONE, Status.KEPT)],
    *[(StepState(status=status, evidence=SUCCEEDED), Recorded.LEAVING) for status in WAY_BACK],
    *[(StepState(status=status, evidence=REJECTED), Recorded.UNDECIDED) for status in WAY_BACK],
    (StepState(status=Status.UNDONE, evidence=frozenset({Outcome.UNDONE})), Recorded.UNDONE),
    (StepState(status=Status.NO_EFFECT, evidence=REJECTED), Recorded.NOT_DONE),
    (StepState(status=Status.NO_EFFECT), Recorded.NOTHING),
    (StepState(status=Status.IDLE), Recorded.NOTHING),
    *[
        (StepState(status=status), Recorded.UNDECIDED)
        for status in (Status.READY, Status.ASKED, Status.ACCEPTED, Status.BACKOFF, Status.STUCK_FORWARD, Status.WAIVED)
    ],
]


def saga(phase: Phase) -> Saga:
    return Saga(
        id="019b0000-0000-7000-8000-000000000001",
        tenant="default",
        definition="0" * 64,
        key=None,
        version=1,
        phase=phase,
        incarnation=1,
        input=b"",
        steps={},
        started_at_us=1,
    )


def test_every_status_is_known_for_something() -> None:
    assert {step.status for step, _ in STEPS} == set(Status)


@pytest.mark.parametrize(("step", "known"), STEPS)
def test_what_a_status_says(step: StepState, known: Recorded) -> None:
    for phase in Phase:
        assert recorded(saga(phase), step, asks_again=False) is known


def test_nothing_is_known_of_what_an_open_saga_asks_again() -> None:
    done = StepState(status=Status.DONE, evidence=SUCCEEDED)
    asked = StepState(status=Status.DONE, answered=False)
    for phase in Phase:
        final = phase in FINAL
        assert recorded(saga(phase), done, asks_again=True) is (Recorded.STANDS if final else Recorded.UNDECIDED)
        assert recorded(saga(phase), asked, asks_again=False) is (Recorded.STANDS if final else Recorded.UNDECIDED)


@pytest.mark.parametrize("trouble", Trouble)
def test_every_finding_has_a_way_out(trouble: Trouble) -> None:
    step = StepState(status=Status.DONE)
    assert "recover participant" not in way_out(trouble, step, final=True), "a finished saga asks nothing"
    asks = trouble not in (Trouble.UNOWNED, Trouble.FORGOTTEN)
    assert ("recover participant" in way_out(trouble, step, final=False)) is asks
    assert "waive --unsafe" in way_out(trouble, StepState(status=Status.CONFLICT), final=False)
