"""The transition table, row by row, as docs/ARCHITECTURE.md words it: given this happened, when that happens, then so it is.

`then` names states (`a=done`), the phase, attention (`a!conflict`), and every command the event sent (`+action:b`); `same` means that
nothing at all changed (row 26). Words of the scripts: `sagas.py`.
"""

from __future__ import annotations

import pytest

from saga_coordinator.engine.definition import Definition
from saga_coordinator.engine.state import Phase
from saga_coordinator.engine.table import ROWS as TABLE
from saga_coordinator.engine.table import SAGA_ROWS
from unit.coordinator.engine.sagas import PIVOT, RETRIABLE, Given, Player, Text, definition, play, step

LINE = definition(step("a"), step("b", after="a"), step("p", PIVOT, after="b"), step("r", RETRIABLE, after="p"))
PAIR = definition(step("a"), step("b"))
CHAIN = definition(step("a"), step("b", after="a"), step("c", after="b"))
DEADLINE = definition(step("a"), step("b", after="a"), step("p", PIVOT, after="b"), deadline_s=20)
SKIP_B = definition(step("a"), step("b", after="a", when=Given(False)), step("c", after="b"))
SKIP_PIVOT = definition(step("a"), step("p", PIVOT, after="a", when=Given(False)), step("r", RETRIABLE, after="p"))
MAYBE_PIVOT = definition(step("a"), step("p", PIVOT, after="a", when=Given(True)), step("r", RETRIABLE, after="p"))
NONE_A = definition(step("a", undo=None), step("b", after="a"))
NONE_B = definition(step("a"), step("b", undo=None))
READS = definition(step("a", undo=Text("Undo.a", frozenset({"a"}))), step("b"))
BAD_WHEN = definition(step("a"), step("b", after="a", when=Given(fails=True)))
BAD_WHEN_LATE = definition(step("p", PIVOT), step("r", RETRIABLE, after="p", when=Given(fails=True)))
BAD_ACTION = definition(step("a"), step("b", after="a", action=Text("Do.b", fails=True)))
BAD_ACTION_LATE = definition(step("p", PIVOT), step("r", RETRIABLE, after="p", action=Text("Do.r", fails=True)))
BAD_UNDO = definition(step("a", undo=Text("Undo.a", fails=True)), step("b", after="a"))

TO_P = "a:SUCCEEDED b:SUCCEEDED"
TO_R = TO_P + " p:SUCCEEDED"

Row = tuple[str, str, Definition, str, str, str]

ROWS: list[Row] = [
    # --- forward
    ("1", "a step whose dependencies are met is asked", LINE, "", "a:SUCCEEDED", "a=done b=asked p=idle RUNNING +action:b"),
    ("1", "a when that does not hold skips the step", SKIP_B, "", "a:SUCCEEDED", "b=no_effect c=asked RUNNING +action:c"),
    ("1", "a skipped step counts as met", SKIP_PIVOT, "", "a:SUCCEEDED", "p=no_effect r=asked COMMITTED +action:r"),
    ("2", "a held step stays ready with the reason", LINE, "hold:b", "a:SUCCEEDED", "b=ready RUNNING"),
    ("2", "an admitted one is asked", LINE, "hold:b a:SUCCEEDED admit:b", "wake", "b=asked RUNNING +action:b"),
    (
        "2",
        "a retriable step asked while RUNNING commits",
        SKIP_PIVOT,
        "hold:r a:SUCCEEDED admit:r",
        "wake",
        "r=asked COMMITTED +action:r",
    ),
    ("3", "SUCCEEDED of an asked step", LINE, "", "a:SUCCEEDED", "a=done b=asked RUNNING +action:b"),
    ("3", "of an accepted step", LINE, "a:IN_PROGRESS", "a:SUCCEEDED", "a=done b=asked RUNNING +action:b"),
    ("3", "of a step in backoff: FAILED was a hint", LINE, "a:FAILED", "a:SUCCEEDED", "a=done b=asked RUNNING +action:b"),
    ("3", "of a step ready again", LINE, "a:FAILED hold:a wait:1", "a:SUCCEEDED", "a=done b=asked RUNNING +action:b"),
    ("3", "of the pivot commits", LINE, TO_P, "p:SUCCEEDED", "p=done r=asked COMMITTED +action:r"),
    ("3", "of a step stuck forward", LINE, TO_R + " r:UNSUPPORTED", "r:SUCCEEDED", "r=done COMPLETED"),
    ("4", "REJECTED turns back", LINE, "a:SUCCEEDED", "b:REJECTED", "a=undo_asked b=no_effect p=no_effect COMPENSATING +undo:a"),
    ("4", "from backoff too", LINE, "a:SUCCEEDED b:FAILED", "b:REJECTED", "a=undo_asked b=no_effect COMPENSATING +undo:a"),
    ("4", "by the pivot", LINE, TO_P, "p:REJECTED", "a=undo_due b=undo_asked p=no_effect COMPENSATING +undo:b"),
    ("4", "past the pivot it is stuck", LINE, TO_R, "r:REJECTED", "r=stuck_forward COMMITTED r!rejected"),
    ("5", "FAILED backs off", LINE, "", "a:FAILED", "a=backoff RUNNING"),
    (
        "5",
        "spent turns back",
        LINE,
        "a:SUCCEEDED b:FAILED wait:1 b:FAILED wait:2",
        "b:FAILED",
        "a=undo_due b=undo_asked COMPENSATING +undo:b",
    ),
    (
        "5",
        "a spent pivot is asked what became of it",
        LINE,
        TO_P + " p:FAILED wait:1 p:FAILED wait:2",
        "p:FAILED",
        "p=resolving SETTLING +resolve:p",
    ),
    (
        "5",
        "past the pivot it is never spent",
        LINE,
        TO_R + " r:FAILED wait:1 r:FAILED wait:2 r:FAILED wait:4",
        "r:FAILED",
        "r=backoff COMMITTED",
    ),
    (
        "5b",
        "UNSUPPORTED while RUNNING is as spent",
        LINE,
        "a:SUCCEEDED",
        "b:UNSUPPORTED",
        "a=undo_due b=undo_asked COMPENSATING +undo:b",
    ),
    ("5b", "of the pivot", LINE, TO_P, "p:UNSUPPORTED", "p=resolving SETTLING +resolve:p"),
    ("5b", "past the pivot", LINE, TO_R, "r:UNSUPPORTED", "r=stuck_forward COMMITTED r!unsupported"),
    (
        "5b",
        "of a compensation",
        LINE,
        "a:SUCCEEDED cancel b:compensation:UNDONE",
        "a:UNSUPPORTED",
        "a=stuck_back COMPENSATING a!unsupported",
    ),
    ("5b", "of RESOLVE", LINE, TO_P + " cancel", "p:UNSUPPORTED", "p=stuck_back SETTLING p!unsupported"),
    ("6", "IN_PROGRESS is accepted", LINE, "", "a:IN_PROGRESS", "a=accepted RUNNING"),
    ("7", "FENCED turns back, with alarm", LINE, "a:SUCCEEDED", "b:FENCED", "a=undo_asked b=undone COMPENSATING +undo:a"),
    ("7", "FENCED of the pivot", LINE, TO_P, "p:FENCED", "b=undo_asked p=undone COMPENSATING +undo:b"),
    ("7", "past the pivot", LINE, TO_R, "r:FENCED", "r=stuck_forward COMMITTED r!fenced"),
    ("8", "EXPIRED is asked again", LINE, "", "a:EXPIRED", "a=asked RUNNING +action:a"),
    ("8", "silence is asked again", LINE, "", "wait:5", "a=asked RUNNING +action:a"),
    ("8", "and before its time is not", LINE, "", "wait:4.9", "same"),
    (
        "8",
        "a second EXPIRED in a row is only noted: a skewed clock must not spin",
        LINE,
        "a:EXPIRED",
        "a:EXPIRED",
        "a=asked RUNNING",
    ),
    ("8b", "EXPIRED of a compensation", LINE, "cancel", "a:EXPIRED", "a=undo_asked COMPENSATING +undo:a"),
    ("8b", "EXPIRED of RESOLVE", LINE, TO_P + " cancel", "p:EXPIRED", "p=resolving SETTLING +resolve:p"),
    ("8b", "IN_PROGRESS of a compensation", LINE, "cancel", "a:IN_PROGRESS", "a=undo_asked COMPENSATING"),
    ("8b", "IN_PROGRESS of RESOLVE", LINE, TO_P + " cancel", "p:IN_PROGRESS", "p=resolving SETTLING"),
    ("8c", "the heartbeat of an accepted step is over", LINE, "a:IN_PROGRESS", "wait:20", "a=asked RUNNING +action:a"),
    ("8c", "and before its time is not", LINE, "a:IN_PROGRESS", "wait:19", "same"),
    (
        "9",
        "step time over, asked again, caught up",
        LINE,
        "a:SUCCEEDED wait:30",
        "wait:10.1",
        "a=undo_due b=undo_asked COMPENSATING +undo:b",
    ),
    ("9", "not before the grace", LINE, "a:SUCCEEDED backlog wait:30 drained", "wait:9.9", "same"),
    (
        "9",
        "not before the replies are read",
        LINE,
        "a:SUCCEEDED wait:30 backlog",
        "wait:10.1",
        "a=done b=asked RUNNING +action:b",
    ),
    ("9", "of the pivot", LINE, TO_P + " wait:30", "wait:10.1", "p=resolving SETTLING +resolve:p"),
    (
        "9",
        "of a retriable step asks for a person",
        LINE,
        TO_R + " wait:30 wait:5",
        "wait:5.1",
        "r=asked COMMITTED r!time_over +action:r",
    ),
    ("9", "of an accepted step", LINE, "a:IN_PROGRESS wait:30", "wait:10.1", "a=undo_asked COMPENSATING +undo:a"),
    ("9b", "a when that fails", BAD_WHEN, "", "a:SUCCEEDED", "a=undo_asked b=no_effect COMPENSATING +undo:a"),
    ("9b", "a when that fails past the pivot", BAD_WHEN_LATE, "", "p:SUCCEEDED", "r=stuck_forward COMMITTED r!no_value"),
    ("9b", "a mapping that fails", BAD_ACTION, "", "a:SUCCEEDED", "a=undo_asked b=no_effect COMPENSATING +undo:a"),
    ("9b", "a mapping that fails past the pivot", BAD_ACTION_LATE, "", "p:SUCCEEDED", "r=stuck_forward COMMITTED r!no_value"),
    ("9b", "a compensation's mapping that fails", BAD_UNDO, "a:SUCCEEDED", "b:REJECTED", "a=stuck_back COMPENSATING a!no_value"),
    ("10", "a backoff that is due is asked", LINE, "a:FAILED", "wait:1", "a=asked RUNNING +action:a"),
    ("10", "a held one is ready", LINE, "a:FAILED hold:a", "wait:1", "a=ready RUNNING"),
    # --- turning back
    ("11", "cancel", LINE, "a:SUCCEEDED", "cancel", "a=undo_due b=undo_asked p=no_effect r=no_effect COMPENSATING +undo:b"),
    ("11", "cancel while the pivot is open", LINE, TO_P, "cancel", "a=done b=done p=resolving SETTLING +resolve:p"),
    ("11", "cancel while the pivot backs off", LINE, TO_P + " p:FAILED", "cancel", "p=resolving SETTLING +resolve:p"),
    ("11", "cancel of a held pivot", LINE, "hold:p " + TO_P, "cancel", "b=undo_asked p=no_effect COMPENSATING +undo:b"),
    ("11", "the saga's deadline, asked again, caught up", DEADLINE, "wait:20", "wait:10.1", "a=undo_asked COMPENSATING +undo:a"),
    (
        "11",
        "the deadline of a saga with the pivot open",
        DEADLINE,
        TO_P + " wait:20",
        "wait:10.1",
        "p=resolving SETTLING +resolve:p",
    ),
    ("11", "the deadline waits for the replies", DEADLINE, "wait:20 backlog", "wait:10.1", "a=asked RUNNING +action:a"),
    (
        "11",
        "the deadline of a saga that only waits to be admitted",
        DEADLINE,
        "hold:b a:SUCCEEDED",
        "wait:20",
        "a=undo_asked b=no_effect COMPENSATING +undo:a",
    ),
    ("11", "no deadline past the pivot", DEADLINE, TO_P + " p:SUCCEEDED", "wait:40", "same"),
    (
        "11",
        "a pivot never asked in a recovered saga counts as open",
        LINE,
        "a:SUCCEEDED recover a:SUCCEEDED b:SUCCEEDED hold:p",
        "cancel",
        "p=resolving SETTLING +resolve:p",
    ),
    (
        "12",
        "idle steps will never be asked",
        LINE,
        "",
        "a:REJECTED",
        "a=no_effect b=no_effect p=no_effect r=no_effect COMPENSATED",
    ),
    ("12", "ready ones neither", PAIR, "", "a:REJECTED", "a=no_effect b=undo_asked COMPENSATING +undo:b"),
    (
        "12",
        "a recovered saga does not trust it",
        CHAIN,
        "recover",
        "a:REJECTED",
        "a=no_effect b=resolving c=resolving COMPENSATING +resolve:b +resolve:c",
    ),
    (
        "13",
        "done and open steps are undone",
        LINE,
        "a:SUCCEEDED b:IN_PROGRESS",
        "cancel",
        "a=undo_due b=undo_asked COMPENSATING +undo:b",
    ),
    ("13", "a reply that is not known is asked for first", READS, "", "b:REJECTED", "a=resolving COMPENSATING +resolve:a"),
    ("13", "a reply that is known is not", READS, "a:SUCCEEDED", "b:REJECTED", "a=undo_asked COMPENSATING +undo:a"),
    ("13b", "without compensation, done is kept", NONE_A, "a:SUCCEEDED", "b:REJECTED", "a=kept COMPENSATED"),
    ("13b", "without compensation, open is asked for", NONE_B, "", "a:REJECTED", "b=resolving COMPENSATING +resolve:b"),
    ("13b", "then SUCCEEDED is kept", NONE_B, "a:REJECTED", "b:SUCCEEDED", "b=kept COMPENSATED"),
    ("13b", "FENCED is no_effect", NONE_B, "a:REJECTED", "b:FENCED", "b=no_effect COMPENSATED"),
    ("13b", "REJECTED is no_effect", NONE_B, "a:REJECTED", "b:REJECTED", "b=no_effect COMPENSATED"),
    # --- going back
    (
        "14",
        "a compensation waits for direct dependents",
        CHAIN,
        "a:SUCCEEDED b:SUCCEEDED",
        "cancel",
        "a=undo_due b=undo_due c=undo_asked COMPENSATING +undo:c",
    ),
    (
        "14",
        "and goes when they are settled",
        CHAIN,
        "a:SUCCEEDED b:SUCCEEDED cancel",
        "c:UNDONE",
        "a=undo_due b=undo_asked COMPENSATING +undo:b",
    ),
    (
        "14",
        "and waits for those behind a skipped one",
        SKIP_B,
        "a:SUCCEEDED",
        "cancel",
        "a=undo_due c=undo_asked COMPENSATING +undo:c",
    ),
    ("15", "UNDONE", CHAIN, "cancel", "a:UNDONE", "a=undone COMPENSATED"),
    ("15", "NOTHING_TO_UNDO", CHAIN, "cancel", "a:NOTHING_TO_UNDO", "a=undone COMPENSATED"),
    ("15", "UNDONE after FAILED", CHAIN, "cancel a:FAILED", "a:UNDONE", "a=undone COMPENSATED"),
    ("15", "UNDONE after REJECTED", CHAIN, "cancel a:REJECTED", "a:UNDONE", "a=undone COMPENSATED"),
    ("16", "FAILED of a compensation backs off", CHAIN, "cancel", "a:FAILED", "a=undo_backoff COMPENSATING"),
    ("16", "the limit asks for a person", CHAIN, "cancel a:FAILED wait:1", "a:FAILED", "a=stuck_back COMPENSATING a!undo_failed"),
    ("16", "REJECTED does at once", CHAIN, "cancel", "a:REJECTED", "a=stuck_back COMPENSATING a!undo_rejected"),
    ("16b", "an undo_backoff that is due", CHAIN, "cancel a:FAILED", "wait:1", "a=undo_asked COMPENSATING +undo:a"),
    ("17", "a silent compensation is asked again", CHAIN, "cancel", "wait:5", "a=undo_asked COMPENSATING +undo:a"),
    ("17", "a silent RESOLVE is asked again", LINE, TO_P + " cancel", "wait:5", "p=resolving SETTLING +resolve:p"),
    (
        "17",
        "after a time a person is asked for",
        CHAIN,
        "cancel wait:300",
        "wait:10.1",
        "a=undo_asked COMPENSATING +undo:a a!no_answer",
    ),
    ("17", "not before the replies are read", CHAIN, "cancel wait:300 backlog", "wait:10.1", "a=undo_asked COMPENSATING +undo:a"),
    ("18", "RESOLVE says the pivot was done", LINE, TO_P + " cancel", "p:SUCCEEDED", "p=done r=asked COMMITTED +action:r"),
    ("18", "its late reply says so too", LINE, TO_P + " cancel", "p:action:SUCCEEDED", "p=done r=asked COMMITTED +action:r"),
    ("18", "also when it was stuck", LINE, TO_P + " cancel p:UNSUPPORTED", "p:SUCCEEDED", "p=done r=asked COMMITTED +action:r"),
    ("18", "a compensatable one is undone", READS, "b:REJECTED", "a:SUCCEEDED", "a=undo_asked COMPENSATING +undo:a"),
    ("19", "RESOLVE fenced the pivot", LINE, TO_P + " cancel", "p:FENCED", "b=undo_asked p=undone COMPENSATING +undo:b"),
    ("19", "RESOLVE says it was rejected", LINE, TO_P + " cancel", "p:REJECTED", "b=undo_asked p=no_effect COMPENSATING +undo:b"),
    (
        "19",
        "also when it was stuck",
        LINE,
        TO_P + " cancel p:UNSUPPORTED",
        "p:FENCED",
        "b=undo_asked p=undone COMPENSATING +undo:b",
    ),
    ("19", "a compensatable one has nothing to undo", READS, "b:REJECTED", "a:FENCED", "a=undone COMPENSATED"),
    # --- conflict
    ("20", "SUCCEEDED after REJECTED", PAIR, "a:REJECTED", "a:action:SUCCEEDED", "a=conflict COMPENSATING a!conflict"),
    ("20", "REJECTED after SUCCEEDED", LINE, "a:SUCCEEDED", "a:REJECTED", "a=conflict RUNNING a!conflict"),
    ("20", "FENCED after SUCCEEDED, never undone", LINE, "a:SUCCEEDED", "a:FENCED", "a=conflict RUNNING a!conflict"),
    (
        "20",
        "NOTHING_TO_UNDO of what SUCCEEDED",
        CHAIN,
        "a:SUCCEEDED b:REJECTED",
        "a:NOTHING_TO_UNDO",
        "a=conflict COMPENSATING a!conflict",
    ),
    ("20", "UNDONE and then NOTHING_TO_UNDO", PAIR, "cancel a:UNDONE", "a:NOTHING_TO_UNDO", "a=conflict COMPENSATING a!conflict"),
    (
        "20",
        "REJECTED of the action after UNDONE",
        PAIR,
        "cancel a:UNDONE",
        "a:action:REJECTED",
        "a=conflict COMPENSATING a!conflict",
    ),
    ("20", "FENCED after the undo is none", PAIR, "a:SUCCEEDED cancel a:UNDONE", "a:action:FENCED", "a=undone COMPENSATING"),
    (
        "20",
        "REJECTED of the compensation is none",
        CHAIN,
        "a:SUCCEEDED b:REJECTED",
        "a:REJECTED",
        "a=stuck_back COMPENSATING a!undo_rejected",
    ),
    # --- the end
    ("21", "all settled: COMPENSATED", CHAIN, "a:SUCCEEDED b:REJECTED", "a:UNDONE", "COMPENSATED"),
    ("21", "FORCED when one was waived", CHAIN, "a:SUCCEEDED b:REJECTED", "waive!:a", "a=waived FORCED"),
    ("21b", "all done: COMPLETED", LINE, TO_R, "r:SUCCEEDED", "COMPLETED"),
    ("21b", "without a pivot", CHAIN, "a:SUCCEEDED b:SUCCEEDED", "c:SUCCEEDED", "COMPLETED"),
    ("21b", "FORCED when one was waived", LINE, TO_R + " r:UNSUPPORTED", "waive!:r", "r=waived FORCED"),
    # --- operators
    ("23", "retry of an asked step", LINE, "", "retry:a", "a=asked RUNNING +action:a"),
    ("23", "retry of a rejected step in a new run", LINE, TO_R + " r:REJECTED", "retry:r", "r=asked COMMITTED +action:r"),
    ("23", "retry of an undo", CHAIN, "cancel", "retry:a", "a=undo_asked COMPENSATING +undo:a"),
    ("23", "retry of an undo in backoff", CHAIN, "cancel a:FAILED", "retry:a", "a=undo_asked COMPENSATING +undo:a"),
    ("23", "retry of a stuck undo", CHAIN, "cancel a:REJECTED", "retry:a", "a=undo_asked COMPENSATING +undo:a"),
    ("23", "retry of a RESOLVE", LINE, TO_P + " cancel", "retry:p", "p=resolving SETTLING +resolve:p"),
    ("23", "retry of a stuck RESOLVE", LINE, TO_P + " cancel p:UNSUPPORTED", "retry:p", "p=resolving SETTLING +resolve:p"),
    (
        "23",
        "retry of a compensation that could not be mapped",
        BAD_UNDO,
        "a:SUCCEEDED b:REJECTED",
        "retry:a",
        "a=stuck_back COMPENSATING a!no_value",
    ),
    ("23", "waive asks first", LINE, TO_R, "waive:r", "r=resolving COMMITTED +resolve:r"),
    ("23", "fenced: waived", LINE, TO_R + " waive:r", "r:FENCED", "r=waived FORCED"),
    ("23", "it was done: done, going forward", LINE, TO_R + " waive:r", "r:SUCCEEDED", "r=done COMPLETED"),
    ("23", "it was done: waived, going back", CHAIN, "cancel waive:a", "a:SUCCEEDED", "a=waived FORCED"),
    ("23", "undone meanwhile: undone", CHAIN, "cancel waive:a", "a:compensation:UNDONE", "a=undone COMPENSATED"),
    (
        "23",
        "nothing to undo meanwhile: undone",
        CHAIN,
        "cancel waive:a",
        "a:compensation:NOTHING_TO_UNDO",
        "a=undone COMPENSATED",
    ),
    ("23", "waive of a stuck undo", CHAIN, "cancel a:REJECTED", "waive:a", "a=resolving COMPENSATING +resolve:a"),
    ("23", "waive --unsafe of a conflict", PAIR, "b:SUCCEEDED a:REJECTED a:SUCCEEDED b:UNDONE", "waive!:a", "a=waived FORCED"),
    # --- paused
    ("24", "paused: a reply is applied, nothing is sent", LINE, "pause", "a:SUCCEEDED", "a=done b=ready RUNNING"),
    ("24", "going back too", CHAIN, "a:SUCCEEDED pause", "b:REJECTED", "a=undo_due b=no_effect COMPENSATING"),
    (
        "24",
        "a RESOLVE is due at the end of the pause",
        LINE,
        TO_P + " pause cancel resume",
        "wake",
        "p=resolving SETTLING +resolve:p",
    ),
    ("24", "due work is held", LINE, "pause", "wait:5", "same"),
    ("24", "deadlines are held", DEADLINE, "wait:20 pause", "wait:60", "same"),
    ("24", "afterwards it goes on", LINE, "pause a:SUCCEEDED resume", "wake", "b=asked RUNNING +action:b"),
    ("24", "a newer run to undo waits too", CHAIN, "cancel pause resume", "wait:5", "a=undo_asked COMPENSATING +undo:a"),
    # --- final, stale
    ("25", "a finished saga ignores replies", CHAIN, "a:REJECTED", "a:SUCCEEDED", "same"),
    ("25", "and the timer", CHAIN, "a:REJECTED", "wait:1000", "same"),
    ("26", "FAILED of a step in backoff", LINE, "a:FAILED", "a:FAILED", "same"),
    ("26", "the same SUCCEEDED again", LINE, "a:SUCCEEDED", "a:SUCCEEDED", "same"),
    ("26", "an answer to what was never asked", LINE, "", "b:SUCCEEDED", "same"),
    ("26", "UNDONE of what was never undone", LINE, "a:SUCCEEDED", "a:compensation:UNDONE", "same"),
    ("26", "cancel of what goes back already", LINE, "cancel", "cancel", "same"),
]


@pytest.mark.parametrize(("number", "story", "shape", "given", "when", "then"), ROWS, ids=[f"{r[0]}: {r[1]}" for r in ROWS])
def test_row(number: str, story: str, shape: Definition, given: str, when: str, then: str) -> None:
    player = play(shape, given)
    player.facts = ()
    before = player.saga
    player.happens(when)
    if then == "same":
        assert player.saga == before
        return
    assert player.facts, "nothing happened"
    assert sorted(player.commands) == sorted(word[1:] for word in then.split() if word.startswith("+"))
    assert [word for word in then.split() if not _holds(player, word)] == []


def test_every_row_of_the_table_has_a_case() -> None:
    elsewhere = {"15b", "22"}  # test_recovery.py
    assert {row.number for row in TABLE} | {row.number for row in SAGA_ROWS} == {row[0] for row in ROWS} | elsewhere


def _holds(player: Player, word: str) -> bool:
    saga = player.state
    if word.startswith("+"):
        return True
    if "=" in word:
        name, _, status = word.partition("=")
        return saga.steps[name].status == status
    if "!" in word:
        name, _, reason = word.partition("!")
        return saga.steps[name].attention == reason
    return saga.phase == Phase(word)
