"""The journal in words: what each transition did, who did it, and how long it took."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Protocol

from saga_coordinator.views.journal import RecordView
from saga_schemas.record_class import record
from saga_schemas.times import parse_us

Fact = Mapping[str, Any]
Identity = tuple[str, str, int, int]
"""Of a command: step, kind, run, attempt."""


class Planned(Protocol):
    """What is known of a step besides its records."""

    @property
    def participant(self) -> str | None: ...

    def asked(self, direction: str, /) -> int | None:
        """How many attempts a direction has, if there is an end."""
        ...


@record
class Said:
    """One sentence of the journal."""

    version: int
    at: str
    text: str
    quote: str = ""
    """What a person or a participant said, in their words."""
    tone: str = ""
    who: str = ""
    took_ms: float | None = None


def identity_of(fact: Fact) -> Identity:
    """Of the command that a fact sends or answers."""
    return str(fact.get("step")), str(fact.get("kind")), fact.get("run") or 0, fact.get("attempt") or 0


def journal_words(
    records: Sequence[RecordView], plans: Mapping[str, Planned], asked: Mapping[Identity, str] = MappingProxyType({})
) -> list[Said]:
    """The sentences, in the order of the records.

    Args:
        records: As views show them, so clients of the API say the same.
        plans: What is known of the steps, by name.
        asked: When commands were sent that other records hold.
    """
    asked_us = {command: parse_us(at) for command, at in asked.items()}
    sent = [fact for one in records for fact in one.facts if fact.get("fact") == "command" and isinstance(fact.get("at"), str)]
    asked_us |= {identity_of(fact): parse_us(fact["at"]) for fact in sent}
    return [said for one in records for said in _record(one, plans, asked_us)]


def _record(one: RecordView, plans: Mapping[str, Planned], asked_us: Mapping[Identity, int]) -> list[Said]:
    cause = _WHO.get(one.kind, one.kind)
    if one.note is not None:
        return [Said(version=one.version, at=one.at, text=f"a record that cannot be read: {one.note}", tone="wait", who=cause)]
    teller = _Teller(one, plans, asked_us)
    found = [said for fact in one.facts for said in teller.tell(fact)]
    return found or [Said(version=one.version, at=one.at, text=teller.rest(), tone="soft", who=one.actor or cause)]


class _Teller:
    """The facts of one record, told."""

    def __init__(self, one: RecordView, plans: Mapping[str, Planned], asked_us: Mapping[Identity, int]) -> None:
        self._record = one
        self._plans = plans
        self._asked_us = asked_us
        self._tells: Mapping[str, Callable[[Fact], Iterator[Said]]] = {
            "started": self._started,
            "phase": self._phase,
            "step": self._step,
            "saga": self._saga,
            "command": self._command,
            "reply": self._reply,
            "acted": self._acted,
            "left": self._left,
        }

    def tell(self, fact: Fact) -> Iterator[Said]:
        tells = self._tells.get(str(fact.get("fact")))
        if tells is not None:
            yield from tells(fact)

    def rest(self) -> str:
        """Of a record whose facts say nothing to people."""
        names = sorted({str(fact["step"]) for fact in self._record.facts if fact.get("step")})
        what = _CAUSES.get(self._record.kind, self._record.kind)
        return f"{what}: {', '.join(names[:6])}" if names else what

    def _said(self, text: str, *, tone: str = "", who: str = "", quote: str = "", took_ms: float | None = None) -> Said:
        one = self._record
        return Said(
            version=one.version,
            at=one.at,
            text=text,
            quote=quote,
            tone=tone,
            who=who or _WHO.get(one.kind, one.kind),
            took_ms=took_ms,
        )

    def _started(self, fact: Fact) -> Iterator[Said]:
        key = f" with the key {fact['key']}" if fact.get("key") else ""
        words = "began again after a restore" if fact.get("recovered") else "started"
        if fact.get("start_at"):
            words = f"asked for, to begin at {fact['start_at']}"
        yield self._said(f"{words}{key}", tone="fwd", who=self._record.actor or "start")

    def _phase(self, fact: Fact) -> Iterator[Said]:
        phase = str(fact.get("phase"))
        words, tone = _PHASES.get(phase, (phase, ""))
        reason = f": {fact['reason']}" if fact.get("reason") else ""
        yield self._said(f"{words}{reason}", tone=tone, who=self._engine(fact))

    def _step(self, fact: Fact) -> Iterator[Said]:
        step, changes = str(fact.get("step")), fact.get("changes") or {}
        status = changes.get("status")
        if changes.get("attention"):
            what = f"{step} needs a person: {str(changes['attention']).replace('_', ' ')}"
            yield self._said(what, tone="hot", who=self._engine(fact))
        elif status in _STATUSES:
            words, tone = _STATUSES[status]
            yield self._said(words.format(step=step), tone=tone, who=self._engine(fact))
        elif "attention" in changes and changes["attention"] is None:
            yield self._said(f"{step} needs nobody any more", tone="done", who=self._engine(fact))

    def _saga(self, fact: Fact) -> Iterator[Said]:
        changes = fact.get("changes") or {}
        if changes.get("attention"):
            yield self._said(f"needs a person: {str(changes['attention']).replace('_', ' ')}", tone="hot", who=self._engine(fact))
        if changes.get("start_at"):
            yield self._said(f"begins at {changes['start_at']} now", tone="wait", who=self._engine(fact))
        if "incarnation" in changes:
            yield self._said("carried over from a backup: every participant is asked first", tone="wait", who="recovery")
        if changes.get("recovering") is False:
            yield self._said("all have answered after the restore", tone="done", who="recovery")

    def _command(self, fact: Fact) -> Iterator[Said]:
        attempt, run = fact.get("attempt") or 1, fact.get("run") or 1
        again = f", attempt {attempt}" if attempt > 1 else ""
        again += f" of run {run}" if run > 1 else ""
        what = _ASKS.get(str(fact.get("kind")), "{participant} was asked about {step}")
        text = what.format(participant=fact.get("participant") or "its participant", step=fact.get("step"))
        yield self._said(f"{text}{again}", tone="soft", who=self._engine(fact))

    def _reply(self, fact: Fact) -> Iterator[Said]:
        step, kind = str(fact.get("step")), str(fact.get("kind"))
        plan = self._plans.get(step)
        who = (plan.participant if plan is not None else None) or "its participant"
        outcome, code = str(fact.get("outcome")), fact.get("code")
        most = plan.asked(kind) if plan is not None else None
        attempt = fact.get("attempt") or 1
        place = f", attempt {attempt}" + (f" of {most}" if most else "") if attempt > 1 or outcome == "FAILED" else ""
        text = f"{who} answered {outcome}{f' {code}' if code else ''} to {_OBJECTS.get(kind, '{}').format(step)}{place}"
        asked = self._asked_us.get(identity_of(fact))
        took = None if asked is None else max(parse_us(self._record.at) - asked, 0) / 1000
        yield self._said(text, tone=_OUTCOMES.get(outcome, ""), who=who, quote=str(fact.get("message") or ""), took_ms=took)

    def _acted(self, fact: Fact) -> Iterator[Said]:
        act, step = str(fact.get("act")), fact.get("step")
        text = _ACTS.get(act, act) + (f" {step}" if step else "")
        yield self._said(text, tone="fwd", who=str(fact.get("actor") or "somebody"), quote=str(fact.get("reason") or ""))

    def _left(self, fact: Fact) -> Iterator[Said]:
        words = "the effect of {} stays" if fact.get("effect") == "stays" else "the effect of {} may stay: nobody knows of it"
        yield self._said(words.format(fact.get("step")), tone="wait", who="engine")

    def _engine(self, fact: Fact) -> str:
        return f"engine, row {fact['row']}" if fact.get("row") else "engine"


_WHO: Final = {"start": "start", "reply": "engine", "wakeup": "a timer", "recover": "recovery"}
_CAUSES: Final = {"wakeup": "a timer looked at it", "reply": "an answer changed nothing that is told here"}
_PHASES: Final = {
    "SCHEDULED": ("waits for its start time", "soft"),
    "RUNNING": ("goes forward", "fwd"),
    "SETTLING": ("wants to go back, and asks first what became of the pivot", "wait"),
    "COMMITTED": ("past its point of no return: only forward from here", "fwd"),
    "COMPENSATING": ("going back", "back"),
    "COMPLETED": ("completed: all was done", "done"),
    "COMPENSATED": ("compensated: all that was done is undone", "back"),
    "FORCED": ("ended with exceptions that a person answers for", "wait"),
}
_STATUSES: Final = {
    "stuck_forward": ("{step} is stuck", "hot"),
    "stuck_back": ("undo {step} is stuck", "hot"),
    "conflict": ("{step}: two answers contradict each other", "hot"),
    "waived": ("{step} is waived", "wait"),
    "kept": ("{step} stays: nothing undoes it", ""),
}
_ASKS: Final = {
    "action": "{participant} was asked to {step}",
    "compensation": "{participant} was asked to undo {step}",
    "resolve": "{participant} was asked what became of {step}",
}
_OBJECTS: Final = {"action": "{}", "compensation": "undo {}", "resolve": "what became of {}"}
_OUTCOMES: Final = {"REJECTED": "hot", "UNSUPPORTED": "hot", "FENCED": "wait", "EXPIRED": "wait"}
_ACTS: Final = {
    "cancel": "asked it to go back",
    "retry": "asked to try again",
    "waive": "waived",
    "pause": "paused it",
    "resume": "resumed it",
    "terminate": "ended it as it is",
    "move_start": "moved its start time",
}
