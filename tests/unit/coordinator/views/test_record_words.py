"""A journal record in words."""

from __future__ import annotations

from typing import Any

import pytest

from saga_coordinator.views.record_words import record_words

COMMAND = {"fact": "command", "step": "charge", "kind": "action", "attempt": 1, "participant": "payment", "record": "shop.Charge"}


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        ({"fact": "started", "steps": ["a"]}, "started"),
        ({"fact": "started", "recovered": True}, "began again after a restore"),
        (COMMAND, "charge: payment is asked (shop.Charge)"),
        (COMMAND | {"attempt": 3}, "charge: payment is asked again (attempt 3) (shop.Charge)"),
        (COMMAND | {"kind": "compensation", "record": "shop.Refund"}, "charge: payment is asked to undo it (shop.Refund)"),
        (COMMAND | {"kind": "resolve", "attempt": 2}, "charge: payment is asked again (attempt 2) whether it happened"),
        ({"fact": "reply", "step": "charge", "outcome": "SUCCEEDED"}, "charge: SUCCEEDED"),
        (
            {"fact": "reply", "step": "charge", "outcome": "FAILED", "code": "busy", "message": "no line"},
            "charge: FAILED (busy: no line)",
        ),
        ({"fact": "phase", "phase": "COMPENSATING", "reason": "cancel: no"}, "the saga is COMPENSATING: cancel: no"),
        ({"fact": "acted", "act": "waive", "step": "charge", "actor": "ada", "reason": "paid"}, "ada: waive charge: paid"),
        ({"fact": "acted", "act": "cancel", "actor": "ada", "reason": ""}, "ada: cancel"),
        ({"fact": "step", "step": "charge", "changes": {"status": "done"}}, "charge is done"),
        ({"fact": "step", "step": "charge", "changes": {"attention": "rejected"}}, "charge needs a person: rejected"),
        ({"fact": "step", "step": "charge", "changes": {"attention": None}}, "charge needs nobody any more"),
        ({"fact": "saga", "changes": {"recovering": True}}, "the saga asks its participants again after a restore"),
        ({"fact": "saga", "changes": {"attention": "engine_error"}}, "the saga needs a person: engine_error"),
    ],
)
def test_each_fact_has_its_sentence(fact: dict[str, Any], said: str) -> None:
    assert record_words([fact]) == (said,)


@pytest.mark.parametrize(
    "fact",
    [
        {"fact": "announced", "event": "started"},
        {"fact": "step", "step": "charge", "changes": {"status": "ready", "due_at": None}},
        {"fact": "of a later release"},
        {},
    ],
)
def test_what_only_leads_somewhere_has_none(fact: dict[str, Any]) -> None:
    assert record_words([fact]) == ()


def test_long_texts_are_cut() -> None:
    (said,) = record_words([{"fact": "acted", "act": "cancel", "actor": "ada", "reason": "x" * 9_000}])
    assert len(said) < 400
