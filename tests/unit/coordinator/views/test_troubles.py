"""What is wrong, in words: each rule says what it must, and says nothing of what is well."""

from __future__ import annotations

from typing import Any

import pytest

from saga_coordinator.engine.waiting import Held
from saga_coordinator.store.overview_port import LongestAttention
from saga_coordinator.store.recovering import Recovering
from saga_coordinator.views.situation import Situation
from saga_coordinator.views.trouble import Trouble
from saga_coordinator.views.trouble_of_participants import begin_of
from saga_coordinator.views.troubles import RULES, calm, troubles
from support.situations import NOW_US, SAGA, Counting, figures, situation, waiting

SECOND = 1_000_000
OPEN = {("order", "RUNNING"): 3}


def only(now: Situation) -> Trouble:
    (found,) = troubles(now)
    return found


def busy() -> Counting:
    """An hour like any other."""
    counting = Counting()
    for ago in range(60):
        counting.started(5, ago=ago).ended(count=4, ago=ago).answered(count=10, ago=ago).took("queue", 3, 10, ago=ago)
    return counting


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_rule_says_nothing_at_rest_or_at_usual_work(rule: Any) -> None:
    assert list(rule(situation())) == []
    at_work = situation(
        busy(),
        usual=busy(),
        waits=waiting(sagas=3, seconds=2),
        figures=figures(sagas_by_phase=OPEN, outbox_depth=2, outbox_oldest_at_us=NOW_US - SECOND, wakeup_earliest_due_us=NOW_US),
        lag={"saga.reply.payment": 40},
        unread_commands={"payment": 2},
        instances=(),
    )
    assert list(rule(at_work)) == []


def test_calm_is_one_line() -> None:
    assert calm(situation(figures=figures(sagas_by_phase=OPEN)), 42.13) == (
        "all is well: 3 sagas open, 42.1 start a second, nobody has to look"
    )
    assert calm(situation(), 0) == "all is well, and nothing runs"
    assert calm(situation(lines=()), 0) == "nothing is defined yet, so nothing can start"


# --- participants ---------------------------------------------------------------------------------


def test_a_participant_that_fails_is_told_with_its_code_its_share_and_since_when() -> None:
    counting = busy()
    for ago in range(25):
        counting.answered("FAILED", "bank_down", 15, ago=ago)
    found = only(situation(counting, waits=waiting(sagas=148, code="bank_down")))

    assert (found.code, found.severity, found.subject) == ("participant_fails", "bad", "payment")
    assert found.sentence == "payment answers, but fails: bank_down in 60 % of its answers, for 24 min"
    assert found.detail.startswith("148 sagas wait for it.")
    assert found.since is not None
    assert [link.page for link in found.links] == ["participants/payment#waiting"]
    assert [act.command for act in found.acts] == ["saga pause --participant payment --reason WHY"]


def test_one_that_has_failed_for_more_than_the_hour_does_not_say_since_when() -> None:
    counting = Counting()
    for ago in range(60):
        counting.answered("FAILED", "bank_down", 2, ago=ago)
    assert only(situation(counting)).sentence == (
        "payment answers, but fails: bank_down in 100 % of its answers for more than an hour"
    )


def test_a_few_failures_among_many_answers_are_no_trouble() -> None:
    assert troubles(situation(busy().answered("FAILED", "bank_down", 9, ago=2))) == ()
    assert troubles(situation(Counting().answered("FAILED", "bank_down", 2, ago=2))) == ()


def test_failures_that_are_over_are_no_trouble() -> None:
    assert troubles(situation(busy().answered("FAILED", "bank_down", 500, ago=20))) == ()


def test_it_begins_where_failures_began_although_minutes_had_none() -> None:
    counting = Counting()
    for ago in (30, 9, 6, 2):
        counting.answered("FAILED", "bank_down", ago=ago)
    assert begin_of(situation(counting).recent, "payment", "FAILED", "bank_down") == (NOW_US // 60_000_000 - 9) * 60_000_000


def test_nobody_reading_is_bad_while_sagas_wait_for_it() -> None:
    since = {"payment": NOW_US - 300 * SECOND}
    found = only(situation(nobody_reads=since, waits=waiting(sagas=1, seconds=280)))
    assert (found.code, found.severity) == ("nobody_reads", "bad")
    assert found.sentence == "nobody reads the commands to payment, for 5 min"
    assert found.detail.startswith("1 saga waits for it.")
    assert only(situation(nobody_reads=since)).severity == "warn"


def test_one_that_does_not_answer_is_told_and_one_that_does_is_not() -> None:
    waits = waiting(sagas=2, seconds=240)
    found = only(situation(waits=waits, unread_commands={"payment": 214}))
    assert (found.code, found.sentence) == ("participant_silent", "payment does not answer: a command has waited for 4 min")
    assert "It has 214 commands to read." in found.detail
    assert troubles(situation(busy(), waits=waits)) == ()
    assert troubles(situation(waits=waiting(sagas=2))) == (), "accepted work may take as long as it likes"


def test_one_that_is_behind_is_told_beside_what_is_usual() -> None:
    found = only(situation(Counting().answered().took("queue", 3_100, 50), usual=busy()))
    assert (found.code, found.severity) == ("participant_behind", "watch")
    assert "before it begins with them, usually 3" in found.sentence
    assert troubles(situation(Counting().took("queue", 3_100, 50), usual=Counting().took("queue", 2_900, 50))) == ()


def test_one_that_says_no_more_often_than_usual_is_told() -> None:
    no = Counting().answered("REJECTED", "no_carrier", 30).answered(count=20)
    found = only(situation(no, usual=busy()))
    assert found.sentence == "payment says no more often than usual: no_carrier in 60 % of its answers, usually 0"
    assert troubles(situation(no)) == (), "nothing is usual yet"


def test_of_a_paused_participant_no_answer_is_expected_and_no_pause_offered() -> None:
    held = Held(scope="participant", name="payment", since_us=NOW_US - 60 * SECOND, who="ana", why="the bank is down")
    failing = Counting().answered("FAILED", "bank_down", 9)
    found = troubles(situation(failing, waits=waiting(seconds=240), pauses=(held,)))
    assert [(one.code, len(one.acts)) for one in found] == [("participant_fails", 0), ("paused", 1)]
    long_silent = situation(waits=waiting(seconds=240), pauses=(held,))
    assert [one.code for one in troubles(long_silent)] == ["paused"]


# --- sagas and the coordinator --------------------------------------------------------------------


def test_what_waits_for_a_person_is_told_with_the_longest() -> None:
    first = LongestAttention(
        saga_id=SAGA,
        business_key="o-17",
        definition="order",
        phase="COMPENSATING",
        step="charge",
        reason="undo_failed",
        since_us=NOW_US - 720 * SECOND,
    )
    found = only(situation(figures=figures(attention_by_reason={"undo_failed": 2, "no_answer": 1}), attentions=(first,)))
    assert (found.severity, found.sentence) == ("bad", "3 wait for a person, the longest for 12 min")
    assert found.detail.startswith("undo_failed 2 and no_answer 1.")
    assert [link.page for link in found.links] == ["attention"]


def test_more_compensations_than_usual_are_told() -> None:
    now = Counting().ended(count=70).ended("COMPENSATED", 30)
    usual = Counting().ended(count=98).ended("COMPENSATED", 2)
    found = only(situation(now, usual=usual))
    assert (found.code, found.subject, found.sentence) == ("compensated_more", "order", "30 % of order went back, usually 2.0 %")
    assert found.links[0].page == "sagas?query=definition+%3D+%22order%22+and+phase+%3D+COMPENSATED"
    assert troubles(situation(now, usual=now)) == ()


@pytest.mark.parametrize(
    ("known", "code", "severity", "sentence"),
    [
        (
            {"figures": figures(outbox_depth=5, outbox_oldest_at_us=NOW_US - 35 * SECOND)},
            "outbox_old",
            "bad",
            "messages do not leave: the oldest of 5 has waited for 35 s",
        ),
        ({"kafka_away": "no route"}, "kafka_away", "bad", "Kafka does not answer"),
        ({"lag": {"saga.reply.payment": 1_204}}, "replies_unread", "warn", "1,204 records are not read: saga.reply.payment"),
        (
            {"figures": figures(sagas_by_phase=OPEN), "timers_seen_us": NOW_US - 40 * SECOND},
            "timers_late",
            "bad",
            "no instance fires timers for 40 s",
        ),
        ({"figures": figures(sagas_by_phase=OPEN), "timers_seen_us": None}, "timers_late", "bad", "no instance fires timers"),
        (
            {"figures": figures(sagas_by_phase=OPEN, wakeup_earliest_due_us=NOW_US - 45 * SECOND)},
            "timers_late",
            "warn",
            "timers are late: the earliest by 45 s",
        ),
        (
            {"problems": {"token_keys": "they differ"}},
            "instance_problem",
            "bad",
            "this instance cannot do all of its work: token keys",
        ),
        (
            {"recovering": Recovering.of({"payment": 12})},
            "recovery",
            "warn",
            "a recovery goes on: 12 sagas ask again what they ever asked",
        ),
        ({"unswept": {"payment": 7}}, "unswept", "warn", "payment has not told all rows since the restore"),
        (
            {"pauses": (Held(scope="definition", name="order", since_us=NOW_US - 120 * SECOND, who="ana", why="a bad release"),)},
            "paused",
            "watch",
            "the definition order is paused, for 2 min: a bad release",
        ),
        ({"retention": "the archive does not answer"}, "retention", "warn", "what is finished is not removed"),
    ],
)
def test_the_coordinators_own_troubles(known: dict[str, Any], code: str, severity: str, sentence: str) -> None:
    found = only(situation(**known))
    assert (found.code, found.severity, found.sentence) == (code, severity, sentence)
    assert found.detail


def test_dead_letters_of_the_last_minutes_are_told() -> None:
    found = only(situation(Counting().letters("token_invalid", 4), dead_letters_today=9))
    assert found.sentence == "4 records could not be read in the last 10 minutes: token_invalid"
    assert troubles(situation(Counting().letters("token_invalid", 4, ago=20), dead_letters_today=9)) == ()


def test_the_worst_comes_first() -> None:
    now = situation(
        Counting().answered().took("queue", 3_100, 50),
        retention="the archive does not answer",
        figures=figures(attention_by_reason={"no_answer": 1}),
    )
    assert [one.severity for one in troubles(now)] == ["bad", "warn", "watch"]
