"""What the checks say: nothing of a healthy saga, and of each trouble its cause, way out and
section of the runbook."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from saga_coordinator.diagnosis import checks, saga_checks
from saga_coordinator.diagnosis.checks import CHECKS, MOST, examined
from saga_coordinator.diagnosis.finding import Finding, Verdict
from saga_coordinator.diagnosis.runbook import PAGE, Anchor
from saga_coordinator.diagnosis.situation import Situation
from saga_coordinator.diagnosis.view import diagnosis
from saga_coordinator.engine.waiting import Held, waiting_for
from saga_coordinator.store.port import InstanceState
from support.paths import ROOT
from unit.coordinator.diagnosis.situations import (
    LINE,
    MINUTE,
    ROLES,
    SECOND,
    instance,
    needs_person,
    refused,
    situation,
    standing,
    unsent,
)

NOW = situation().now_us
UNREAD = {"a-service": "no consumer on saga.cmd.a-service: is the participant a-service running?"}


def without(role: str) -> list[Any]:
    return [instance(now_us=NOW, state=InstanceState(roles=tuple(one for one in ROLES if one != role)))]


def said(of: Situation) -> list[tuple[str, Finding]]:
    return [(name, finding) for name, finding in examined(of) if finding.verdict is Verdict.FOUND]


def test_a_saga_that_has_not_begun_says_when_it_does() -> None:
    delayed = situation("later:10800", after_s=0)
    ((check, finding),) = said(delayed)
    assert (check, finding.evidence, finding.anchor) == ("start-time", "waits for its start time: in 3 h", Anchor.START_TIME)
    late = situation("later:30 pause!", after_s=90)
    texts = [finding.evidence for name, finding in said(late) if name == "start-time"]
    assert texts == ["its start time came 1 min ago"]


@pytest.mark.parametrize(
    "script",
    [
        "",
        "a:SUCCEEDED",
        "a:SUCCEEDED p:SUCCEEDED",
        "a:SUCCEEDED p:SUCCEEDED r:SUCCEEDED",
        "a:SUCCEEDED p:REJECTED",
        "a:IN_PROGRESS",
    ],
)
def test_of_a_healthy_saga_nothing_is_said(script: str) -> None:
    assert [(name, one.verdict) for name, one in examined(situation(script))] == [(name, Verdict.OK) for name in CHECKS]


TROUBLES: list[tuple[str, Situation, str, str, Anchor]] = [
    ("it was undone", situation("a:REJECTED"), "end", "COMPENSATED: a: REJECTED", Anchor.ENDED_BACK),
    ("forced", situation("a:SUCCEEDED p:SUCCEEDED r:REJECTED waive!:r"), "end", "waived were r", Anchor.FORCED),
    ("no definition", situation(definition=None, definition_error="gone"), "definition", "gone", Anchor.NO_DEFINITION),
    ("no state", situation(saga=None, state_error="lacks records"), "state", "lacks records", Anchor.UNREADABLE),
    ("recovering", situation("a:SUCCEEDED recover"), "recovery", "definite answers of", Anchor.RECOVERING),
    ("to recover", situation(incarnation=9), "recovery", "has not asked its steps again", Anchor.RECOVERING),
    ("paused", situation("a:SUCCEEDED pause p:REJECTED"), "pause", "it is paused", Anchor.PAUSED),
    ("not begun", situation("later:7200", after_s=0), "start-time", "start time: in 2 h", Anchor.START_TIME),
    ("no Kafka", situation(kafka_away="refused"), "kafka", "does not answer: refused", Anchor.KAFKA_AWAY),
    ("nobody reads", situation(unread=UNREAD), "command-topics", "no consumer on saga.cmd.a-service", Anchor.UNREAD_COMMANDS),
    ("refused", situation(unsent={"a": unsent("too large")}), "commands-sent", "refuses it: too large", Anchor.REFUSED_COMMAND),
    ("unsent", situation(unsent={"a": unsent()}), "commands-sent", "in the outbox still", Anchor.UNSENT_COMMAND),
    ("dead letter", situation(refused=[refused("invalid_value")]), "replies-refused", "invalid_value", Anchor.REFUSED_REPLY),
    ("skew", situation("a:EXPIRED"), "clocks", "its clock is ahead by about 1 h", Anchor.CLOCKS),
    ("too late", situation("wait:3700 a:EXPIRED"), "clocks", "clocks do not seem to differ", Anchor.TOO_LATE),
    ("fails", situation("a:FAILED"), "failures", "has failed the action 1 time", Anchor.FAILING_PARTICIPANT),
    (
        "undo fails",
        situation("a:SUCCEEDED p:REJECTED a:FAILED"),
        "failures",
        "failed the undo 1 time",
        Anchor.FAILING_PARTICIPANT,
    ),
    ("lag", situation(lag={"a-service": 4_000}), "replies-read", "4000 replies of a-service", Anchor.LATE_REPLIES),
    ("backlog", situation(after_s=31), "replies-read", "a limit has passed", Anchor.LATE_REPLIES),
    ("silent", situation("a:SUCCEEDED p:SUCCEEDED", after_s=31), "participants", "has not answered", Anchor.SILENT_PARTICIPANT),
    ("no news", situation("a:IN_PROGRESS", after_s=0), "participants", "has not ended it", Anchor.NO_NEWS),
    ("no timer", situation(standing=standing(None)), "timers", "has no wake-up", Anchor.LOST_WAKE_UP),
    ("late timer", situation(standing=standing(NOW - MINUTE)), "timers", "was due 1 min ago", Anchor.LATE_TIMERS),
    (
        "no timers",
        situation(standing=standing(NOW - MINUTE), instances=without("timers")),
        "timers",
        "no live instance has the role timers",
        Anchor.ROLES,
    ),
    (
        "inbox",
        situation(standing=standing(NOW + SECOND, inbox=2, inbox_oldest_us=NOW - MINUTE)),
        "inbox",
        "2 events wait for it",
        Anchor.INBOX,
    ),
    ("list", situation(standing=standing(NOW + SECOND, "COMMITTED")), "lists", "lists show it as COMMITTED", Anchor.LISTING),
    ("no list", situation(standing=standing(NOW + SECOND, None)), "lists", "on no list", Anchor.LISTING),
    ("list counts", situation(standing=standing(NOW + SECOND, attention=1)), "lists", "count 0 reasons", Anchor.LISTING),
    ("no replies", situation(instances=without("replies")), "replies-read", "no live instance has the role", Anchor.ROLES),
    ("no sweeper", situation(instances=without("sweeper")), "roles", "no live instance has the role sweeper", Anchor.ROLES),
    (
        "gone",
        situation(instances=[instance(now_us=NOW), instance("two", seen_s=60, now_us=NOW)]),
        "instances",
        "instance two was last seen 1 min ago",
        Anchor.GONE_INSTANCE,
    ),
    ("unwell", situation(problems=["timers: failed"]), "wellness", "timers: failed", Anchor.UNWELL_INSTANCE),
    (
        "another is unwell",
        situation(instances=[instance("two", now_us=NOW, state=InstanceState(roles=ROLES, problems=("topics: none",)))]),
        "wellness",
        "two says topics: none",
        Anchor.UNWELL_INSTANCE,
    ),
    ("slow", situation(answered_in_s=1.5), "database", "took 1500 ms", Anchor.SLOW_DATABASE),
]


def prepared(name: str, of: Situation) -> Situation:
    """Participants that worked on it for long: nothing else has changed since."""
    if name != "no news":
        return of
    return replace(of, waits=[replace(wait, since_us=of.now_us - 6 * MINUTE) for wait in of.waits])


@pytest.mark.parametrize(("name", "of", "check", "evidence", "anchor"), TROUBLES, ids=[one[0] for one in TROUBLES])
def test_each_trouble_is_found_with_its_cause_and_way_out(
    name: str, of: Situation, check: str, evidence: str, anchor: Anchor
) -> None:
    found = [finding for of_check, finding in said(prepared(name, of)) if of_check == check]
    assert [finding.anchor for finding in found] == [anchor]
    assert evidence in found[0].evidence
    assert found[0].cause
    assert found[0].way_out


def test_every_check_finds_something() -> None:
    assert {check for _, _, check, _, _ in TROUBLES} | {"attention"} == set(CHECKS)


@pytest.mark.parametrize("reason", [*saga_checks._REASONS, *sorted(saga_checks._OF_MAPPINGS)])
def test_every_reason_for_attention_has_a_section(reason: str) -> None:
    (found,) = [one for check, one in said(situation(attention=[needs_person(reason, note="its note")])) if check == "attention"]
    assert found.anchor not in (None, Anchor.ATTENTION)
    assert found.evidence.startswith(f"attention {reason} for ")
    assert found.evidence.endswith(": its note")


def test_the_page_s_reasons_are_those_that_are_explained() -> None:
    section = (ROOT / PAGE).read_text().partition("\n## At 3 a.m.\n")[2].partition("\n| wait |")[0]
    named = {name for row in re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE) for name in re.findall(r"`([a-z_]+)`", row)}
    assert named - {"state_unreadable"} == set(saga_checks._REASONS) | saga_checks._OF_MAPPINGS


def test_a_reason_of_a_later_release_is_told_all_the_same() -> None:
    (found,) = [one for check, one in said(situation(attention=[needs_person("new_one")])) if check == "attention"]
    assert found.anchor is Anchor.ATTENTION


def test_an_unsent_command_names_the_missing_sweeper() -> None:
    (found,) = [
        one for check, one in said(situation(unsent={"a": unsent()}, instances=without("sweeper"))) if check == "commands-sent"
    ]
    assert "no live instance has the role sweeper" in found.cause


def test_a_pause_says_who_began_it_and_what_ends_it() -> None:
    tried = situation("a:FAILED")
    assert tried.saga is not None
    pause = Held(scope="participant", name="a-service", since_us=tried.now_us - MINUTE, who="ada", why="bank is away")
    waits = waiting_for(LINE, tried.saga, tried.now_us, [pause])
    (found,) = [one for check, one in said(replace(tried, waits=waits)) if check == "pause"]
    assert (found.step, found.evidence) == ("a", "it is paused for 1 min")
    assert found.way_out == "`saga resume --participant a-service` ends the pause by ada: bank is away"


def test_silence_that_is_explained_is_told_once() -> None:
    silent = situation("a:SUCCEEDED p:SUCCEEDED", after_s=31)
    assert "participants" in dict(said(silent))
    for known in (
        {"unread": {"r-service": "nobody"}},
        {"unsent": {"r": unsent()}},
        {"refused": [refused("x", "r")]},
        {"kafka_away": "no"},
    ):
        assert "participants" not in dict(said(replace(silent, **known)))


def test_what_is_not_known_is_said() -> None:
    def verdicts(of: Situation) -> dict[str, Verdict]:
        return {name: one.verdict for name, one in examined(of)}

    assert verdicts(situation(kafka_away="no"))["replies-read"] is Verdict.CANNOT_TELL
    assert verdicts(situation(problems=["readers: forbidden"]))["command-topics"] is Verdict.CANNOT_TELL
    assert verdicts(situation(instances=[instance(now_us=NOW, state=None)]))["roles"] is Verdict.CANNOT_TELL
    unread = verdicts(situation(saga=None, state_error="x", waits=[]))
    assert {name for name, one in unread.items() if one is Verdict.CANNOT_TELL} == checks._OF_STATE


def test_many_findings_of_one_check_are_bounded() -> None:
    many = situation(attention=[needs_person("rejected", f"s{n}") for n in range(50)])
    found = [one for check, one in said(many) if check == "attention"]
    assert len(found) == MOST + 1
    assert found[-1].evidence == f"and {50 - MOST} more"


def test_what_was_found_stands_first_and_the_summary_says_it() -> None:
    told = diagnosis(situation(unread=UNREAD, instances=[instance(now_us=NOW, state=None)]), "order")
    assert [line.verdict for line in told.lines[:2]] == [Verdict.FOUND, Verdict.CANNOT_TELL]
    assert (told.found, told.summary) == (1, f"a: {UNREAD['a-service']}")
    assert told.lines[0].runbook == "docs/operations.md#nobody-reads-the-commands"
    well = diagnosis(situation(), "order")
    assert well.found == 0
    assert well.summary.startswith("nothing is wrong; a: reply for 1 s: the reply of a-service")
    assert diagnosis(situation("a:SUCCEEDED p:SUCCEEDED r:SUCCEEDED"), "order").summary == "it is COMPLETED"


def headings(page: Path) -> set[str]:
    """As links to them are written."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in found}


def test_every_anchor_is_a_section_of_the_runbook() -> None:
    assert {anchor.value for anchor in Anchor} - headings(ROOT / PAGE) == set()


def test_every_section_of_the_runbook_is_named_by_some_check() -> None:
    section = (ROOT / PAGE).read_text().partition("\n## Runbook\n")[2].partition("\n## ")[0]
    titles = re.findall(r"^### (.+)$", re.sub(r"```.*?```", "", section, flags=re.DOTALL), re.MULTILINE)
    assert {title.lower().replace(" ", "-") for title in titles} <= {anchor.value for anchor in Anchor}
