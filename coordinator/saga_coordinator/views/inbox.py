"""What needs a person, gathered: sagas with one cause stand together, with what it means and the
ways out. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from saga_coordinator.store.port import AlikeAttention
from saga_schemas.record_class import record

RETRY: Final = "retry"
WAIVE: Final = "waive"


@record
class Cause:
    """A reason for attention in words."""

    one: str
    """Of one saga. `{step}` and `{who}` stand for the step and its participant."""
    many: str
    """Of several, behind their number; `{who}` as above."""
    way_out: str
    acts: tuple[str, ...] = (RETRY, WAIVE)
    unsafe: bool = False
    """A step can only be waived without asking the participant."""


_MAPPING: Final = Cause(
    one="the command of {step} cannot be made: a mapping or a condition gave no value",
    many="cannot make their command to {who}: a mapping or a condition gave no value",
    way_out="Its evidence names the expression or the field. Do the step's work by hand, then waive it.",
    acts=(WAIVE,),
)
_OTHER: Final = Cause(
    one="{step} needs a person", many="need a person at {who}", way_out="Retry once the cause is mended, or waive with evidence."
)
_CAUSES: Final[Mapping[str, Cause]] = {
    "no_answer": Cause(
        one="{who} does not answer {step}",
        many="wait for {who}, which does not answer",
        way_out="Is it running, does anyone read its command topic? It is asked again by itself; an answer ends this.",
    ),
    "expired": Cause(
        one="every command of {step} reaches {who} after its time",
        many="wait for {who}, which gets their commands after their time",
        way_out="Set the clocks right; if they do not differ it is far behind, or `timeout.expiry` is too short.",
    ),
    "no_progress": Cause(
        one="{who} works on {step}, without news for longer than its heartbeat",
        many="wait for {who}, which works on them without news",
        way_out="Find out what it waits for. It is asked again by itself; news ends this.",
    ),
    "time_over": Cause(
        one="the time of {step} is over, and it can only go forward",
        many="are past the time of a step of {who}",
        way_out="Mend {who}; it is asked again by itself.",
    ),
    "retries_spent": Cause(
        one="{step} fails again and again, and can only go forward",
        many="fail again and again at {who}",
        way_out="Mend {who}; it is retried by itself, without end.",
    ),
    "rejected": Cause(
        one="{who} refuses {step}, and the saga cannot go back",
        many="are refused by {who}, and cannot go back",
        way_out="Make the step possible and retry, or do it by hand and waive it.",
    ),
    "fenced": Cause(
        one="{step} was fenced though nobody compensated it",
        many="were fenced by {who} though nobody compensated them",
        way_out="Somebody answered RESOLVE or wrote rows by hand. Past the pivot: retry.",
    ),
    "unsupported": Cause(
        one="{who} has no handler for the command of {step}",
        many="wait for {who}, which has no handler for their command",
        way_out="Deploy a release of {who} that handles the record, then retry.",
    ),
    "undo_failed": Cause(
        one="{step} cannot be undone: {who} fails as often as its policy allows",
        many="cannot be undone at {who}, which fails",
        way_out="Mend {who}, then retry.",
    ),
    "undo_rejected": Cause(
        one="{who} refuses to undo {step}",
        many="are not undone by {who}, which refuses",
        way_out="Mend {who} and retry, or undo by hand and waive.",
    ),
    "conflict": Cause(
        one="two answers of {who} to {step} contradict each other",
        many="have answers of {who} that contradict each other",
        way_out="Compare its saga_barrier rows (`saga doctor participant`), then waive with the evidence.",
        acts=(WAIVE,),
        unsafe=True,
    ),
    "reply_from_the_future": Cause(
        one="a participant answers commands that this database never decided",
        many="have answers that this database never asked for",
        way_out="The database was restored from a backup: stop the coordinators and run `saga recover`.",
        acts=(),
    ),
    "engine_error": Cause(
        one="the coordinator met a bug, or a row that it cannot read",
        many="met a bug of the coordinator, or rows that it cannot read",
        way_out="The log line `saga_parked` has more; report it. Other events are still applied.",
        acts=(),
    ),
    **dict.fromkeys(
        (
            "expression_failed",
            "expression_too_large",
            "field_missing",
            "wrong_type",
            "encoding_failed",
            "decoding_failed",
            "command_missing",
        ),
        _MAPPING,
    ),
}
_NOBODY: Final = "its participant"


@record
class InboxLine:
    """One reason of one saga."""

    attention: AlikeAttention
    headline: str
    acts: tuple[str, ...]
    unsafe: bool


@record
class InboxGroup:
    """What has one cause."""

    reason: str
    participant: str | None
    """None: it is of no step, or the definition cannot be read."""
    definitions: Sequence[str]
    count: int
    since_us: int
    """Of the one that waits longest."""
    headline: str
    way_out: str
    acts: tuple[str, ...]
    lines: Sequence[InboxLine]
    """Those that wait longest."""


def cause_of(reason: str) -> Cause:
    """What a reason means."""
    return _CAUSES.get(reason, _OTHER)


def inbox(found: Iterable[AlikeAttention], participant_of: Callable[[AlikeAttention], str | None], most: int) -> list[InboxGroup]:
    """Gather what needs a person by reason and participant: many sagas first, then by age.

    Args:
        found: By version, step and reason those that wait longest.
        participant_of: Whose step it is.
        most: Lines of one group.
    """
    groups: dict[tuple[str, str | None], list[AlikeAttention]] = {}
    for one in found:
        groups.setdefault((one.reason, participant_of(one) if one.step else None), []).append(one)
    made = [_group(reason, participant, members, most) for (reason, participant), members in groups.items()]
    return sorted(made, key=lambda group: (-group.count, group.since_us))


def _group(reason: str, participant: str | None, members: Sequence[AlikeAttention], most: int) -> InboxGroup:
    cause, who = cause_of(reason), participant or _NOBODY
    members = sorted(members, key=lambda one: (one.since_us, one.saga_id))
    alike = {(one.definition, one.definition_version, one.step): one.alike for one in members}
    count = sum(alike.values())
    headline = f"{count:,} sagas {cause.many.format(who=who)}" if count > 1 else _headline(members[0], who)
    return InboxGroup(
        reason=reason,
        participant=participant,
        definitions=sorted({one.definition for one in members}),
        count=count,
        since_us=members[0].since_us,
        headline=headline,
        way_out=cause.way_out.format(who=who),
        acts=cause.acts if members[0].step else (),
        lines=[
            InboxLine(attention=one, headline=_headline(one, who), acts=cause.acts if one.step else (), unsafe=cause.unsafe)
            for one in members[:most]
        ],
    )


def _headline(one: AlikeAttention, who: str) -> str:
    text = cause_of(one.reason).one.format(step=one.step or "it", who=who)
    return text[:1].upper() + text[1:] if text.startswith(("two ", "the ", "every ", "a ")) else text
