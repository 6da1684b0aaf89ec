"""Random deliveries in any order, doubled and lost, against one row: what no order may break (S3,
S4, the net effect, the run).

Commands are a set that only grows, as in the model: whatever was sent once may be delivered at any
time, any number of times.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from saga_participant.barrier import table as barrier
from saga_participant.barrier.table import CommandFacts, Ending, Row, Task
from saga_schemas.outcomes import Kind, Outcome, RowState

RUNS = st.integers(1, 3)
COMMANDS = st.builds(
    CommandFacts,
    kind=st.sampled_from(Kind),
    run=RUNS,
    incarnation=st.integers(1, 2),
    expired=st.booleans(),
    fenceable=st.booleans(),
)
DELIVERY = st.tuples(st.just("deliver"), COMMANDS, st.sampled_from(Ending), st.sampled_from(Ending))
ANSWER = st.tuples(st.just("answer"), RUNS, st.sampled_from([Ending.DONE, Ending.REJECTED]), st.sampled_from(Ending))
LEASE = st.tuples(st.just("lease over"), st.none(), st.none(), st.none())


@dataclass
class World:
    """The row, and a ledger that counts every effect by its run."""

    row: Row | None = None
    acts: Counter[int] = field(default_factory=Counter)
    undos: Counter[int] = field(default_factory=Counter)
    fenced_up_to: int = 0
    said: list[tuple[CommandFacts, Outcome]] = field(default_factory=list)

    def deliver(self, command: CommandFacts, first: Ending, second: Ending) -> None:
        """One transaction: cells until one answers.

        The endings are what handlers do when called, in turn.
        """
        endings = iter((first, second, Ending.DONE, Ending.DONE))
        acts, undos = self.acts.copy(), self.undos.copy()
        for _ in range(4):
            verdict = barrier.decide(self.row, command)
            if verdict.task is Task.REFUSE:
                return
            if verdict.task is Task.ANSWER:
                assert verdict.outcome is not None
                self._keep(verdict.row)
                self._say(command, verdict.outcome)
                return
            ending = next(endings)
            if verdict.task is Task.ACT:
                row, outcome = barrier.acted(self.row, command, ending)
                if ending is Ending.FAILED:
                    self.acts, self.undos = acts, undos
                    self._keep(row)
                elif row is not None:
                    self._effect(ending, command.run)
                    self._keep(row)
                self._say(command, outcome)
                return
            assert verdict.row is not None
            if verdict.task is Task.UNDO:
                row, outcome = barrier.undid(verdict.row, command, ending)
                if ending is Ending.DONE:
                    self.undos[verdict.row.run if self.acts[verdict.row.run] else max(self.acts)] += 1
                self._keep(row)
                self._say(command, outcome)
                return
            if ending in (Ending.FAILED, Ending.ACCEPTED):
                self._keep(replace(verdict.row, lease_over=ending is Ending.FAILED))
                self._say(command, Outcome.IN_PROGRESS)
                return
            self._end(verdict.row, ending, next(endings))

    def answer(self, run: int, ending: Ending, undo: Ending) -> None:
        """An answer given later."""
        if self.row is not None and barrier.may_answer(self.row, run):
            self._end(self.row, ending, undo)

    def lease_over(self) -> None:
        if self.row is not None and self.row.state is RowState.ACCEPTED:
            self.row = replace(self.row, lease_over=True)

    def _end(self, row: Row, ending: Ending, undo: Ending) -> None:
        self._effect(ending, row.run)
        closed = barrier.ended(row, ending)
        wish = closed.wish
        self._keep(replace(closed, wish=None))
        if wish is not None:
            self.deliver(CommandFacts(kind=Kind.COMPENSATION, run=wish, incarnation=closed.incarnation), undo, Ending.DONE)

    def _effect(self, ending: Ending, run: int) -> None:
        if ending is Ending.DONE:
            assert run > self.fenced_up_to, "S4: an action of a run that was fenced"
            self.acts[run] += 1

    def _keep(self, row: Row | None) -> None:
        if self.row is not None:
            assert row is not None
            assert row.run >= self.row.run, "the row's run never falls"
            assert row.incarnation >= self.row.incarnation
        self.row = row

    def _say(self, command: CommandFacts, outcome: Outcome) -> None:
        if outcome in (Outcome.FENCED, Outcome.NOTHING_TO_UNDO, Outcome.UNDONE):
            self.fenced_up_to = max(self.fenced_up_to, command.run)
        self.said.append((command, outcome))


@settings(max_examples=400)
@given(st.lists(st.one_of(DELIVERY, DELIVERY, DELIVERY, ANSWER, LEASE), max_size=30))
def test_no_order_of_deliveries_doubles_an_effect_or_revives_a_fenced_run(events: list[tuple]) -> None:  # type: ignore[type-arg]
    world = World()
    for name, first, second, third in events:
        if name == "deliver":
            world.deliver(first, second, third)
        elif name == "answer":
            world.answer(first, second, third)
        else:
            world.lease_over()
        assert all(count <= 1 for count in world.acts.values()), "S3: one effect a run"
        assert sum(world.undos.values()) <= sum(world.acts.values()), "S3: no undo without an effect"
        net = sum(world.acts.values()) - sum(world.undos.values())
        assert net in (0, 1), "S2: the net effect is 0 or 1 at every instant"
        assert net == (1 if world.row is not None and world.row.state is RowState.DONE else 0), "the row tells the truth"


@settings(max_examples=200)
@given(st.lists(DELIVERY, max_size=20), COMMANDS)
def test_asked_twice_in_a_row_the_answer_is_the_same(events: list[tuple], command: CommandFacts) -> None:  # type: ignore[type-arg]
    world = World()
    for _, first, second, third in events:
        world.deliver(first, second, third)
    world.deliver(command, Ending.DONE, Ending.DONE)
    said = len(world.said)
    row = world.row
    world.deliver(command, Ending.DONE, Ending.DONE)
    if len(world.said) > said:  # else it was refused, twice
        assert world.said[-1] == world.said[said - 1]
    assert world.row == row
