"""What is wrong, in words, and the way out: rules over the figures, the worst first. Pure.

Each rule looks at one thing and says nothing while that is well. Its limits are those at which a
person would want to be told; alerts for machines stand in docs/metrics.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from saga_coordinator.views import trouble_of_participants as participants
from saga_coordinator.views import trouble_of_sagas as sagas
from saga_coordinator.views import trouble_of_schedules as schedules
from saga_coordinator.views.situation import Situation
from saga_coordinator.views.trouble import SEVERITIES, Trouble
from saga_coordinator.views.words import many, number

RULES: Final[tuple[Callable[[Situation], Iterator[Trouble]], ...]] = (
    sagas.problems,
    sagas.kafka_away,
    sagas.outbox,
    sagas.timers,
    participants.nobody_reads,
    participants.fails,
    participants.silent,
    sagas.attention,
    schedules.late,
    schedules.needed,
    sagas.recovery,
    sagas.unread_replies,
    sagas.dead_letters,
    sagas.retention,
    schedules.waits,
    sagas.paused,
    participants.behind,
    participants.rejects,
    sagas.goes_back,
)


def troubles(now: Situation) -> tuple[Trouble, ...]:
    """All that is wrong, the worst first, and in the order of the rules."""
    found = [trouble for rule in RULES for trouble in rule(now)]
    return tuple(sorted(found, key=lambda one: SEVERITIES.index(one.severity)))


def calm(now: Situation, started_per_s: float) -> str:
    """The one line where nothing is wrong."""
    if not now.lines:
        return "nothing is defined yet, so nothing can start"
    if not now.open and not started_per_s:
        return "all is well, and nothing runs"
    return f"all is well: {many(now.open, 'saga')} open, {number(started_per_s)} start a second, nobody has to look"
