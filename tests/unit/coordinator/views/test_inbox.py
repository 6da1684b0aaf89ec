"""The inbox: what has one cause stands together, with words and ways out."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import UUID

from saga_coordinator.store.port import AlikeAttention
from saga_coordinator.views.inbox import RETRY, WAIVE, cause_of, inbox


def attention(number: int, reason: str = "no_answer", **changed: object) -> AlikeAttention:
    values: dict[str, object] = {
        "saga_id": UUID(int=number),
        "step": "charge",
        "reason": reason,
        "since_us": 1_000 - number,
        "note": "",
        "definition": "order",
        "definition_version": 1,
        "business_key": f"o-{number}",
        "phase": "RUNNING",
        "alike": 1,
    }
    return AlikeAttention(**{**values, **changed})  # type: ignore[arg-type]


def of_payment(_: AlikeAttention) -> str:
    return "payment"


def test_sagas_with_one_cause_stand_together_the_oldest_first() -> None:
    found = [attention(n, alike=148) for n in (1, 2, 3)]
    found += [attention(9, definition="refund", alike=2), attention(5, "undo_failed")]

    many, one = inbox(found, of_payment, 2)

    assert many.headline == "150 sagas wait for payment, which does not answer"
    assert (many.count, many.since_us, many.definitions) == (150, 991, ["order", "refund"])
    assert [line.attention.business_key for line in many.lines] == ["o-9", "o-3"]
    assert one.headline == "charge cannot be undone: payment fails as often as its policy allows"
    assert one.way_out == "Mend payment, then retry." and one.acts == (RETRY, WAIVE)


def test_what_is_of_no_step_or_of_an_unknown_participant_has_words_and_no_acts_of_a_step() -> None:
    unknown, whole = inbox([attention(1, "engine_error", step=""), attention(2, "no_answer")], lambda _: None, 5)

    assert (whole.participant, whole.acts, whole.lines[0].acts) == (None, (), ())
    assert whole.headline == "The coordinator met a bug, or a row that it cannot read"
    assert unknown.headline == "its participant does not answer charge"


def test_contradicting_answers_are_waived_without_asking() -> None:
    (group,) = inbox([attention(1, "conflict")], of_payment, 5)

    assert group.acts == (WAIVE,) and group.lines[0].unsafe


def test_every_reason_of_the_runbook_has_words() -> None:
    page = (Path(__file__).parents[4] / "docs" / "operations.md").read_text(encoding="utf-8")
    table = page.split("These are all the reasons for attention", 1)[1].split("When a saga without attention", 1)[0]
    codes = {code for line in table.splitlines() if line.startswith("| `") for code in re.findall(r"`(\w+)`", line.split("|")[1])}

    unknown = cause_of("no such reason")
    assert {code for code in codes if cause_of(code) is unknown} == {"state_unreadable"}
    assert len(codes) > 15
