"""What needs a person, what is waited for, payloads and the journal, in words."""

from __future__ import annotations

from typing import Any

import pytest

from saga_coordinator.console.saga.attention_words import alerts, calm
from saga_coordinator.console.saga.payload_text import LINES_MOST, payload_text
from saga_coordinator.console.saga.plan import StepPlan
from saga_coordinator.console.saga.step_sides import step_sides
from saga_coordinator.console.saga.timeline import LINES_MOST as MOST_LINES
from saga_coordinator.console.saga.timeline import timeline
from saga_coordinator.views.journal import RecordView
from saga_coordinator.views.journal_words import journal_words
from saga_coordinator.views.saga import SagaView
from saga_schemas.masking import MASK
from saga_schemas.outcomes import Kind, Outcome
from support.saga_views import at, attempt, needs, step, view, waits

PLANS = {
    name: StepPlan(name=name, participant="payment", kind=kind, after=(), attempts=20, undo_attempts=20)
    for name, kind in (("charge", "compensatable"), ("ship", "pivot"), ("mail", "retriable"))
}
FAILED = attempt(Outcome.FAILED, 20, Kind.COMPENSATION, code="bank_down")


def told(shown: SagaView) -> Any:
    return alerts(shown, step_sides(shown, PLANS))


@pytest.mark.parametrize(
    ("shown", "headline", "acts"),
    [
        (
            view(step("charge", "stuck_back", attempt(Outcome.SUCCEEDED), FAILED), phase="COMPENSATING"),
            "charge cannot be undone: payment answered FAILED bank_down 20 times",
            (True, True, False),
        ),
        (view(step("charge", "asked", attempt(None))), "payment does not answer to charge", (True, False, False)),
        (
            view(step("ship", "resolving", attempt(None, 1, Kind.RESOLVE)), phase="SETTLING"),
            "payment does not answer to ship",
            (True, False, False),
        ),
        (
            view(step("mail", "stuck_forward", attempt(Outcome.REJECTED, code="no_address")), phase="COMMITTED"),
            "mail was refused, and there is no way back: payment answered REJECTED no_address",
            (True, True, False),
        ),
        (
            view(step("charge", "conflict", attempt(Outcome.SUCCEEDED)), phase="COMPENSATING"),
            "the answers of payment to charge contradict each other: payment answered SUCCEEDED",
            (False, True, True),
        ),
    ],
)
def test_what_happened_and_the_ways_out(shown: SagaView, headline: str, acts: tuple[bool, bool, bool]) -> None:
    status = shown.steps[0].status
    reason = {"stuck_back": "undo_failed", "stuck_forward": "rejected", "conflict": "conflict"}.get(status, "no_answer")

    (alert,) = told(view(*shown.steps, phase=shown.phase, attention=(needs(shown.steps[0].name, reason, "its note"),)))

    assert alert.headline == headline
    assert (alert.may_retry, alert.may_waive, alert.only_unsafe) == acts
    assert alert.detail.startswith("«its note». ") and alert.detail.endswith(".") and "`saga step retry" not in alert.detail


@pytest.mark.parametrize("reason", ["engine_error", "state_unreadable", "new_reason"])
def test_what_is_about_no_step_is_told_too(reason: str) -> None:
    (alert,) = told(view(attention=(needs(None, reason, way_out="see its log"),)))

    assert alert.headline and (alert.detail, alert.may_retry, alert.may_waive) == ("See its log.", False, False)


def test_what_is_waited_for_without_need_of_anybody() -> None:
    shown = view(
        step("charge", "asked", attempt(None)),
        waiting=(
            waits("charge", "reply"),
            waits("mail", "retry", "the retry's time"),
            waits(None, "new_wait", "x"),
            waits("ship", "attention:conflict"),
        ),
    )

    said = [(one.what, one.mover, one.may_retry) for one in calm(shown, step_sides(shown, PLANS))]

    assert said == [
        ("payment has not answered yet (charge)", "It moves with the reply of payment.", True),
        ("mail failed, and is asked again", "It moves with the retry's time.", False),
        ("it new wait", "X.", False),
    ]


def record(version: int, kind: str, *facts: dict[str, Any], ms: int = 0, **more: Any) -> RecordView:
    return RecordView(version=version, at=at(ms), kind=kind, actor=more.get("actor"), facts=facts, note=more.get("note"))


def test_the_journal_newest_first_with_who_and_how_long_it_took() -> None:
    asked = {"step": "charge", "kind": "compensation", "run": 1, "attempt": 2}
    records = [
        record(1, "start", {"fact": "started", "key": "o-17"}),
        record(2, "wakeup", {"fact": "command", **asked, "participant": "payment", "row": "16b", "at": at(100)}, ms=100),
        record(
            3,
            "reply",
            {"fact": "reply", **asked, "outcome": "FAILED", "code": "bank_down", "message": "503"},
            {"fact": "step", "step": "charge", "row": "16", "changes": {"status": "stuck_back", "attention": "undo_failed"}},
            ms=141,
        ),
        record(4, "retrystep", {"fact": "acted", "act": "retry", "step": "charge", "actor": "ada", "reason": "mended"}, ms=900),
        record(5, "wakeup", {"fact": "step", "step": "mail", "row": "8", "changes": {"due_at": "x"}}, ms=950),
        record(6, "reply", note="format 9", ms=960),
    ]

    said = [(one.version, one.text, one.quote, one.who, one.took_ms) for one in journal_words(records, PLANS)[::-1]]

    assert said == [
        (6, "a record that cannot be read: format 9", "", "engine", None),
        (5, "a timer looked at it: mail", "", "a timer", None),
        (4, "asked to try again charge", "mended", "ada", None),
        (3, "charge needs a person: undo failed", "", "engine, row 16", None),
        (3, "payment answered FAILED bank_down to undo charge, attempt 2 of 20", "503", "payment", 41.0),
        (2, "payment was asked to undo charge, attempt 2", "", "engine, row 16b", None),
        (1, "started with the key o-17", "", "start", None),
    ]


@pytest.mark.parametrize(
    "fact", [{}, {"fact": "step"}, {"fact": "reply", "outcome": 7}, {"fact": "phase"}, {"fact": "saga"}, {"fact": 1}]
)
def test_facts_of_an_edited_record_are_told_as_far_as_they_go(fact: dict[str, Any]) -> None:
    assert journal_words([record(1, "unheard_of", fact)], PLANS)


def test_a_payload_is_aligned_cut_and_masked() -> None:
    text = payload_text(
        {"charge_id": "chg-1", "account": MASK, "lines": [{"sku": "<b>", "n": 2}, "\u202e"], "none": None, "empty": {}}
    )

    assert str(text.markup).split("\n") == [
        '<span class="key">charge_id</span>  &#34;chg-1&#34;',
        f'<span class="key">account  </span>  <span class="hidden" title="its schema hides it">{MASK}</span>',
        '<span class="key">lines    </span>',
        '  <span class="key">-</span>',
        '    <span class="key">sku</span>  &#34;&lt;b&gt;&#34;',
        '    <span class="key">n  </span>  2',
        '  <span class="key">-</span>  &#34;�&#34;',
        '<span class="key">none     </span>  null',
        '<span class="key">empty    </span>  {}',
    ]
    assert text.omitted == 0


def test_a_large_payload_says_how_much_is_left_out() -> None:
    text = payload_text([{"value": "x" * 10_000}] * 100)

    assert str(text.markup).count("\n") == LINES_MOST - 1 and text.omitted == 200 - LINES_MOST
    assert "… 10,002 characters" in text.markup


def test_a_payload_nested_without_end_is_cut() -> None:
    value: Any = "deep"
    for _ in range(60):
        value = {"in": value}

    assert str(payload_text(value).markup).count("\n") < 15


def test_the_timeline_has_a_line_a_direction_and_keeps_what_waits_where_there_is_no_room() -> None:
    stuck = step(
        "charge",
        "stuck_back",
        attempt(Outcome.SUCCEEDED),
        *(attempt(Outcome.FAILED, n, Kind.COMPENSATION, asked_ms=n * 100) for n in (1, 2, 3, 4, 5, 20)),
        attempts_omitted=14,
    )
    many = [step(f"s{number}", "done", attempt(Outcome.SUCCEEDED, asked_ms=number)) for number in range(1_000)]
    shown = view(*many, stuck, phase="COMPENSATING", waiting=(waits("charge", "attention:undo_failed"),))

    lines, omitted = timeline(shown, step_sides(shown, PLANS), lambda name, way: f"#{name}-{way}")

    assert (len(lines), omitted) == (MOST_LINES, 1_002 - MOST_LINES)
    last = next(line for line in lines if line.name == "undo charge")
    assert (len(last.bars), last.omitted, last.note, last.href) == (6, 14, "20 × FAILED", "#charge-compensation")
    assert last.waits_from_us is not None and last.waits_from_us == last.bars[-1].to_us
    assert [line.bars[0].from_us for line in lines] == sorted(line.bars[0].from_us for line in lines)
