"""An answer as the record that is sent."""

from __future__ import annotations

from uuid import RFC_4122, UUID

from saga_participant.barrier.answers import Answer
from saga_schemas.headers import CommandHeaders, decode_reply
from saga_schemas.ids import uuid7
from saga_schemas.outcomes import Kind, Outcome

COMMAND = CommandHeaders(
    message_id="m-1",
    source="coordinator",
    record="shop.ChargeCard",
    time_us=1,
    saga_id=uuid7(1_793_000_000_000_000, b"0123456789"),
    step="charge",
    kind=Kind.ACTION,
    run=1,
    attempt=1,
    incarnation=1,
    version=1,
    tenant="default",
    definition_hash="0" * 64,
    expiry_us=2,
    token="t",
)


def test_every_reply_has_a_random_uuid_of_its_own() -> None:
    answer = Answer(to=COMMAND, outcome=Outcome.FENCED)
    sent = [answer.outgoing(topic="saga.reply.payment", source="payment", time_us=3) for _ in range(500)]
    ids = [decode_reply(record.headers).message_id for record in sent]

    assert len(set(ids)) == len(ids)
    for text in ids:
        made = UUID(text)
        assert (str(made), made.version, made.variant) == (text, 4, RFC_4122)
    assert {text[19] for text in ids} == set("89ab")
