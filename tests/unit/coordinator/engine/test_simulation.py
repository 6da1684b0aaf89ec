"""Random sagas in a hostile world (`simulation.py`): the promise's invariants at every step, and an
end for every saga.

The default profile runs in seconds; `SAGA_HYPOTHESIS=deep` looks for minutes.
"""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from saga_coordinator.engine.definition import Definition
from saga_coordinator.engine.encoding import decode_facts
from saga_coordinator.engine.events import Event, Reply
from saga_coordinator.engine.facts import Fact, ReplySeen
from saga_coordinator.engine.state import FINAL
from saga_schemas.limits import INT64_MAX
from saga_schemas.times import FIRST_US, LAST_US
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


@settings(PROFILE)
@given(shape=shapes(), seed=SEEDS, restore=st.booleans())
def test_and_where_it_begins_later(shape: Definition, seed: int, restore: bool) -> None:
    World(shape, seed, Troubles(delay=0.9, operator=0.15, restore=restore, steps=100)).run()


class Liars(World):
    """The same life, but every participant says something of its time: true or a lie."""

    lies = random.Random(7)

    def tell(self, event: Event) -> tuple[Fact, ...]:
        if isinstance(event, Reply):
            taken = self.lies.choice([None, FIRST_US, LAST_US, 0, self.now - 1, self.now, self.now + 1])
            handler = self.lies.choice([None, 0, 1, 1_000, INT64_MAX])
            event = replace(event, taken_at_us=taken, handler_us=handler)
        return super().tell(event)


def without_times(world: World) -> list[tuple[Fact, ...]]:
    """What was decided, but for what replies say of their time."""
    facts = [decode_facts(record) for record in world.journal]
    return [
        tuple(replace(fact, taken_at_us=None, handler_us=None) if isinstance(fact, ReplySeen) else fact for fact in record)
        for record in facts
    ]


@settings(PROFILE, max_examples=40)
@given(shape=shapes(), seed=SEEDS)
def test_what_a_participant_says_of_its_time_decides_nothing(shape: Definition, seed: int) -> None:
    honest, liars = World(shape, seed, Troubles()), Liars(shape, seed, Troubles())
    assert liars.run() == honest.run()
    assert without_times(liars) == [decode_facts(record) for record in honest.journal]
    assert liars.journal_at == honest.journal_at
