"""When timers were last seen being fired, by what one instance knows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from saga_coordinator.loops.liveness import SCOPE, SEEN
from saga_coordinator.overview.assembly import timers_seen_us
from saga_coordinator.store.look import Look

BEFORE = Look(now_us=1, next_due_us=None, inbox=False, outbox=False, letters=False, spans=False, registered="", control={})


def beaten(at_us: int) -> Look:
    return replace(BEFORE, control={SCOPE: {SEEN: str(at_us)}})


@pytest.mark.parametrize(
    ("look", "own_us", "seen_us"),
    [
        pytest.param(None, None, None, id="nobody has looked"),
        pytest.param(BEFORE, None, None, id="nobody has beaten"),
        pytest.param(BEFORE, 5, 5, id="our first beat, which no look has shown yet"),
        pytest.param(beaten(7), None, 7, id="another instance fires them"),
        pytest.param(beaten(7), 5, 7, id="another one later than we"),
        pytest.param(beaten(3), 5, 5, id="we later than a look shows"),
    ],
)
def test_the_latest_beat_counts_wherever_it_is_known(look: Look | None, own_us: int | None, seen_us: int | None) -> None:
    assert timers_seen_us(look, own_us) == seen_us
