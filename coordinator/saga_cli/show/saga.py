"""`saga show`: one saga as a tree of its steps, what each waits for and what will move it, and the
way out of each attention."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rich.text import Text

from saga_cli.output import Format, console, print_ids, print_json
from saga_cli.show.formatting import ago, at, clock, duration, labels_text, made_of, phase, plain, until

Json = dict[str, Any]

_STATUS_STYLES = {
    "done": "green",
    "undone": "yellow",
    "no_effect": "dim",
    "kept": "yellow",
    "waived": "magenta",
    "idle": "dim",
    "stuck_forward": "bold red",
    "stuck_back": "bold red",
    "conflict": "bold red",
}
_FORWARD = ("COMMITTED", "COMPLETED")
_DIRECTIONS = {"action": "attempt", "compensation": "undo", "resolve": "resolve"}


def print_saga(saga: Json, output: Format, journal: Callable[[], list[Json]]) -> None:
    """Print the saga in the chosen format; JSON includes the journal."""
    if output is Format.JSON:
        print_json({**saga, "journal": journal()})
    elif output is Format.IDS:
        print_ids([saga["id"]])
    else:
        for line in saga_lines(saga):
            console().print(line)


def print_journal(saga: Json, journal: list[Json]) -> None:
    """Print every transition: its time, its cause, its facts."""
    console().print(head(saga))
    for record in journal:
        caused = f"{record['kind']}{' by ' + record['actor'] if record.get('actor') else ''}"
        console().print(Text.assemble(f"{record['version']:>5}  {clock(record['at'])}  ", plain(caused, "bold")))
        if record.get("note"):
            console().print(plain(f"         {record['note']}", "yellow"))
        for fact in record["facts"]:
            console().print(plain(f"         {_fact(fact)}"))


def saga_lines(saga: Json) -> Iterator[Text]:
    """Yield the lines of the whole view."""
    yield head(saga)
    yield identity(saga)
    if saga.get("labels"):
        yield plain("labels " + labels_text(saga["labels"]), "dim")
    steps = saga["steps"]
    cells = [(step["name"], status_word(step), step.get("participant") or "?") for step in steps]
    widths = [max(map(len, column), default=0) for column in zip(*cells, strict=True)]
    for place, step in enumerate(steps):
        last = place == len(steps) - 1
        yield _step_line("└─ " if last else "├─ ", step, widths)
        for below in _below(saga, step):
            yield Text.assemble("     " if last else "│    ", below)
    yield from _of_the_whole(saga)
    yield plain(f"trace {saga['trace_id']}", "dim")
    if saga.get("trace_url"):
        yield plain(saga["trace_url"], "dim")


def head(saga: Json) -> Text:
    """Return the line that names the saga and its phase."""
    name = f"{saga.get('definition') or 'saga'} {saga.get('key') or saga['id']}"
    return Text.assemble(plain(name, "bold"), "   ", phase(saga["phase"]), plain(_reason(saga)))


def _reason(saga: Json) -> str:
    """Return why the saga goes back.

    A reason that came past the point of no return is marked as too late.
    """
    if not saga.get("reason"):
        return ""
    return f"   too late for {saga['reason']}" if saga["phase"] in _FORWARD else f"   {saga['reason']}"


def identity(saga: Json) -> Text:
    """Return the line with the saga's id, its start and its duration."""
    if saga["phase"] == "SCHEDULED" and saga.get("start_at"):
        when = f"asked for {clock(saga['started_at'])}, begins {until(saga['start_at'])}, {clock(saga['start_at'])}"
        return plain(f"id {saga['id']}   {when}", "dim")
    took = duration(saga["duration_ms"] / 1000)
    deadline = f", deadline {clock(saga['deadline_at'])}" if saga.get("deadline_at") and not saga.get("closed_at") else ""
    began = f", began {clock(saga['begun_at'])}" if saga.get("begun_at") else ""
    times = f"started {clock(saga['started_at'])}{began}, {'took' if saga.get('closed_at') else 'open for'} {took}{deadline}"
    return plain(f"id {saga['id']}   {times}", "dim")


def status_word(step: Json) -> str:
    """Return the word for a step's state.

    A step without effect was skipped or rejected. An undone step may never have run.
    """
    outcomes = [one["outcome"] for one in step["attempts"]]
    if step["status"] == "no_effect":
        return "skipped" if not outcomes else "rejected" if "REJECTED" in outcomes else "no effect"
    if step["status"] == "undone" and "UNDONE" not in outcomes:
        return "fenced" if "FENCED" in outcomes else "nothing to undo" if "NOTHING_TO_UNDO" in outcomes else "undone"
    return str(step["status"])


def _step_line(guide: str, step: Json, widths: list[int]) -> Text:
    name, status, participant = widths
    took = _took(step)
    code = f"  {step['code']}" if step.get("code") and step["status"] not in ("done", "undone") else ""
    return Text.assemble(
        guide,
        plain(f"{step['name']:<{name}}  "),
        plain(f"{status_word(step):<{status}}  ", _STATUS_STYLES.get(step["status"], "cyan")),
        plain(f"{step.get('participant') or '?':<{participant}}", "dim"),
        plain(f"  {took}" if took else ""),
        plain(code, "red"),
    )


def _took(step: Json) -> str:
    """Return how long the answered action took, and how long the answered compensation took."""
    parts = []
    for direction in ("action", "compensation"):
        answered = [one for one in step["attempts"] if one["direction"] == direction and one["duration_ms"] is not None]
        if answered:
            parts.append(f"{_ending(answered[-1])}{_length(answered[-1])}")
    return ", ".join(parts)


def _length(attempt: Json) -> str:
    """Return how long an attempt took and, as far as it is known, what that was made of."""
    parts = made_of(attempt)
    return duration(attempt["duration_ms"] / 1000) + (f" ({parts})" if parts else "")


def _ending(attempt: Json) -> str:
    if attempt["direction"] == "action":
        return ""
    return "undone in " if attempt["outcome"] in ("UNDONE", "NOTHING_TO_UNDO") else f"undo {attempt['outcome']} after "


def _below(saga: Json, step: Json) -> Iterator[Text]:
    """Yield the lines under a step: its attempts where they add something, what it waits for, what
    needs a person."""
    if _needs_attempt_lines(step):
        yield from map(_attempt_line, step["attempts"])
        if step["attempts_omitted"]:
            yield plain(f"({step['attempts_omitted']} attempts in between are not shown)", "dim")
    if step.get("limits"):
        yield plain("changed limits: " + ", ".join(f"{name} {value}" for name, value in step["limits"].items()), "magenta")
    attention = [one for one in saga["attention"] if one["step"] == step["name"]]
    for waiting in saga["waiting"]:
        if waiting["step"] == step["name"] and not waiting["name"].startswith("attention:"):
            yield _waiting_line(waiting)
    for one in attention:
        yield from _attention_lines(one)


def _needs_attempt_lines(step: Json) -> bool:
    """Return whether the attempts add something to the step's line: one failed, or a direction has
    several."""
    directions = [one["direction"] for one in step["attempts"]]
    well = all(one["outcome"] in ("SUCCEEDED", "UNDONE", "NOTHING_TO_UNDO") for one in step["attempts"])
    return not well or len(directions) != len(set(directions))


def _attempt_line(attempt: Json) -> Text:
    word = f"{_DIRECTIONS.get(attempt['direction'], attempt['direction'])} {attempt['attempt']}"
    run = f" of run {attempt['run']}" if attempt["run"] > 1 else ""
    if attempt["outcome"] is None:
        return plain(f"{word}{run}  asked {ago(attempt['asked_at'])} ago, {attempt.get('message') or 'no answer'}")
    why = "  ".join(str(attempt[name]) for name in ("code", "message") if attempt.get(name))
    return plain(f"{word}{run}  {attempt['outcome']}  {_length(attempt)}  {why}".rstrip())


def _waiting_line(waiting: Json) -> Text:
    since = f" for {ago(waiting['since'])}" if waiting.get("since") else ""
    then = f"; looked at again {until(waiting['until'])}" if at(waiting.get("until")) else ""
    return plain(f"waits{since}: {waiting['name']}: {waiting['mover']}{then}", "cyan")


def _attention_lines(attention: Json) -> Iterator[Text]:
    note = f"  {attention['note']}" if attention.get("note") else ""
    yield plain(f"needs a person for {ago(attention['since'])}: {attention['reason']}{note}", "bold red")
    yield plain(f"  way out: {attention['way_out']}", "red")


def _of_the_whole(saga: Json) -> Iterator[Text]:
    """Yield the lines that belong to no step."""
    names = {step["name"] for step in saga["steps"]}
    for waiting in saga["waiting"]:
        if waiting["step"] not in names and not waiting["name"].startswith("attention:"):
            yield _waiting_line(waiting)
    for one in saga["attention"]:
        if one["step"] not in names:
            yield from _attention_lines(one)
    for one in saga["exceptions"]:
        yield plain(f"waived: {one['step']} by {one['actor'] or 'somebody'}: {one['evidence'] or 'no evidence kept'}", "magenta")
    for word, other in (("restarted from", saga.get("restarted_from")), ("restarted as", saga.get("restarted_as"))):
        if other:
            yield plain(f"{word} {other}", "magenta")
    if schedule := saga.get("schedule"):
        yield plain(f"started by the schedule {schedule['name']} for {schedule['tick']}", "magenta")
    for one in saga.get("left", ()):
        word = "stays" if one["effect"] == "stays" else "may stay: nobody knows whether it was done"
        yield plain(f"left: the effect of {one['step']} ({one['participant'] or '?'}) {word}", "magenta")
    movers = " ".join(waiting["mover"] for waiting in saga["waiting"])
    if imported := saga.get("imported"):
        yield plain(
            f"imported {ago(imported['at'])} ago by {imported['by']}; it ran in store {imported['cluster_id']}", "magenta"
        )
    for note in saga["notes"]:
        if note not in movers:
            yield plain(note, "yellow")


def _fact(fact: Json) -> str:
    return "  ".join([fact["fact"], *(f"{name}={value}" for name, value in fact.items() if name != "fact")])
