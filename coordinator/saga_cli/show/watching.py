"""`saga watch`: each event as a line for people, or as a line of JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, Final, Protocol

from saga_cli.output import Format, console
from saga_cli.show.formatting import clock, phase, plain, until
from saga_cli.show.saga import head, identity
from saga_coordinator.views.journal import RecordView
from saga_coordinator.views.journal_words import Said, journal_words
from saga_schemas.record_class import record

Json = dict[str, Any]
_QUOTED_CHARS: Final = 300


@record
class _Step:
    """What is known of one."""

    participant: str | None

    def asked(self, _direction: str, /) -> int | None:
        return None


class _Teller:
    """Tells records in the words of the console."""

    def __init__(self) -> None:
        self._steps: dict[str, _Step] = {}

    def meet(self, saga: Json) -> None:
        """Learn who does its steps."""
        self._steps = {one["name"]: _Step(participant=one["participant"]) for one in saga.get("steps", ())}

    def tell(self, one: Json) -> list[str]:
        found = {name: one.get(name) for name in ("version", "at", "kind", "actor", "note")}
        view = RecordView(**found, facts=tuple(one["facts"]))  # type: ignore[arg-type]  # as the API answers
        return [_sentence(said) for said in journal_words([view], self._steps)]


def _sentence(said: Said) -> str:
    quote = said.quote if len(said.quote) <= _QUOTED_CHARS else f"{said.quote[:_QUOTED_CHARS]}…"
    return f"{said.text}{f' “{quote}”' if quote else ''} ({said.who})"


class Watched(Protocol):
    """Where events go."""

    def begin(self, saga: Json) -> None: ...

    def record(self, record: Json) -> None: ...

    def waits(self, saga: Json) -> None:
        """Show what it waits for, where that has changed."""
        ...

    def end(self, saga: Json) -> None: ...

    def away(self, why: str) -> None: ...

    def back(self) -> None: ...


def watched(output: Format) -> Watched:
    return _Lines() if output is Format.TABLE else _Objects()


class _Changes:
    """What it waited for last."""

    def __init__(self) -> None:
        self._last: object = None

    def new(self, saga: Json) -> list[Json]:
        """Its waits; none where they are as before."""
        waits: list[Json] = saga["waiting"]
        seen = [(one["step"], one["name"], one["mover"]) for one in waits]
        if seen == self._last:
            return []
        self._last = seen
        return waits


class _Lines:
    """For people."""

    def __init__(self) -> None:
        self._changes = _Changes()
        self._teller = _Teller()

    def begin(self, saga: Json) -> None:
        self._teller.meet(saga)
        console().print(head(saga))
        console().print(identity(saga))

    def record(self, record: Json) -> None:
        for place, sentence in enumerate(self._teller.tell(record)):
            time = clock(record["at"]) if place == 0 else ""
            number = record["version"] if place == 0 else ""
            console().print(plain(f"{number:>5}  {time:<8}  {sentence}"))

    def waits(self, saga: Json) -> None:
        for one in self._changes.new(saga):
            step = f"{one['step']} " if one["step"] else ""
            then = f"; looked at again {until(one['until'])}" if one.get("until") else ""
            console().print(plain(f"       waits     {step}{one['name']}: {one['mover']}{then}", "cyan"))

    def end(self, saga: Json) -> None:
        console().print(plain("       ended     ").append_text(phase(saga["phase"])).append_text(plain(_why(saga))))

    def away(self, why: str) -> None:
        print(f"saga: {why}; it is asked again", file=sys.stderr, flush=True)

    def back(self) -> None:
        print("saga: the coordinator answers again", file=sys.stderr, flush=True)


class _Objects:
    """For programs: one JSON object a line; `event` says what it is."""

    def __init__(self) -> None:
        self._changes = _Changes()
        self._teller = _Teller()

    def begin(self, saga: Json) -> None:
        self._teller.meet(saga)
        names = ("id", "key", "definition", "phase", "version", "started_at")
        _print("saga", {name: saga.get(name) for name in names})

    def record(self, record: Json) -> None:
        _print("record", {**record, "words": self._teller.tell(record)})

    def waits(self, saga: Json) -> None:
        if waits := self._changes.new(saga):
            _print("waiting", {"waiting": waits})

    def end(self, saga: Json) -> None:
        _print("end", {"phase": saga["phase"], "reason": saga.get("reason"), "closed_at": saga.get("closed_at")})

    def away(self, why: str) -> None:
        _print("away", {"why": why})

    def back(self) -> None:
        _print("back", {})


def _print(event: str, more: Mapping[str, Any]) -> None:
    print(json.dumps({"event": event, **more}, ensure_ascii=False), flush=True)


def _why(saga: Json) -> str:
    return f"   {saga['reason']}" if saga.get("reason") else ""
