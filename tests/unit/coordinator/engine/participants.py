"""The world beyond the coordinator: participants by the barrier table, each with the truth about
its effects.

A model of its own, written after the design's table and its exhaustive model, not after the kit. It
checks what must hold at the participant whatever the coordinator does: an effect at most once per
run, undone at most once, never after its fence (S2, S3, S4).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from saga_coordinator.engine.facts import CommandSent
from saga_schemas.outcomes import Kind, Outcome


class Row(Enum):
    ABSENT = auto()
    ACCEPTED = auto()
    DONE = auto()
    REJECTED = auto()
    FENCED = auto()
    UNDONE = auto()


class Will(Enum):
    """What the handler would do with a command that is run."""

    SUCCEED = auto()
    REJECT = auto()
    FAIL = auto()
    ACCEPT = auto()


@dataclass(frozen=True)
class Answer:
    """An outcome, and the run of the row when it is newer than the command's."""

    outcome: Outcome
    row_run: int | None = None
    sequence: int | None = None
    kind: Kind | None = None
    """Set when it answers another command than the one at hand: accepted work that ended in an
    undo."""


@dataclass
class Participant:
    """One step's barrier row and its effects."""

    row: Row = Row.ABSENT
    run: int = 0
    incarnation: int = 0
    undo_wished: int | None = None
    """Incarnation of the compensation that met accepted work."""
    working: bool = False
    """Somebody works on the accepted command; False after a crash, until something asks again."""
    sequence: int = 0
    acted: set[int] = field(default_factory=set)
    undone: set[int] = field(default_factory=set)
    fenced_to: int = 0
    highest_sent: int = 0
    """Over all commands ever sent to it."""

    @property
    def net(self) -> int:
        return len(self.acted) - len(self.undone)

    @property
    def settled(self) -> bool:
        """Nothing that was sent can have an effect any more."""
        return self.row in (Row.FENCED, Row.UNDONE, Row.REJECTED) and self.run >= self.highest_sent and self.net == 0

    def receive(self, command: CommandSent, incarnation: int, will: Will, *, expired: bool) -> Answer | None:
        """What one cell of the barrier table answers; None: no reply."""
        if self.row is not Row.ABSENT and incarnation < self.incarnation:
            return None
        if self.row is Row.ABSENT and expired:
            return Answer(Outcome.EXPIRED)
        self.incarnation = max(self.incarnation, incarnation)
        match command.kind:
            case Kind.ACTION:
                return self._action(command.run, will)
            case Kind.COMPENSATION:
                return self._compensation(command.run, will)
            case Kind.RESOLVE:
                return self._resolve(command.run)

    def _action(self, run: int, will: Will) -> Answer:
        match self.row:
            case Row.ACCEPTED:
                self.working = self.working or run >= self.run
                return self._in_progress()
            case Row.DONE:
                self.run = max(self.run, run)
                return self._done(run)
            case Row.REJECTED if run <= self.run:
                return Answer(Outcome.REJECTED)
            case Row.FENCED | Row.UNDONE if run <= self.run:
                return Answer(Outcome.FENCED)
        return self._run_it(run, will)

    def _run_it(self, run: int, will: Will) -> Answer:
        if will is Will.FAIL:
            return Answer(Outcome.FAILED)
        self.run = run
        if will is Will.SUCCEED:
            self._act(run)
            self.row = Row.DONE
            return Answer(Outcome.SUCCEEDED)
        if will is Will.REJECT:
            self.row = Row.REJECTED
            self._fence(run)
            return Answer(Outcome.REJECTED)
        self.row, self.working, self.undo_wished = Row.ACCEPTED, True, None
        self.sequence += 1
        return self._in_progress()

    def _compensation(self, run: int, will: Will) -> Answer:
        match self.row:
            case Row.ACCEPTED:
                if run >= self.run:
                    self.undo_wished, self.working = self.incarnation, True
                return self._in_progress()
            case Row.DONE if run < self.run:
                return Answer(Outcome.SUCCEEDED, row_run=self.run)
            case Row.DONE if will is Will.FAIL:
                return Answer(Outcome.FAILED)
            case Row.DONE if will is Will.REJECT:
                return Answer(Outcome.REJECTED)
            case Row.DONE:
                self._undo()
                self.row, self.run = Row.UNDONE, max(self.run, run)
            case Row.ABSENT | Row.REJECTED:
                if run >= self.run:
                    self.row = Row.FENCED
                self.run = max(self.run, run)
            case _:
                self.run = max(self.run, run)
        self._fence(run)
        return Answer(Outcome.UNDONE if self.row is Row.UNDONE else Outcome.NOTHING_TO_UNDO)

    def _resolve(self, run: int) -> Answer:
        match self.row:
            case Row.ACCEPTED:
                self.working = self.working or run >= self.run
                return self._in_progress()
            case Row.DONE:
                self.run = max(self.run, run)
                return self._done(run)
            case Row.REJECTED if run <= self.run:
                return Answer(Outcome.REJECTED)
            case Row.ABSENT | Row.REJECTED:
                self.row = Row.FENCED
        self.run = max(self.run, run)
        self._fence(run)
        return Answer(Outcome.FENCED)

    def work_ends(self, will: Will) -> Answer | None:
        """Accepted work is over: a transaction of its own, with compare-and-set on the row's state
        and run."""
        if self.row is not Row.ACCEPTED or not self.working:
            return None
        self.working = False
        if self.undo_wished is None:
            return self._run_it(self.run, Will.REJECT if will is Will.REJECT else Will.SUCCEED)
        if will is Will.REJECT:
            self.row, outcome = Row.FENCED, Outcome.NOTHING_TO_UNDO
        else:
            self._act(self.run)
            self._undo()
            self.row, outcome = Row.UNDONE, Outcome.UNDONE
        self._fence(self.run)
        return Answer(outcome, kind=Kind.COMPENSATION)

    def _in_progress(self) -> Answer:
        """Without news: asked again it says what it said."""
        return Answer(Outcome.IN_PROGRESS, sequence=self.sequence)

    def _done(self, run: int) -> Answer:
        return Answer(Outcome.SUCCEEDED, row_run=self.run if self.run > run else None)

    def _act(self, run: int) -> None:
        assert run not in self.acted, "S3: one run acted twice"
        assert run > self.fenced_to, "S4: acted after its fence"
        self.acted.add(run)
        assert self.net in (0, 1), "S2"

    def _undo(self) -> None:
        run = max(self.acted)
        assert run not in self.undone, "S3: undone twice"
        self.undone.add(run)
        assert self.net in (0, 1), "S2"

    def _fence(self, run: int) -> None:
        self.fenced_to = max(self.fenced_to, run)
