"""What is known of a saga that the database has lost, by the replies that came for it."""

from __future__ import annotations

from uuid import UUID

import pytest

from saga_coordinator.inbound.dead_letters import encode_headers
from saga_coordinator.store.port import OrphanReply
from saga_coordinator.views.lost_sagas import Effect, LostSaga, lost_saga
from saga_schemas.headers import ReplyHeaders
from saga_schemas.outcomes import Kind, Outcome

SAGA = UUID("0190a000-0000-7000-8000-000000000001")


def reply(said: str, at_us: int) -> OrphanReply:
    """`action:SUCCEEDED:1`: kind, outcome, run, and the row's run if it is another."""
    kind, outcome, run, *row_run = said.split(":")
    headers = ReplyHeaders(
        message_id=str(at_us),
        source="/payment",
        record="saga.v1.Empty",
        time_us=1_700_000_000_000_000 + at_us,
        saga_id=SAGA,
        step="charge",
        kind=Kind(kind),
        run=int(run),
        attempt=1,
        incarnation=1,
        version=1,
        tenant="default",
        token="1." + "A" * 43,
        causation_id=f"{SAGA}.1.1.0",
        outcome=Outcome(outcome),
        row_run=int(row_run[0]) if row_run else None,
    )
    return orphan(encode_headers(headers.encode()), at_us)


def orphan(headers: bytes, at_us: int) -> OrphanReply:
    return OrphanReply(
        id=UUID(int=at_us),
        saga_id=SAGA,
        at_us=at_us,
        topic="x.saga.reply.payment",
        partition=0,
        offset=1,
        headers=headers,
        value=b"",
    )


def lost(*said: str) -> LostSaga:
    return lost_saga(SAGA, [reply(one, at_us) for at_us, one in enumerate(said)])


@pytest.mark.parametrize(
    ("said", "effect"),
    [
        (["action:SUCCEEDED:1"], Effect.STANDS),
        (["action:SUCCEEDED:1", "action:SUCCEEDED:1"], Effect.STANDS),
        (["action:SUCCEEDED:1", "compensation:FAILED:1"], Effect.STANDS),
        (["action:SUCCEEDED:1", "compensation:REJECTED:1"], Effect.STANDS),
        (["action:SUCCEEDED:1", "compensation:UNDONE:1"], Effect.NONE),
        (["compensation:UNDONE:1", "action:SUCCEEDED:1"], Effect.NONE),
        (["compensation:NOTHING_TO_UNDO:1"], Effect.NONE),
        (["compensation:UNDONE:1", "action:SUCCEEDED:2"], Effect.STANDS),
        (["compensation:UNDONE:1", "compensation:SUCCEEDED:1:2"], Effect.STANDS),
        (["action:FAILED:1", "action:REJECTED:1"], Effect.NONE),
        (["resolve:FENCED:1"], Effect.NONE),
        (["action:FAILED:1"], Effect.UNKNOWN),
        (["action:IN_PROGRESS:1"], Effect.UNKNOWN),
        (["action:EXPIRED:1"], Effect.UNKNOWN),
    ],
    ids=str,
)
def test_what_is_left_of_a_step(said: list[str], effect: Effect) -> None:
    (step,) = lost(*said).steps
    assert (step.step, step.participant, step.effect) == ("charge", "payment", effect)
    assert ("nothing" in step.way_out) is (effect is Effect.NONE)
    assert ("by hand" in step.way_out) is (effect is Effect.STANDS)


def test_a_reply_that_cannot_be_read_says_nothing() -> None:
    assert lost_saga(SAGA, [orphan(encode_headers(((("ce_id"), b"1"),)), 1), orphan(b"[", 2)]).steps == []
