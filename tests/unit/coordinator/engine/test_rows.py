"""The transition table, row by row, as docs/ARCHITECTURE.md words it: given this happened, when
that happens, then so it is.

`then` names states (`a=done`), the phase, attention (`a!conflict`), and every command the event
sent (`+action:b`); `same` means that nothing at all changed (row 26). Words of the scripts:
`sagas.py`.
"""

from __future__ import annotations

import pytest

from saga_coordinator.engine.definition import Definition
from saga_coordinator.engine.state import Phase
from saga_coordinator.engine.table import ROWS as TABLE
from saga_coordinator.engine.table import SAGA_ROWS
from unit.coordinator.engine.rows import ROWS
from unit.coordinator.engine.sagas import Player, play


@pytest.mark.parametrize(("number", "story", "shape", "given", "when", "then"), ROWS, ids=[f"{r[0]}: {r[1]}" for r in ROWS])
def test_row(number: str, story: str, shape: Definition, given: str, when: str, then: str) -> None:
    player = play(shape, given)
    player.facts = ()
    before = player.saga
    player.happens(when)
    if then == "same":
        assert player.saga == before
        return
    assert player.facts, "nothing happened"
    assert sorted(player.commands) == sorted(word[1:] for word in then.split() if word.startswith("+"))
    assert [word for word in then.split() if not _holds(player, word)] == []


def test_every_row_of_the_table_has_a_case() -> None:
    elsewhere = {"15b", "22"}  # test_recovery.py
    assert {row.number for row in TABLE} | {row.number for row in SAGA_ROWS} == {row[0] for row in ROWS} | elsewhere


def _holds(player: Player, word: str) -> bool:
    saga = player.state
    if word.startswith("+"):
        return True
    if "=" in word:
        name, _, status = word.partition("=")
        return saga.steps[name].status == status
    if "!" in word:
        name, _, reason = word.partition("!")
        return saga.steps[name].attention == reason
    return saga.phase == Phase(word)
