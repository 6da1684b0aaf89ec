"""The compensation of an effect that no saga owns, and what an answer to it means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from saga_coordinator.definitions import CompiledDefinition, compile_definition, lint
from saga_coordinator.store.port import LostEffect
from saga_coordinator.sweep.undoing import UndoIncomplete, answered, compensation
from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode, encode
from saga_schemas.headers import ReplyHeaders
from saga_schemas.ids import uuid7
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.schema import Schema


def record(name: str, **fields: Any) -> Schema:
    listed = [{"name": field, **(kind if isinstance(kind, dict) else {"type": kind})} for field, kind in fields.items()]
    return Schema.parse({"type": "record", "name": f"t.{name}", "fields": listed})


INPUT = record("Input", order="string")
CHARGE = record("Charge", order="string", amount="long")
CHARGED = record("Charged", charge_id="string", amount="string")
REFUND = record("Refund", order="string", charge_id="string", amount="long", note={"type": "string", "default": ""})
CATALOG = Catalog([INPUT, CHARGE, CHARGED, REFUND])
TEXT = """
saga: shop
version: 3
input: t.Input
steps:
  - name: charge
    participant: payment
    command: t.Charge
    with: {amount: "${1}"}
    reply: t.Charged
    compensation: {command: t.Refund, with: {charge_id: "${steps.charge.reply.charge_id}"}}
  - {name: tell, participant: payment, command: t.Input, compensation: none}
"""
COMPILED: CompiledDefinition = compile_definition(lint(TEXT, "shop", CATALOG).required(), CATALOG)
EFFECT = LostEffect(
    saga_id=uuid7(1_790_000_000_000_000, bytes(10)),
    step="charge",
    participant="payment",
    run=2,
    state="DONE",
    beside=False,
    found_at_us=1,
    status="undoing",
    command=encode(CHARGE, {"order": "o-17", "amount": 40}),
    reply_record="t.Charged",
    reply=encode(CHARGED, {"charge_id": "c-1", "amount": "forty"}),
)


def made(effect: LostEffect = EFFECT, **given: Any) -> dict[str, Any]:
    name, value = compensation(COMPILED, effect, given, CATALOG)
    assert name == "t.Refund"
    return decode(value, CATALOG).value


def test_it_is_made_of_what_the_row_holds_by_name_and_type() -> None:
    assert made() == {"order": "o-17", "charge_id": "c-1", "amount": 40, "note": ""}


def test_what_is_given_comes_first() -> None:
    assert made(amount=30, note="half") == {"order": "o-17", "charge_id": "c-1", "amount": 30, "note": "half"}


def test_what_is_missing_is_named_at_once() -> None:
    """A row that is done has forgotten the command."""
    with pytest.raises(UndoIncomplete, match=r"payment does not hold all of t\.Refund: give order \(string\), amount \(long\)$"):
        made(replace(EFFECT, command=None))


@pytest.mark.parametrize(
    ("effect", "given", "says"),
    [
        (EFFECT, {"amount": "much"}, "amount"),
        (EFFECT, {"order_id": "o-17"}, "order_id"),
        (replace(EFFECT, step="ship"), {}, "shop@3 has no step ship of payment"),
        (replace(EFFECT, participant="bank"), {}, "shop@3 has no step charge of bank"),
        (replace(EFFECT, step="tell"), {}, "step tell of shop@3 has no compensation: keep the effect"),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_line(effect: LostEffect, given: dict[str, Any], says: str) -> None:
    with pytest.raises(UndoIncomplete, match=says):
        compensation(COMPILED, effect, given, CATALOG)


def test_a_row_that_cannot_be_read_holds_nothing() -> None:
    with pytest.raises(UndoIncomplete, match="give order"):
        made(replace(EFFECT, command=b"\0\0\0\0\7x", reply=b"?"))


def reply(outcome: Outcome, *, run: int = 2, row_run: int | None = None, kind: Kind = Kind.COMPENSATION) -> ReplyHeaders:
    return ReplyHeaders(
        message_id="m",
        source="/payment",
        record="saga.v1.Empty",
        time_us=5,
        saga_id=EFFECT.saga_id,
        step="charge",
        kind=kind,
        run=run,
        attempt=1,
        incarnation=7,
        version=1,
        tenant="default",
        outcome=outcome,
        token="k.t",
        causation_id="c",
        row_run=row_run,
    )


@pytest.mark.parametrize("outcome", [Outcome.UNDONE, Outcome.NOTHING_TO_UNDO])
def test_an_answer_that_it_is_undone_settles_it(outcome: Outcome) -> None:
    after = answered(EFFECT, reply(outcome), now_us=9)
    assert after == replace(EFFECT, status="undone", settled_at_us=9, note=outcome.value)


def test_a_newer_run_is_undone_instead_and_at_once() -> None:
    asked = replace(EFFECT, asked_at_us=4, asks=3)
    assert answered(asked, reply(Outcome.SUCCEEDED, row_run=5), now_us=9) == replace(asked, run=5, asked_at_us=0, asks=0)
    assert answered(asked, reply(Outcome.SUCCEEDED, row_run=2), now_us=9) is None


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.REJECTED, Outcome.UNSUPPORTED, Outcome.EXPIRED, Outcome.IN_PROGRESS])
def test_any_other_answer_is_shown_and_settles_nothing(outcome: Outcome) -> None:
    after = answered(EFFECT, reply(outcome), now_us=9)
    assert after == replace(EFFECT, note=outcome.value)
    assert answered(after, reply(outcome), now_us=10) is None


def test_answers_to_something_else_say_nothing() -> None:
    assert answered(EFFECT, reply(Outcome.UNDONE, run=1), now_us=9) is None
    assert answered(EFFECT, reply(Outcome.SUCCEEDED, kind=Kind.ACTION), now_us=9) is None
