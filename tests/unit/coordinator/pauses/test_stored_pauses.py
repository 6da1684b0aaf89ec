"""Pauses as their rows hold them."""

from __future__ import annotations

from uuid import UUID

import pytest

from saga_coordinator.engine.pauses import NO_PAUSES, Interval
from saga_coordinator.pauses.known import KnownPauses
from saga_coordinator.pauses.stored import HEARD_WITHIN_US, MOST, ScopePauses, held, read, write
from saga_coordinator.store.look import Look
from saga_coordinator.store.pause_port import CONTROL_SCOPES, PauseRow

ONE = UUID("0190a000-0000-7000-8000-000000000001")


def row(pauses: ScopePauses, name: str = "order") -> PauseRow:
    return PauseRow(scope="definition", name=name, value=write(pauses), who="ann", why="the bank is down")


def test_what_is_written_is_read() -> None:
    begun = ScopePauses().begun(10)
    ended = begun.ended(20)
    for pauses in (ScopePauses(), begun, ended, ended.woken([ONE]), ended.woken([]), ended.begun(30)):
        assert read(write(pauses)) == pauses


@pytest.mark.parametrize(
    "value", ["", "{", "[]", "7", "{}", '{"pauses":7}', '{"pauses":[[1]]}', '{"pauses":[],"waking":{}}', "\x00"]
)
def test_a_row_of_nonsense_pauses_nothing(value: str) -> None:
    assert read(value) == ScopePauses()


def test_sagas_are_woken_in_two_rounds() -> None:
    pauses = ScopePauses().begun(10).ended(20)
    assert pauses.waking is not None and (pauses.waking.last_round, pauses.waking.not_before_us) == (False, 20)
    pauses = pauses.woken([ONE])
    assert pauses.waking is not None and pauses.waking.after == ONE
    pauses = pauses.woken([])
    assert pauses.waking is not None
    assert (pauses.waking.last_round, pauses.waking.not_before_us, pauses.waking.after) == (True, 20 + HEARD_WITHIN_US, None)
    assert pauses.woken([ONE]).woken([]).waking is None


def test_a_pause_that_begins_anew_wakes_nobody() -> None:
    assert ScopePauses().begun(10).ended(20).begun(30).waking is None


def test_of_many_pauses_the_oldest_two_are_taken_for_one() -> None:
    pauses = ScopePauses()
    for n in range(MOST + 3):
        pauses = pauses.begun(10 * n).ended(10 * n + 1)
    assert len(pauses.intervals) == MOST
    assert pauses.intervals[0] == Interval(0, 31)
    assert pauses.intervals[-1] == Interval(10 * (MOST + 2), 10 * (MOST + 2) + 1)


def test_those_that_go_on_are_told_with_who_and_why() -> None:
    (told,) = held([row(ScopePauses().begun(10)), row(ScopePauses().begun(10).ended(20), "other")])
    assert (told.scope, told.name, told.since_us, told.who, told.why) == ("definition", "order", 10, "ann", "the bank is down")


def test_an_instance_knows_what_its_latest_look_says() -> None:
    looks: list[Look | None] = [None]
    known = KnownPauses(lambda: looks[0])
    assert known() is NO_PAUSES
    looks[0] = look({})
    assert known() is NO_PAUSES
    looks[0] = look({"order": ScopePauses().begun(10)})
    assert (known().paused_definitions, known().as_of_us, known().last_end_us) == (frozenset({"order"}), 99, 0)
    looks[0] = look({"order": ScopePauses().begun(10).ended(20)})
    assert (known().paused_definitions, known().last_end_us) == (frozenset(), 20)


def look(rows: dict[str, ScopePauses]) -> Look:
    control = {CONTROL_SCOPES["definition"]: {name: write(pauses) for name, pauses in rows.items()}} if rows else {}
    return Look(now_us=99, next_due_us=1, inbox=False, outbox=False, letters=False, spans=False, registered="", control=control)
