"""Random sagas in a hostile world (`simulation.py`): the promise's invariants at every step, and an
end for every saga.

The default profile runs in seconds; `SAGA_HYPOTHESIS=deep` looks for minutes.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from saga_coordinator.engine.definition import Definition
from saga_coordinator.engine.state import FINAL
from unit.coordinator.engine.shapes import PROFILE, SEEDS, shapes
from unit.coordinator.engine.simulation import Troubles, World

MILD = Troubles(fail=0.1, reject=0.02, operator=0.01, unsupported=0.005)


@settings(PROFILE)
@given(shape=shapes(), seed=SEEDS)
def test_every_saga_keeps_the_promise_in_a_hostile_world(shape: Definition, seed: int) -> None:
    assert World(shape, seed, Troubles()).run().phase in FINAL
    assert World(shape, seed, MILD).run().phase in FINAL


@settings(PROFILE)
@given(shape=shapes(), seed=SEEDS, unsafe=st.booleans())
def test_and_with_operators_everywhere(shape: Definition, seed: int, unsafe: bool) -> None:
    World(shape, seed, Troubles(operator=0.4, unsafe=unsafe, fail=0.3, reject=0.15, unsupported=0.1)).run()


@settings(PROFILE)
@given(shape=shapes(), seed=SEEDS)
def test_and_after_a_restore_from_a_backup(shape: Definition, seed: int) -> None:
    World(shape, seed, Troubles(restore=True, steps=120)).run()
