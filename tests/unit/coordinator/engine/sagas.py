"""Sagas to play with: definitions built in a line, and a player that tells the engine what happens,
in words.

A script is what happens, one word each: `a:SUCCEEDED` is the answer to the last command of step a,
`a:action:SUCCEEDED` to its last command of that kind, `newer:a` is row 15b's answer, `wait:30`
moves the clock by seconds and lets the timer fire, `down:30` moves it while nobody lives, `cancel`,
`retry:a`, `waive:a`, `waive!:a`, `terminate`, `pause!` and `resume!` are the operator's, `recover`
is a restore from a backup, `later:30`, as the first word, has it begin in so many seconds, and
`move:60` moves that, `pause` and `resume` (of the definition), `pause:a` and `resume:a` (of
a's participant), `backlog` and `drained`, `hold:a` and `admit:a` set what the engine is told of the
world. After `took:2,0.5` participants say that they began two seconds after the command was sent,
and that their handler took half a second; after `took:` they say nothing again. Every transition is
checked for what holds always: one version on, the encoded facts fold to the same state, state and
facts survive their encoding, every change of a step's state is one the diagram shows, and every
message names the one that caused it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from saga_coordinator.engine import decide, evolve, timing, transition
from saga_coordinator.engine.definition import CommandSpec, Context, Definition, MappingFailed, Retry, Step, StepKind, Timing
from saga_coordinator.engine.diagram import arrows
from saga_coordinator.engine.encoding import decode_facts, decode_saga, encode_facts, encode_saga
from saga_coordinator.engine.events import (
    Cancel,
    ChangeLimits,
    Env,
    Event,
    MoveStart,
    Pause,
    Recover,
    Reply,
    Resume,
    RetryStep,
    Start,
    Terminate,
    WaiveStep,
    WakeUp,
)
from saga_coordinator.engine.facts import MESSAGES, CommandSent, Fact, Fold
from saga_coordinator.engine.pauses import NO_PAUSES, Interval, Pauses
from saga_coordinator.engine.state import Phase, Saga, Status
from saga_coordinator.engine.waiting import Held, waiting_for
from saga_schemas.outcomes import Kind, Outcome

SECOND = 1_000_000
EMPTY = b"empty"
COMPENSATABLE, PIVOT, RETRIABLE = StepKind.COMPENSATABLE, StepKind.PIVOT, StepKind.RETRIABLE


@dataclass(frozen=True)
class Text:
    """A payload that shows what it was made of."""

    record: str
    reads: frozenset[str] = frozenset()
    fails: bool = False

    def render(self, context: Context) -> bytes:
        if self.fails:
            raise MappingFailed("no_value", "input.amount")
        replies = ",".join(f"{name}={(context.replies.get(name) or b'null').decode()}" for name in sorted(self.reads))
        return f"{self.record}({replies})".encode()


@dataclass(frozen=True)
class Given:
    """A `when:` with a fixed truth."""

    truth: bool = True
    fails: bool = False
    reads: frozenset[str] = frozenset()

    def holds(self, context: Context) -> bool:
        if self.fails:
            raise MappingFailed("no_value", "input.vip")
        return self.truth


TIMES = Timing(
    step_ms=30_000, reask_ms=5_000, reask_cap_ms=60_000, heartbeat_ms=20_000, attention_ms=300_000, expiry_ms=3_600_000
)
RETRY = Retry(attempts=3, first_ms=1_000, factor=2, cap_ms=10_000, jitter=0, never=frozenset({"never"}))
UNDO_RETRY = replace(RETRY, attempts=2)
FOREVER = replace(RETRY, attempts=None)


def step(
    name: str,
    kind: StepKind = COMPENSATABLE,
    *,
    after: Iterable[str] = (),
    when: Given | None = None,
    action: Text | None = None,
    undo: Text | str | None = "default",
    times: Timing = TIMES,
    retry: Retry | None = None,
) -> Step:
    """A step; `undo=None` is `compensation: none`."""
    own = Text(f"Undo.{name}") if undo == "default" else undo
    assert not isinstance(own, str)
    return Step(
        name=name,
        kind=kind,
        participant=f"{name}-service",
        after=tuple(after),
        when=when,
        action=CommandSpec(message=action or Text(f"Do.{name}"), retry=retry or (FOREVER if kind is RETRIABLE else RETRY)),
        compensation=CommandSpec(message=own, retry=UNDO_RETRY) if own is not None and kind is COMPENSATABLE else None,
        timing=times,
        reply_needed=True,
    )


def definition(*steps: Step, deadline_s: int | None = None) -> Definition:
    deadline_ms = deadline_s * 1000 if deadline_s is not None else None
    return Definition(name="order", version=1, hash="h" * 64, deadline_ms=deadline_ms, steps=steps)


@dataclass
class Player:
    """One saga, what it has sent, and the world as the engine is told it is."""

    definition: Definition
    now: int = 1_700_000_000 * SECOND
    pauses: dict[str, list[Interval]] = field(default_factory=dict)
    """Of the definition and of participants, by name."""
    drained: bool = True
    alive_since: int | None = 0
    held: dict[str, str] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()
    took: tuple[int, int] | None = None
    """What participants say of their time: from the command to its beginning, and the handler."""
    saga: Saga | None = None
    facts: tuple[Fact, ...] = ()
    """Of the last event."""
    sent: list[CommandSent] = field(default_factory=list)
    journal: list[tuple[int, tuple[Fact, ...]]] = field(default_factory=list)
    """When, and what became."""

    @property
    def env(self) -> Env:
        caught_up = {s.participant: self.now for s in self.definition.steps} if self.drained else {}
        return Env(
            now_us=self.now,
            caught_up_at_us=caught_up,
            unread=self.unread,
            holds=self.held,
            pauses=self.known_pauses,
            alive_since_us=self.alive_since,
        )

    @property
    def known_pauses(self) -> Pauses:
        own = self.definition.name
        definitions, participants = ({n: p for n, p in self.pauses.items() if (n == own) is whole} for whole in (True, False))
        return Pauses.of(self.now, definitions, participants)

    @property
    def paused(self) -> bool:
        """Its definition is."""
        return self.definition.name in self.known_pauses.paused_definitions

    @paused.setter
    def paused(self, paused: bool) -> None:
        if paused is not self.paused:
            (self.begin_pause if paused else self.end_pause)(self.definition.name)

    def begin_pause(self, name: str) -> None:
        self.pauses = {**self.pauses, name: [*self.pauses.get(name, []), Interval(self.now)]}

    def end_pause(self, name: str) -> None:
        *before, last = self.pauses[name]
        self.pauses = {**self.pauses, name: [*before, last._replace(until_us=self.now)]}

    @property
    def state(self) -> Saga:
        assert self.saga is not None
        return self.saga

    @property
    def commands(self) -> list[str]:
        """What the last event sent, as `action:a`, `undo:a`, `resolve:a`."""
        words = {Kind.COMPENSATION: "undo"}
        return [f"{words.get(fact.kind, fact.kind)}:{fact.step}" for fact in self.facts if isinstance(fact, CommandSent)]

    @property
    def causes(self) -> set[str | None]:
        """What the messages of the last event name as their cause."""
        return {fact.causation_id for fact in self.facts if isinstance(fact, MESSAGES)}

    def tell(self, event: Event) -> tuple[Fact, ...]:
        before = self.saga
        self.facts, after = transition(self.definition, before, event, self.env, empty=EMPTY)
        assert self.facts == decide(self.definition, before, event, self.env, empty=EMPTY), "the same question, the same answer"
        assert self.causes <= {getattr(event, "message_id", None)}
        if self.facts:
            self.saga = evolve(before, self.facts)
            assert after == self.saga, "S8: what was decided is what its facts fold to"
            self.journal.append((self.now, self.facts))
            self.sent = self.sent + [fact for fact in self.facts if isinstance(fact, CommandSent)]
            check_transition(before, self.saga, self.facts)
        check_waits(self.definition, self.state, self.now, self.known_pauses)
        return self.facts

    def start(self, *, incarnation: int = 1, recovered: bool = False, start_at_us: int | None = None) -> Player:
        saga_id = "0190a000-0000-7000-8000-000000000001"
        begins = {"incarnation": incarnation, "message_id": "start", "recovered": recovered, "start_at_us": start_at_us}
        self.tell(Start(id=saga_id, tenant="default", key="o-17", input=b"in", **begins))  # type: ignore[arg-type]
        return self

    def play(self, script: str) -> Player:
        for word in script.split():
            self.happens(word)
        return self

    def happens(self, word: str) -> None:
        """One word of a script."""
        what, _, argument = word.partition(":")
        if what in _ACTS:
            _ACTS[what](self, argument)
        else:
            kind, _, outcome = argument.rpartition(":")
            self.tell(self.reply(what, Outcome(outcome), kind=Kind(kind) if kind else None))

    def reply(self, name: str, outcome: Outcome, *, kind: Kind | None = None, **changes: Any) -> Reply:
        """The answer to the step's last command (of that kind)."""
        known = self.state.steps[name]
        asked = kind or known.asking or Kind.ACTION
        last = next((s for s in reversed(self.sent) if s.step == name and s.kind is asked), None)
        answer = Reply(
            step=name,
            kind=asked,
            run=known.run,
            attempt=last.attempt if last is not None else 0,
            incarnation=self.state.incarnation,
            version=self.state.version,
            outcome=outcome,
            code="no" if outcome in (Outcome.REJECTED, Outcome.FAILED) else None,
            payload=b"reply-of-" + name.encode(),
            message_id=f"{name}:{outcome}",
            taken_at_us=last.at_us + self.took[0] if last is not None and self.took is not None else None,
            handler_us=self.took[1] if self.took is not None else None,
        )
        return replace(answer, **changes)

    def _wait(self, seconds: str) -> None:
        self.now += int(float(seconds) * SECOND)
        self.tell(WakeUp())

    def _later(self, seconds: str) -> None:
        """The saga, asked for anew with a start time."""
        self.saga, self.sent, self.journal = None, [], []
        self.start(start_at_us=self.now + int(float(seconds) * SECOND))

    def _move(self, seconds: str) -> None:
        start_at_us = self.now + int(float(seconds) * SECOND)
        self.tell(MoveStart(start_at_us=start_at_us, reason="the customer comes later", actor="ann"))

    def _down(self, seconds: str) -> None:
        """Nobody lives for so long: time goes on, nothing is looked at, a new life begins."""
        self.now += int(float(seconds) * SECOND)
        self.alive_since = self.now

    def _took(self, seconds: str) -> None:
        queue, _, handler = seconds.partition(",")
        self.took = (int(float(queue) * SECOND), int(float(handler) * SECOND)) if seconds else None

    def _limits(self, argument: str) -> None:
        """`limits:a,attempts=5,step_ms=0`"""
        name, *given = argument.split(",")
        changes = {limit: int(value) for limit, _, value in (one.partition("=") for one in given)}
        self.tell(ChangeLimits(step=name, changes=changes, reason="it is slow today", actor="ann"))

    def _newer(self, name: str) -> None:
        """The participant answers a compensation that it holds a newer run (row 15b)."""
        newer = self.state.steps[name].run + 1
        self.tell(self.reply(name, Outcome.SUCCEEDED, kind=Kind.COMPENSATION, row_run=newer))

    def _set(self, **world: Any) -> None:
        for name, value in world.items():
            setattr(self, name, value)


_ACTS: dict[str, Callable[[Player, str], object]] = {
    "wait": Player._wait,
    "wake": lambda p, _: p.tell(WakeUp()),
    "cancel": lambda p, _: p.tell(Cancel(reason="changed my mind", actor="ann")),
    "retry": lambda p, name: p.tell(RetryStep(step=name, reason="mended", actor="ann")),
    "waive": lambda p, name: p.tell(WaiveStep(step=name, evidence="seen in their books", actor="ann")),
    "waive!": lambda p, name: p.tell(WaiveStep(step=name, evidence="seen in their books", actor="ann", unsafe=True)),
    "down": Player._down,
    "took": Player._took,
    "newer": Player._newer,
    "recover": lambda p, _: p.tell(Recover(incarnation=p.state.incarnation + 1)),
    "pause": lambda p, name: p.begin_pause(f"{name}-service" if name else p.definition.name),
    "resume": lambda p, name: p.end_pause(f"{name}-service" if name else p.definition.name),
    "pause!": lambda p, _: p.tell(Pause(reason="the bank is down", actor="ann")),
    "resume!": lambda p, _: p.tell(Resume(reason="the bank is back", actor="ann")),
    "limits": Player._limits,
    "later": Player._later,
    "move": Player._move,
    "terminate": lambda p, _: p.tell(Terminate(reason="enough", actor="ann")),
    "backlog": lambda p, _: p._set(drained=False),
    "drained": lambda p, _: p._set(drained=True),
    "hold": lambda p, name: p.held.update({name: "slot"}),
    "admit": lambda p, name: p.held.pop(name),
}


def play(shape: Definition, script: str = "") -> Player:
    return Player(shape).start().play(script)


def check_transition(before: Saga | None, after: Saga, facts: tuple[Fact, ...]) -> None:
    """What holds of every transition (S1, S7, S8)."""
    assert after.version == (before.version if before is not None else 0) + 1
    read = decode_facts(encode_facts(facts))
    assert read == facts
    assert evolve(before, read) == after
    assert decode_saga(after.id, encode_saga(after)) == after
    check_arrows(before, facts)
    if before is not None:
        assert not before.final, "S1: a finished saga changed"
        if before.phase is Phase.COMPENSATING:
            assert after.phase in (Phase.COMPENSATING, Phase.COMPENSATED, Phase.FORCED), "S7"
        if before.phase is Phase.COMMITTED:
            assert after.phase in (Phase.COMMITTED, Phase.COMPLETED, Phase.FORCED), "S7"


ARROWS = {(number, state, becomes) for state, becomes, number, _ in arrows()}


def check_arrows(before: Saga | None, facts: tuple[Fact, ...]) -> set[tuple[str, Status, Status]]:
    """Every change of a step's state is an arrow of the diagram. Gives those that were gone."""
    fold, gone = Fold(before), set()
    for (name, row), group in groupby(facts, lambda fact: (getattr(fact, "step", None), getattr(fact, "row", ""))):
        old = fold.steps[name].status if name in fold.steps else None
        for fact in group:
            fold.apply(fact)
        new = fold.steps[name].status if name is not None else None
        if old is not None and new is not None and old is not new and row not in FROM_ANYWHERE:
            assert (row, old, new) in ARROWS, f"row {row} does not lead from {old} to {new}"
            gone.add((row, old, new))
    return gone


FROM_ANYWHERE = {"20", "22"}


def check_waits(shape: Definition, saga: Saga, now: int, pauses: Pauses = NO_PAUSES) -> None:
    """No silent saga: a due wake-up and a named wait for each that is not finished (promise 6)."""
    wake_at = timing.next_wake_up_us(shape, saga, now, pauses=pauses)
    going_on = [("definition", name) for name in pauses.paused_definitions]
    going_on += [("participant", name) for name in pauses.paused_participants]
    held = [Held(scope=scope, name=name, since_us=now, who="ann", why="the bank is down") for scope, name in going_on]
    waits = waiting_for(shape, saga, now, held)
    if saga.final:
        assert wake_at is None
        assert waits == []
    else:
        assert wake_at is not None
        assert waits, f"a silent saga: {saga}"
