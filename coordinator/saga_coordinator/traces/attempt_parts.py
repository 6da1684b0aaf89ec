"""What an attempt's time was made of: *queue*, *handler* and *wire*. Pure.

A participant says when it began and how long its handler took, by clocks of its own. What it says
is cut to what lies within the attempt. So a wrong clock, or a lie, spoils the picture and nothing
else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from saga_coordinator.engine.facts import ReplySeen
from saga_coordinator.traces.spans import Value
from saga_schemas.record_class import record


@record
class AttemptParts:
    """The parts of one attempt, as far as they are known.

    Together the three are the whole attempt. Of accepted work that is answered later, nobody knows
    the wire.
    """

    queue_us: int | None = None
    """From sending the command until the participant began with it."""
    handler_us: int | None = None
    """The participant's handler."""
    wire_us: int | None = None
    """From the handler's end until the coordinator had the reply."""
    taken_at_us: int | None = None
    """When the participant began, by the coordinator's clock."""
    handled_at_us: int | None = None
    """When its handler had ended, likewise."""

    def attributes(self) -> dict[str, Value]:
        """What the attempt's span says of them."""
        named = {"saga.queue_us": self.queue_us, "saga.handler_us": self.handler_us, "saga.wire_us": self.wire_us}
        return {name: us for name, us in named.items() if us is not None}

    def marks(self) -> Iterator[tuple[str, int]]:
        """The events on the attempt's span: their names and times."""
        if self.taken_at_us is not None:
            yield "saga.taken", self.taken_at_us
        if self.handled_at_us is not None:
            yield "saga.handled", self.handled_at_us


UNKNOWN: Final = AttemptParts()


def split(*, asked_at_us: int, seen_at_us: int, taken_at_us: int | None, handler_us: int | None) -> AttemptParts:
    """Split an attempt into its parts.

    Args:
        asked_at_us: When the command was sent.
        seen_at_us: When the reply was applied.
        taken_at_us: When the participant says that it began. Any number.
        handler_us: How long it says that its handler took. Any number.

    Returns:
        The parts. None is negative, and none is longer than the attempt.
    """
    length_us = max(seen_at_us - asked_at_us, 0)
    if taken_at_us is None:
        return UNKNOWN if handler_us is None else AttemptParts(handler_us=_within(handler_us, length_us))
    queue_us = _within(taken_at_us - asked_at_us, length_us)
    began_at_us = asked_at_us + queue_us
    if handler_us is None:
        return AttemptParts(queue_us=queue_us, taken_at_us=began_at_us)
    took_us = _within(handler_us, length_us - queue_us)
    return AttemptParts(
        queue_us=queue_us,
        handler_us=took_us,
        wire_us=length_us - queue_us - took_us,
        taken_at_us=began_at_us,
        handled_at_us=began_at_us + took_us,
    )


def parts_after(known: AttemptParts, reply: ReplySeen, *, asked_at_us: int, seen_at_us: int) -> AttemptParts:
    """The parts of an attempt once this reply to it is seen.

    `known` are those before it. Accepted work was taken in hand when it was accepted, and the
    answer given later says nothing of that.
    """
    if reply.taken_at_us is None and reply.handler_us is None:
        return known if known.wire_us is None else replace(known, wire_us=None)
    return split(asked_at_us=asked_at_us, seen_at_us=seen_at_us, taken_at_us=reply.taken_at_us, handler_us=reply.handler_us)


def _within(us: int, most_us: int) -> int:
    return min(max(us, 0), most_us)
