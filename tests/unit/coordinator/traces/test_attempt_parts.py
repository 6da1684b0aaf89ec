"""An attempt's parts: whatever a participant says of its time, they lie within the attempt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saga_coordinator.engine.facts import ReplySeen
from saga_coordinator.traces.attempt_parts import UNKNOWN, AttemptParts, parts_after, split
from saga_schemas.limits import INT64_MAX
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.times import FIRST_US, LAST_US

ASKED, SEEN = 1_700_000_000_000_000, 1_700_000_000_001_000
"""An attempt of a thousand microseconds."""


def parts(taken: int | None, handler: int | None, *, seen: int = SEEN) -> tuple[int | None, int | None, int | None]:
    found = split(asked_at_us=ASKED, seen_at_us=seen, taken_at_us=taken, handler_us=handler)
    return found.queue_us, found.handler_us, found.wire_us


@pytest.mark.parametrize(
    ("taken", "handler", "expected"),
    [
        (ASKED + 300, 500, (300, 500, 200)),
        (ASKED, 0, (0, 0, 1000)),
        (SEEN, 0, (1000, 0, 0)),
        (ASKED - 1, 400, (0, 400, 600)),
        (FIRST_US, 400, (0, 400, 600)),
        (SEEN + 1, 400, (1000, 0, 0)),
        (LAST_US, INT64_MAX, (1000, 0, 0)),
        (ASKED + 300, 701, (300, 700, 0)),
        (ASKED + 300, INT64_MAX, (300, 700, 0)),
        (ASKED + 300, -1, (300, 0, 700)),
        (ASKED + 300, None, (300, None, None)),
        (FIRST_US, None, (0, None, None)),
        (LAST_US, None, (1000, None, None)),
        (None, 400, (None, 400, None)),
        (None, INT64_MAX, (None, 1000, None)),
        (None, -1, (None, 0, None)),
        (None, None, (None, None, None)),
    ],
)
def test_what_is_said_is_cut_to_the_attempt(
    taken: int | None, handler: int | None, expected: tuple[int | None, int | None, int | None]
) -> None:
    assert parts(taken, handler) == expected


@pytest.mark.parametrize("seen", [ASKED, ASKED - 1, FIRST_US])
def test_an_attempt_without_length_has_no_long_parts(seen: int) -> None:
    assert parts(ASKED + 300, 500, seen=seen) == (0, 0, 0)


numbers = st.integers(-INT64_MAX, INT64_MAX)


@given(asked=numbers, seen=numbers, taken=numbers, handler=numbers)
def test_both_together_make_up_the_whole_attempt(asked: int, seen: int, taken: int, handler: int) -> None:
    found = split(asked_at_us=asked, seen_at_us=seen, taken_at_us=taken, handler_us=handler)
    assert found.queue_us is not None and found.handler_us is not None and found.wire_us is not None
    assert min(found.queue_us, found.handler_us, found.wire_us) >= 0
    assert found.queue_us + found.handler_us + found.wire_us == max(seen - asked, 0)
    assert found.taken_at_us is not None and found.handled_at_us is not None
    assert asked <= found.taken_at_us <= found.handled_at_us <= max(seen, asked)


def reply(outcome: Outcome, taken: int | None = None, handler: int | None = None) -> ReplySeen:
    return ReplySeen(step="a", kind=Kind.ACTION, run=1, attempt=1, outcome=outcome, taken_at_us=taken, handler_us=handler)


def test_accepted_work_keeps_what_its_acceptance_told_and_its_later_answer_has_no_wire() -> None:
    accepted = parts_after(UNKNOWN, reply(Outcome.IN_PROGRESS, ASKED + 300, 500), asked_at_us=ASKED, seen_at_us=SEEN)
    assert (accepted.queue_us, accepted.handler_us, accepted.wire_us) == (300, 500, 200)
    ended = parts_after(accepted, reply(Outcome.SUCCEEDED), asked_at_us=ASKED, seen_at_us=SEEN + 9_000_000)
    assert (ended.queue_us, ended.handler_us, ended.wire_us) == (300, 500, None)


def test_a_later_reply_that_tells_its_own_time_counts_alone() -> None:
    accepted = parts_after(UNKNOWN, reply(Outcome.IN_PROGRESS, ASKED + 300, 500), asked_at_us=ASKED, seen_at_us=SEEN)
    ended = parts_after(accepted, reply(Outcome.SUCCEEDED, ASKED + 400), asked_at_us=ASKED, seen_at_us=SEEN)
    assert ended == AttemptParts(queue_us=400, taken_at_us=ASKED + 400)
