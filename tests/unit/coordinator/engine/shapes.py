"""Definitions of any shape, drawn by hypothesis, and how many of them."""

from __future__ import annotations

import os
from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from saga_coordinator.engine.definition import Definition, Retry, Step, Timing
from unit.coordinator.engine.sagas import COMPENSATABLE, PIVOT, RETRIABLE, RETRY, Given, Text, definition, step

DEEP = os.environ.get("SAGA_HYPOTHESIS") == "deep"
settings.register_profile(
    "engine",
    max_examples=20_000 if DEEP else 120,
    derandomize=not DEEP,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
PROFILE = settings.get_profile("engine")


@st.composite
def times(draw: st.DrawFn) -> Timing:
    return Timing(
        step_ms=draw(st.sampled_from([None, 5_000, 30_000])),
        reask_ms=2_000,
        reask_cap_ms=20_000,
        heartbeat_ms=draw(st.sampled_from([None, 6_000])),
        attention_ms=60_000,
        expiry_ms=draw(st.sampled_from([3_600_000, 3_000])),
    )


@st.composite
def steps(draw: st.DrawFn, name: str, kind: object, after: list[str]) -> Step:
    own = Text(f"Undo.{name}", frozenset({name}) if draw(st.booleans()) else frozenset())
    undo: Text | None = draw(st.sampled_from([own] * 9 + [None] * 2 + [replace(own, fails=True)]))
    when = draw(st.sampled_from([None] * 14 + [Given(True)] * 2 + [Given(False)] * 4 + [Given(fails=True)]))
    fails = draw(st.integers(0, 39)) == 39
    attempts: int | None = None if kind is RETRIABLE else draw(st.integers(1, 4))
    retry: Retry = replace(RETRY, attempts=attempts)
    action = Text(f"Do.{name}", fails=fails)
    return step(name, kind, after=after, when=when, action=action, undo=undo, times=draw(times()), retry=retry)  # type: ignore[arg-type]


@st.composite
def shapes(draw: st.DrawFn) -> Definition:
    """Compensatable steps in any DAG; perhaps a pivot after all of them; perhaps retriable steps
    after that."""
    made: list[Step] = []
    for number in range(draw(st.integers(1, 4))):
        names = [s.name for s in made]
        after = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
        made.append(draw(steps(f"c{number}", COMPENSATABLE, after)))
    if draw(st.booleans()):
        made.append(draw(steps("p", PIVOT, [s.name for s in made])))
        for number in range(draw(st.integers(0, 2))):
            before = draw(st.sampled_from([s.name for s in made if s.kind is not COMPENSATABLE]))
            made.append(draw(steps(f"r{number}", RETRIABLE, [before])))
    return definition(*made, deadline_s=draw(st.sampled_from([None, 15, 60])))


SEEDS = st.integers(0, 2**40)
