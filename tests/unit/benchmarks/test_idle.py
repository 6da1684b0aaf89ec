"""The statements of an idle coordinator are counted from the server's log; a bar that was not
measured is missed."""

from __future__ import annotations

import pytest
from holding import Held, ratio
from idle import counted

LOG = """\
saga-coordinator LOG:  statement: BEGIN
saga-coordinator LOG:  execute __asyncpg_stmt_1__: SELECT 1
saga-coordinator DETAIL:  Parameters: $1 = '1'
saga-coordinator LOG:  execute <unnamed>: SELECT 1
\tFROM outbox
payment LOG:  execute __asyncpg_stmt_1__: SELECT 2
 LOG:  checkpoint complete
"""


def test_only_statements_of_coordinators_count() -> None:
    assert counted(LOG) == {"BEGIN": 1, "SELECT 1": 2}


@pytest.mark.parametrize(("found", "met"), [(1.49, True), (1.5, True), (1.51, False), (None, False)])
def test_a_bar_is_met_up_to_its_bound(found: float | None, met: bool) -> None:
    held = Held("an idle coordinator", found, 1.5, "% of a core")
    assert held.met is met
    assert ("met" if met else "MISSED") in held.line()
    assert held.as_json()["met"] is met


@pytest.mark.parametrize(("figure", "base", "times"), [(3.0, 2.0, 1.5), (None, 2.0, None), (3.0, 0.0, None), (3.0, None, None)])
def test_a_ratio_needs_both_figures(figure: float | None, base: float | None, times: float | None) -> None:
    assert ratio("cost", figure, base, 1.15).found == times
