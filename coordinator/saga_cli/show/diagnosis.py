"""`saga diagnose`: what was found first, each with its cause and way out; then what cannot be told,
and the names of the checks that found nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from saga_cli.show.formatting import phase, plain

Json = dict[str, Any]
_NAME_WIDTH = 16


def diagnosis_lines(diagnosis: Json) -> Iterator[Text]:
    name = f"{diagnosis.get('definition') or 'saga'} {diagnosis.get('key') or diagnosis['id']}"
    yield Text.assemble(plain(name, "bold"), "   ", phase(diagnosis["phase"]), plain(f"   {diagnosis['summary']}"))
    yield plain(f"id {diagnosis['id']}", "dim")
    if by := diagnosis.get("started_by"):
        waiting = by["ticks_waiting"]
        wait = f"; {waiting} more tick{'s wait' if waiting > 1 else ' waits'} for its sagas" if waiting else ""
        yield plain(f"started by schedule {by['schedule']} for the tick {by['tick']}{wait}", "dim")
    by_verdict: dict[str, list[Json]] = {}
    for line in diagnosis["lines"]:
        by_verdict.setdefault(line["verdict"], []).append(line)
    for line in by_verdict.get("found", ()):
        yield from _found(line)
    for line in by_verdict.get("cannot_tell", ()):
        yield plain(f"?  {line['check']:<{_NAME_WIDTH}}  {line['evidence']}", "yellow")
    if well := by_verdict.get("ok"):
        yield plain(f"nothing found by {', '.join(dict.fromkeys(line['check'] for line in well))}", "dim")


def _found(line: Json) -> Iterator[Text]:
    step = f"{line['step']}: " if line.get("step") else ""
    yield plain(f"✗  {line['check']:<{_NAME_WIDTH}}  {step}{line['evidence']}", "bold red")
    for word, text in (("cause", line.get("cause")), ("way out", line.get("way_out")), ("see", line.get("runbook"))):
        if text:
            yield plain(f"     {word:<8} {text}")
