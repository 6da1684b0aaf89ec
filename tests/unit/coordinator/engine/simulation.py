"""One saga in a hostile world, on a virtual clock: the real engine, modelled participants, a
network that loses, doubles, delays and reorders, topics that are wiped, operators who act at any
time, a database that is restored.

`World(shape, seed).run()` is one life of a saga: trouble first, then calm. While it lives the
safety invariants are checked at every step; once the faults stop and the clock runs it must end, or
ask for attention, within a bound. The same seed gives the same life.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from saga_coordinator.engine import evolve, timing, transition
from saga_coordinator.engine.definition import Definition, Step, StepKind
from saga_coordinator.engine.encoding import decode_facts, encode_facts
from saga_coordinator.engine.events import (
    Cancel,
    Env,
    Event,
    MoveStart,
    Pause,
    Recover,
    Refused,
    Reply,
    Resume,
    RetryStep,
    Start,
    Terminate,
    WaiveStep,
    WakeUp,
)
from saga_coordinator.engine.facts import Acted, Announced, CommandSent, EffectLeft, Fact, Fold, PhaseChanged, StepChanged
from saga_coordinator.engine.pauses import NO_PAUSES, Interval, Pauses, known_until, paused_us
from saga_coordinator.engine.state import SETTLED, Phase, Saga, Status, is_open
from saga_schemas.outcomes import Kind, Outcome
from unit.coordinator.engine.participants import Answer, Participant, Will
from unit.coordinator.engine.sagas import EMPTY, SECOND, check_transition, check_waits

HEARD_WITHIN = 2 * SECOND
"""How late, at most, an instance hears of a pause."""
CALM_ROUNDS = 400
"""Wake-ups within which a saga must end or ask for attention once faults have stopped (L1)."""


@dataclass(frozen=True)
class Troubles:
    """How hostile the world is; chances per command or step."""

    fail: float = 0.15
    reject: float = 0.05
    accept: float = 0.1
    unsupported: float = 0.02
    lose: float = 0.15
    double: float = 0.2
    crash: float = 0.05
    operator: float = 0.05
    unsafe: bool = False
    restore: bool = False
    terminate: float = 0.03
    delay: float = 0
    """That it begins later; it may be moved then."""
    steps: int = 70


@dataclass
class InFlight:
    """A message; its `at` is when it was written to the topic."""

    step: str
    at: int
    command: CommandSent
    incarnation: int
    version: int
    answer: Answer | None = None
    read: bool = False


class World:
    def __init__(self, shape: Definition, seed: int, troubles: Troubles) -> None:
        self.shape, self.seed, self.troubles = shape, seed, troubles
        self.dice = random.Random(seed)
        self.now = 1_700_000_000 * SECOND
        self.saga: Saga | None = None
        self.journal: list[bytes] = []
        self.journal_at: list[int] = []
        self.participants = {step.name: Participant() for step in shape.steps}
        self.commands: list[InFlight] = []
        self.replies: list[InFlight] = []
        self.pauses: dict[str, list[Interval]] = {}
        """Of the definition, of participants and, under its id, of the saga itself, as they are."""
        self.known = NO_PAUSES
        """The first two as the instance that decides has heard of them."""
        self.asked: dict[tuple[str, int], int] = {}
        """When each run of a step was first asked."""
        self.held: dict[str, str] = {}
        self.backup: tuple[Saga, int] | None = None
        self.restored = self.forced_hand = self.calm = False
        self.measured: dict[str, int] = {}
        self.alive_since: int | None = 0
        self.behind = _behind(shape)

    # --- one life ---------------------------------------------------------------------------------

    def run(self) -> Saga:
        delayed = self.troubles.delay > 0 and self.dice.random() < self.troubles.delay
        at_us = self._soon() if delayed else None
        begins = Start(
            id=f"0190a000-0000-7000-8000-{self.seed:012x}", tenant="t", key=None, input=b"in", incarnation=1, start_at_us=at_us
        )
        self.tell(begins)
        for _ in range(self.troubles.steps):
            self._something_happens()
        self._calm_down()
        self._must_end_or_ask()
        self._operator_mends()
        self._aftermath()
        return self.state

    def _something_happens(self) -> None:
        if self.dice.random() < self.troubles.operator:
            self._operator_acts()
        what = self.dice.random()
        if what < 0.35:
            self._deliver_command()
        elif what < 0.65:
            self._deliver_reply()
        elif what < 0.72:
            self._work_goes_on()
        elif what < 0.9:
            self._time_passes()
        elif what < 0.93:
            self._forged_reply()
        elif what < 0.94:
            self.commands.clear()  # all topics wiped
            self.replies.clear()
        elif what < 0.97:
            self._admission_changes()
        elif self.troubles.restore:
            self._backup_or_restore()

    @property
    def state(self) -> Saga:
        assert self.saga is not None
        return self.saga

    @property
    def lived_since(self) -> int:
        return Env(now_us=self.now, alive_since_us=self.alive_since).lived_since_us

    # --- the coordinator --------------------------------------------------------------------------

    def tell(self, event: Event) -> tuple[Fact, ...]:
        before, env = self.saga, self._env(event)
        facts, after = transition(self.shape, before, event, env, empty=EMPTY)
        if facts:
            self.saga = evolve(before, facts)
            assert after == self.saga, "S8: what was decided is what its facts fold to"
            check_transition(before, self.saga, facts)
            self.journal.append(encode_facts(facts))
            self.journal_at.append(self.now)
            self._check_limits(before, facts, env)
            for fact in facts:
                if isinstance(fact, CommandSent):
                    self._publish(fact)
            self._check_truth()
            self._check_alarms(before, facts)
            self._check_beginning(before, facts)
        check_waits(self.shape, self.state, self.now, self.known)
        return facts

    def _wake_up_at(self) -> int | None:
        return timing.next_wake_up_us(self.shape, self.state, self.now, self.lived_since, self.known)

    def _env(self, event: Event) -> Env:
        """Truthful: a participant's replies are read up to the time of the measurement, or up to
        the first unread one."""
        for step in self.shape.steps:
            unread = [m.at for m in self.replies if m.step == step.name and not m.read]
            if self.calm or self.dice.random() < 0.7:
                self.measured[step.participant] = min(unread, default=self.now + 1) - 1
        alive_since = self.alive_since if isinstance(event, WakeUp) else 0
        if self.calm or self.dice.random() < 0.5 or self.now - (self.known.as_of_us or 0) > HEARD_WITHIN:
            names = {step.participant for step in self.shape.steps}
            of = [{name: row for name, row in self.pauses.items() if name in known} for known in ({self.shape.name}, names)]
            self.known = Pauses.of(self.now, *of)
        return Env(
            now_us=self.now,
            caught_up_at_us=dict(self.measured),
            holds=self.held,
            pauses=self.known,
            alive_since_us=alive_since,
        )

    def _publish(self, command: CommandSent) -> None:
        participant = self.participants[command.step]
        if command.kind is Kind.COMPENSATION:
            self._check_order(command.step)
            assert b"null" not in command.payload, "row 13: the reply it reads was not asked for"
        if command.kind is Kind.ACTION:
            participant.highest_sent = max(participant.highest_sent, command.run)
            self.asked.setdefault((command.step, command.run), self.now)
        assert not timing.is_paused(self.shape, self.state, self.known), "row 24: sent while paused"
        assert command.participant not in self.known.paused_participants, "row 24: sent to a paused participant"
        if self.calm or self.dice.random() >= self.troubles.lose:
            message = InFlight(command.step, self.now, command, self.state.incarnation, self.state.version)
            self.commands.append(message)

    # --- the network and the participants ---------------------------------------------------------

    def _deliver_command(self) -> None:
        if not self.commands:
            return
        index = self.dice.randrange(len(self.commands))
        message = self.commands[index] if self._doubled() else self.commands.pop(index)
        if not self.calm and self.dice.random() < self.troubles.unsupported:
            self._answer(message, Answer(Outcome.UNSUPPORTED))
            return
        participant = self.participants[message.step]
        expired = message.command.expiry_at_us < self.now
        will = self._will(self.shape.by_name[message.step].kind)
        answer = participant.receive(message.command, message.incarnation, will, expired=expired)
        if answer is not None:
            self._answer(message, answer)

    def _answer(self, message: InFlight, answer: Answer) -> None:
        if self.calm or self.dice.random() >= self.troubles.crash:
            self.replies.append(replace(message, at=self.now, answer=answer, read=False))

    def _deliver_reply(self) -> None:
        if not self.replies:
            return
        index = self.dice.randrange(len(self.replies))
        message = self.replies[index] if self._doubled() else self.replies.pop(index)
        message.read = True
        if not self.state.final or self.dice.random() < 0.2:
            self.tell(self._reply(message))

    def _reply(self, message: InFlight) -> Reply:
        answer, command = message.answer, message.command
        assert answer is not None
        return Reply(
            step=message.step,
            kind=answer.kind or command.kind,
            run=command.run,
            attempt=command.attempt,
            incarnation=message.incarnation,
            version=message.version if not self.restored else 0,
            outcome=answer.outcome,
            sequence=answer.sequence,
            row_run=answer.row_run,
            code="never" if self.dice.random() < 0.02 else "busy",
            retry_after_ms=self.dice.choice([None, None, 0, 500, 10**9]) if not self.calm else None,
            payload=b"reply",
        )

    def _doubled(self) -> bool:
        return not self.calm and self.dice.random() < self.troubles.double

    def _will(self, kind: StepKind | None = None) -> Will:
        """What a handler does; past the pivot a no is likelier, for few sagas get there."""
        chance, trouble = self.dice.random(), self.troubles
        reject = trouble.reject * (5 if kind is StepKind.RETRIABLE else 1)
        if self.calm or chance >= trouble.fail + reject + trouble.accept:
            return Will.SUCCEED
        if chance < trouble.fail:
            return Will.FAIL
        return Will.REJECT if chance < trouble.fail + reject else Will.ACCEPT

    def _work_goes_on(self) -> None:
        """Accepted work ends, or the one who did it dies."""
        name = self.dice.choice(list(self.participants))
        participant = self.participants[name]
        if not self.calm and self.dice.random() < 0.2:
            participant.working = False
            return
        run, incarnation, undoing = participant.run, participant.incarnation, participant.undo_wished
        answer = participant.work_ends(self._will())
        if answer is not None:
            kind = Kind.ACTION if undoing is None else Kind.COMPENSATION
            command = CommandSent(
                step=name, row="", kind=kind, run=run, attempt=1, participant=name, record="", payload=b"",
                expiry_at_us=0, at_us=0, due_at_us=0, status=Status.ASKED,
            )  # fmt: skip
            self._answer(InFlight(name, self.now, command, incarnation, 0), answer)

    # --- time, operators, restores ----------------------------------------------------------------

    def _time_passes(self) -> None:
        if self.dice.random() < 0.1:
            self._nobody_lives()
        wake_at = self._wake_up_at()
        if wake_at is not None and self.dice.random() < 0.7:
            self.now = max(self.now, min(wake_at, self.now + 3600 * SECOND))
        else:
            self.now += self.dice.randrange(1, 20 * SECOND)
        self._wake()

    def _soon(self) -> int:
        return self.now + self.dice.randrange(-5 * SECOND, 100 * SECOND)

    def _nobody_lives(self) -> None:
        """Nothing is looked at for a while; then a new life begins, at once or once somebody knows
        of it."""
        self.now += self.dice.randrange(1, 100 * SECOND)
        self.alive_since = self.dice.choice([self.now, None])

    def _wake(self) -> None:
        self.tell(WakeUp())
        if self.state.final:
            return
        wake_at = self._wake_up_at()
        assert wake_at is not None
        if wake_at <= self.now:  # it would be woken again at once: only because replies have to be read first, or nobody lives
            wanted = timing.catch_up_wanted(self.shape, self.state, self.now, self.lived_since, self.known)
            unread = any(self.measured.get(name, 0) < self.now for name in wanted)
            assert unread or self.alive_since is None or self.restored, f"the timer spins: {self.state}"

    def _operator_acts(self) -> None:
        name = self.dice.choice(list(self.participants))
        unsafe = self.troubles.unsafe and self.dice.random() < 0.3
        acts: list[Event] = [
            Cancel(reason="x", actor="ann"),
            RetryStep(step=name, reason="x", actor="ann"),
            RetryStep(step=name, reason="x", actor="ann"),
            WaiveStep(step=name, evidence="x", actor="ann", unsafe=unsafe),
        ]
        if self.dice.random() < 0.2:
            acts = [Pause(reason="x", actor="ann"), Resume(reason="x", actor="ann")]
        if self.troubles.delay > 0 and self.dice.random() < 0.3:
            acts = [MoveStart(start_at_us=self._soon(), reason="x", actor="ann")]
        if self.dice.random() < self.troubles.terminate:
            acts = [Terminate(reason="x", actor="ann")]
        self._try(self.dice.choice(acts))

    def _try(self, act: Event) -> bool:
        before = self.saga
        try:
            self.tell(act)
        except Refused:
            assert self.saga is before
            return False
        self.forced_hand = self.forced_hand or (isinstance(act, WaiveStep) and act.unsafe)
        if (own := self.state.paused_at_us) is not None and not isinstance(act, Resume):
            self.pauses[self.state.id] = [*self._over(self.state.id, self.now), Interval(own)]
        else:
            self.pauses[self.state.id] = self._over(self.state.id, self.now)
        return True

    def _admission_changes(self) -> None:
        name = self.dice.choice(list(self.participants))
        if self.held.pop(name, None) is None and self.dice.random() < 0.3:
            self.held[name] = "slot"
        if self.dice.random() < 0.4:
            scope = self.dice.choice([self.shape.name, self.shape.by_name[name].participant])
            goes_on = any(one.until_us is None for one in self.pauses.get(scope, ()))
            self.pauses[scope] = self._over(scope, self.now) + ([] if goes_on else [Interval(self.now)])
        self._wake()

    def _over(self, scope: str, now: int) -> list[Interval]:
        """Its pauses, the last of which ends now if it goes on."""
        ended = [one if one.until_us is not None else one._replace(until_us=now) for one in self.pauses.get(scope, ())]
        return [one for one in ended if one.since_us < (one.until_us or 0)]

    def _backup_or_restore(self) -> None:
        if self.backup is None:
            if not self.state.final:
                self.backup = (self.state, len(self.journal))
        elif not self.restored:
            self.saga, self.restored = self.backup[0], True
            del self.journal[self.backup[1] :], self.journal_at[self.backup[1] :]
            self.tell(Recover(incarnation=self.state.incarnation + 1))

    def _forged_reply(self) -> None:
        """S11: what matches no issued command changes nothing."""
        name = self.dice.choice(list(self.participants))
        state = self.state.steps[name]
        kind = self.dice.choice(list(Kind))
        wrong_run = state.run + self.dice.choice([-1, 1])
        unsent = kind not in state.sent
        reply = Reply(
            step=name,
            kind=kind,
            run=state.run if unsent else wrong_run,
            attempt=state.attempt,
            incarnation=self.state.incarnation,
            version=self.state.version,
            outcome=self.dice.choice(list(Outcome)),
        )
        assert self.tell(reply) == (), "S11: a forged reply changed something"

    # --- the end ----------------------------------------------------------------------------------

    def _calm_down(self) -> None:
        """Faults stop: nothing is lost or doubled any more, handlers succeed, nobody holds
        anything."""
        self.calm = True
        self.pauses = {scope: self._over(scope, self.now) for scope in self.pauses}
        if self.state.paused_at_us is not None:
            self._try(Resume(reason="x", actor="ann"))
        self.alive_since = self.now if self.alive_since is None else self.alive_since
        self.held.clear()

    def _must_end_or_ask(self) -> None:
        for _ in range(CALM_ROUNDS):
            if self.state.final:
                return
            self._wake()
            self._drain_all()
            wake_at = self._wake_up_at()
            if self.state.final or wake_at is None:
                return
            if self._asks_for_attention() and not any(
                timing.due_times_us(self.shape, self.state, self.now, self.lived_since, self.known)
            ):
                return  # nothing but a person moves it
            self.now = max(self.now + 1, wake_at)
        assert self.state.final or self._asks_for_attention(), f"L1: neither ended nor asked for attention: {self.state}"

    def _drain_all(self) -> None:
        for _ in range(2000):
            if self.commands:
                self._deliver_command()
            elif self.replies:
                self._deliver_reply()
            elif any(p.working for p in self.participants.values()):
                self._work_goes_on()
            else:
                return
        raise AssertionError("the saga keeps sending without end")

    def _asks_for_attention(self) -> bool:
        return self.state.attention is not None or any(s.attention is not None for s in self.state.steps.values())

    def _operator_mends(self) -> None:
        """With an operator who retries, then waives, all but conflicts and bad mappings end
        (L-a)."""
        for attempt in range(6):
            if attempt == 3:
                self._check_retries_helped()
            for name, state in list(self.state.steps.items()):
                if self.state.final:
                    return
                if state.attention is not None:
                    act = RetryStep(step=name, reason="x", actor="ann") if attempt < 3 else None
                    self._try(act or WaiveStep(step=name, evidence="x", actor="ann"))
            self._must_end_or_ask()
        conflict = any(s.status is Status.CONFLICT for s in self.state.steps.values())
        assert self.state.final or conflict, f"an operator cannot end it: {self.state}"

    def _check_retries_helped(self) -> None:
        for name, state in self.state.steps.items():
            unmapped = state.code == "no_value"
            helped = self.state.final or state.attention is None or state.status is Status.CONFLICT or state.waiving or unmapped
            assert helped, f"retries do not help: {name} {state}"

    def _aftermath(self) -> None:
        """A finished saga never changes again, nor do its effects (S1, S22); the journal folds to
        its state (S8)."""
        folded = None
        for record in self.journal:
            folded = evolve(folded, decode_facts(record))
        assert folded == self.state, "S8"
        assert self.state.version == len(self.journal), "S8: one journal record a version"
        nets = {name: p.net for name, p in self.participants.items()}
        left = {fact.step: fact.effect for fact in decode_facts(self.journal[-1]) if isinstance(fact, EffectLeft)}
        terminated = any(isinstance(fact, Acted) and fact.act == "terminate" for fact in decode_facts(self.journal[-1]))
        self._drain_all()
        for name, participant in self.participants.items() if terminated else ():
            if left.get(name) != "may_stay":
                stays = int(left.get(name) == "stays")
                assert nets[name] == participant.net == stays, f"row 27: {name} is not on the list as it is"
        if self.state.phase in (Phase.COMPLETED, Phase.COMPENSATED):
            assert nets == {name: p.net for name, p in self.participants.items()}, "S22"

    # --- what must hold ---------------------------------------------------------------------------

    def _check_order(self, name: str) -> None:
        """S5."""
        for other in self.behind[name]:
            participant = self.participants[other]
            waived = self.state.steps[other].status is Status.WAIVED
            if participant.highest_sent and self.shape.by_name[other].compensation is not None and not waived:
                assert participant.settled, f"S5: {name} is undone before {other}"

    def _check_truth(self) -> None:
        saga = self.state
        for step in self.shape.steps:
            state, participant = saga.steps[step.name], self.participants[step.name]
            without_undo = step.compensation is None and step is not self.shape.pivot
            if state.status is Status.CONFLICT:
                assert self.restored or self.forced_hand, f"row 20: a conflict without forgery: {step.name}"
            if not saga.recovering and (not self.restored or saga.final):
                if state.status in (Status.UNDONE, Status.NO_EFFECT):
                    assert participant.net == 0, f"{step.name} is {state.status} and has an effect"
                if state.status is Status.DONE:
                    assert participant.net == 1, f"{step.name} is done and has no effect"
            if saga.phase is Phase.COMPLETED and participant.highest_sent:
                assert participant.net == 1, f"S2: COMPLETED without the effect of {step.name}"
            if saga.phase is Phase.COMPENSATED and not without_undo:
                assert participant.net == 0, f"S2: COMPENSATED with an effect of {step.name}"
                assert participant.settled or not participant.highest_sent, f"S21: {step.name}"
        self._check_pivot()

    def _check_pivot(self) -> None:
        """S6."""
        pivot, phase = self.shape.pivot, self.state.phase
        if pivot is None:
            return
        participant = self.participants[pivot.name]
        if phase in (Phase.COMPENSATING, Phase.COMPENSATED):
            assert participant.net == 0, "S6: going back past the pivot"
        if phase in (Phase.COMMITTED, Phase.COMPLETED) and participant.highest_sent and not self.state.recovering:
            assert participant.net == 1, "S6: COMMITTED without the pivot"

    def _check_limits(self, before: Saga | None, facts: tuple[Fact, ...], env: Env) -> None:
        """S13, the rule of catch-up: no limit acts before its time, nor while a reply written
        before it is unread."""
        rows = {fact.row for fact in facts if isinstance(fact, PhaseChanged | StepChanged)}
        deadline = before is not None and any(
            isinstance(fact, PhaseChanged) and fact.row == "11" and fact.reason == "deadline" for fact in facts
        )
        if before is None or not (deadline or "9" in rows):
            return
        moved = {fact.step for fact in facts if isinstance(fact, StepChanged) and fact.row == "9"}
        fold = Fold(before)
        for fact in facts:  # pauses are counted first
            if getattr(fact, "row", "") == "24":
                fold.apply(fact)
        deadline_at: int | None = fold.fields["deadline_at_us"]
        for step in self.shape.steps:
            state = fold.steps[step.name]
            if is_open(state) and (deadline or step.name in moved):
                limit = deadline_at if deadline else timing.step_limit_at_us(step, state, before.phase)
                self._check_pauses(step, state.run, before, deadline=deadline)
                assert limit is not None and limit <= self.now, "S13: before its time"
                assert state.probed_at_us is not None and state.probed_at_us >= limit, (
                    "S13: it was not asked again after its time"
                )
                assert env.alive_since_us is not None and state.probed_at_us >= env.alive_since_us, (
                    "S13: it was asked in another life"
                )
                settled = state.probed_at_us + 2 * step.timing.reask_ms * 1000
                assert settled < self.now, "S13: within the grace of the question"
                assert env.caught_up_at_us.get(step.participant, 0) > settled, "S13: before its replies are read"

    def _check_pauses(self, step: Step, run: int, before: Saga, *, deadline: bool) -> None:
        """Row 24: a limit that acts has passed without the time of the pauses."""
        began = before.ran_from_us if deadline else self.asked[step.name, run]
        length_ms = self.shape.deadline_ms if deadline else step.timing.step_ms
        scopes = {self.shape.name, before.id, step.participant}
        held = [one for scope in scopes for one in self.pauses.get(scope, ())]
        assert length_ms is not None
        passed = self.now - began - paused_us(known_until(held, self.now), began)
        assert self.restored or passed >= length_ms * 1000, "row 24: a pause was held against a limit"

    def _check_beginning(self, before: Saga | None, facts: tuple[Fact, ...]) -> None:
        """Row 29: nothing is sent before it begins, and it begins at its time."""
        if before is None or before.phase is not Phase.SCHEDULED:
            assert not any(isinstance(fact, PhaseChanged) and fact.row == "29" for fact in facts), "row 29: it began twice"
            return
        begun = self.state.begun_at_us is not None
        assert not begun or (self.state.start_at_us or 0) <= self.now, "row 29: before its time"
        sent = any(isinstance(fact, CommandSent) for fact in facts)
        assert begun or before.recovered or not sent, "row 29: asked before it has begun"

    def _check_alarms(self, before: Saga | None, facts: tuple[Fact, ...]) -> None:
        """Attention is announced when it is raised, not again and again."""
        if before is None or any(isinstance(fact, Acted) for fact in facts):
            return
        for fact in facts:
            if isinstance(fact, Announced) and fact.event == "attention" and fact.step is not None:
                assert before.steps[fact.step].attention != fact.reason, f"announced again: {fact.step} {fact.reason}"


def _behind(shape: Definition) -> dict[str, set[str]]:
    """Every step that comes after the key, directly or through others; by a way of its own, not the
    engine's."""
    behind: dict[str, set[str]] = {step.name: set() for step in shape.steps}
    for _ in shape.steps:
        for step in shape.steps:
            for name in step.after:
                behind[name] |= {step.name} | behind[step.name]
    return behind


__all__ = ["SETTLED", "Troubles", "World"]
