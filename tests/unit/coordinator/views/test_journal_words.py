"""The journal in words, without what a page knows besides."""

from __future__ import annotations

from typing import Any

import pytest

from saga_coordinator.views.journal import RecordView
from saga_coordinator.views.journal_words import journal_words

COMMAND = {
    "fact": "command",
    "step": "charge",
    "kind": "action",
    "run": 1,
    "participant": "payment",
    "at": "2026-03-01T10:00:00.000000Z",
}


def words(*facts: dict[str, Any], kind: str = "reply", note: str | None = None) -> list[str]:
    one = RecordView(version=3, at="2026-03-01T10:00:01.000000Z", kind=kind, actor="ada", facts=facts, note=note)
    return [said.text for said in journal_words([one], {})]


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        ({"fact": "started", "steps": ["a"]}, "started"),
        ({"fact": "started", "recovered": True, "key": "o-1"}, "began again after a restore with the key o-1"),
        (COMMAND, "payment was asked to charge"),
        (COMMAND | {"attempt": 3}, "payment was asked to charge, attempt 3"),
        (COMMAND | {"kind": "compensation"}, "payment was asked to undo charge"),
        (COMMAND | {"kind": "resolve", "attempt": 2}, "payment was asked what became of charge, attempt 2"),
        (
            {"fact": "reply", "step": "charge", "kind": "action", "outcome": "SUCCEEDED"},
            "its participant answered SUCCEEDED to charge",
        ),
        ({"fact": "phase", "phase": "COMPENSATING", "reason": "cancel: no"}, "going back: cancel: no"),
        ({"fact": "acted", "act": "waive", "step": "charge", "actor": "ada", "reason": "paid"}, "waived charge"),
        ({"fact": "step", "step": "charge", "changes": {"attention": "rejected"}}, "charge needs a person: rejected"),
        ({"fact": "step", "step": "charge", "changes": {"attention": None}}, "charge needs nobody any more"),
        ({"fact": "saga", "changes": {"recovering": False}}, "all have answered after the restore"),
        ({"fact": "saga", "changes": {"attention": "engine_error"}}, "needs a person: engine error"),
        ({"fact": "left", "step": "charge", "effect": "stays"}, "the effect of charge stays"),
    ],
)
def test_each_fact_has_its_sentence(fact: dict[str, Any], said: str) -> None:
    assert words(fact) == [said]


def test_a_record_that_tells_nothing_else_says_what_caused_it() -> None:
    assert words({"fact": "step", "step": "charge", "changes": {"due_at": None}}, kind="wakeup") == [
        "a timer looked at it: charge"
    ]
    assert words(note="format 9") == ["a record that cannot be read: format 9"]
