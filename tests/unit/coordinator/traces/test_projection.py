"""The coordinator's spans: which there are, how they hang together, what they say, and what they
never say."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given, settings

from saga_coordinator.engine.definition import Definition
from saga_coordinator.engine.encoding import decode_facts
from saga_coordinator.engine.facts import CommandSent
from saga_coordinator.traces.projection import MAX_EVENTS, JournalFacts, Projection, TracedSaga, spans_of
from saga_coordinator.traces.spans import FIRST_ATTEMPTS, Span, SpanKind, attempt_span_id, root_span_id, started_span_id
from saga_schemas.ids import command_id, span_id_of
from saga_schemas.outcomes import Kind, Outcome
from support.spans import ORDER, ROOT, SAGA, TRACED, folded, journal_of, named, spans
from unit.coordinator.engine.sagas import play
from unit.coordinator.engine.shapes import PROFILE, SEEDS, shapes
from unit.coordinator.engine.simulation import Troubles, World


def test_a_saga_that_went_well() -> None:
    found = spans("reserve:SUCCEEDED wait:2 charge:SUCCEEDED ship:SUCCEEDED")
    assert [span.name for span in found] == ["started", "reserve", "charge", "ship", "order"]
    started, reserve, charge, ship, root = found
    assert (started.span_id, started.start_us) == (started_span_id(SAGA), started.end_us)
    assert {span.parent_id for span in found} - {None} == {ROOT}
    assert (root.span_id, root.parent_id, root.kind, root.error) == (ROOT, None, SpanKind.INTERNAL, None)
    assert (root.start_us, root.end_us) == (started.start_us, ship.end_us)
    assert charge.end_us - charge.start_us == 2_000_000
    for attempt in (reserve, charge, ship):
        assert (attempt.kind, attempt.error, attempt.attributes["saga.outcome"]) == (SpanKind.PRODUCER, None, "SUCCEEDED")
    assert root.attributes["saga.phase"] == "COMPLETED"


def test_the_mark_is_there_before_anything_else_happened() -> None:
    (started,) = spans("")
    assert (started.name, started.attributes["saga.definition"], started.completed_by) == ("started", "order", 1)


def test_a_delayed_start_is_one_trace_and_its_wait_is_seen() -> None:
    projection, found = folded("later:30")
    assert [(span.name, span.start_us) for span in found] == [("scheduled", found[0].end_us)]
    assert [span.name for span in projection.open()] == ["order", "start time"]
    mark, wait, *_, root = spans("later:30 wait:30 reserve:SUCCEEDED charge:SUCCEEDED ship:SUCCEEDED")
    assert (wait.name, wait.parent_id, wait.end_us - wait.start_us, wait.completed_by) == ("start time", ROOT, 30_000_000, 2)
    assert (root.start_us, mark.start_us) == (wait.start_us, wait.start_us)
    assert {span.trace_id for span in (mark, wait, root)} == {TRACED.trace_id}


@pytest.mark.parametrize("act", ["cancel", "terminate"])
def test_the_wait_ends_with_a_saga_that_never_began(act: str) -> None:
    found = spans(f"later:30 {act}")
    assert [span.name for span in found] == ["scheduled", "start time", "order"]


def test_a_span_is_owed_by_the_transition_that_completes_it() -> None:
    found = spans("reserve:SUCCEEDED charge:SUCCEEDED ship:SUCCEEDED")
    assert [span.completed_by for span in found] == [1, 2, 3, 4, 4]


def test_an_attempt_says_what_was_asked_of_whom_and_what_came_of_it() -> None:
    (reserve,) = named(spans("reserve:REJECTED"), "reserve")
    message_id = command_id(SAGA, 1, 1, int(str(reserve.attributes["messaging.message.id"]).rsplit(".", 1)[1]))
    assert reserve.span_id == span_id_of(message_id)
    assert reserve.attributes == {
        "messaging.system": "kafka",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "saga.cmd.reserve-service",
        "messaging.message.id": message_id,
        "messaging.message.conversation_id": str(SAGA),
        "saga.id": str(SAGA),
        "saga.step": "reserve",
        "saga.kind": "action",
        "saga.run": 1,
        "saga.attempt": 1,
        "saga.participant": "reserve-service",
        "saga.command": "Do.reserve",
        "saga.outcome": "REJECTED",
        "saga.code": "no",
        "saga.waited_ms": 0,
        "error.type": "REJECTED",
    }
    assert reserve.error == "REJECTED: no"


def test_on_the_way_back_each_undo_links_to_what_it_undoes() -> None:
    found = spans("reserve:SUCCEEDED charge:SUCCEEDED ship:REJECTED charge:UNDONE reserve:UNDONE")
    assert [span.name for span in found] == ["started", "reserve", "charge", "ship", "undo charge", "undo reserve", "order"]
    for step_name in ("reserve", "charge"):
        (undo,), (done,) = named(found, f"undo {step_name}"), named(found, step_name)
        assert undo.links == (done.span_id,)
        assert undo.attributes["saga.outcome"] == "UNDONE"
    root = found[-1]
    assert (root.attributes["saga.phase"], root.attributes["saga.reason"]) == ("COMPENSATED", "ship: REJECTED no")
    assert ("saga.phase", "COMPENSATING") in [(event.name, event.attributes.get("saga.phase")) for event in root.events]
    assert root.error is None, "a business no is an outcome, not an error of the saga"


def test_an_attempt_that_failed_ends_with_its_answer_and_the_next_says_how_long_it_waited() -> None:
    first, second = named(spans("reserve:FAILED wait:1 reserve:SUCCEEDED"), "reserve")
    assert (first.error, first.attributes["saga.attempt"], second.attributes["saga.attempt"]) == ("FAILED: no", 1, 2)
    assert (first.end_us, second.attributes["saga.waited_ms"]) == (first.start_us, 1000)


def test_an_attempt_asked_again_in_silence_lasts_until_any_answer_comes() -> None:
    first, second = named(spans("wait:5 wait:1 reserve:SUCCEEDED"), "reserve")
    assert [(event.name, event.attributes["saga.attempt"]) for event in first.events] == [("saga.asked_again", 2)]
    assert first.end_us == second.end_us
    assert (first.attributes["saga.outcome"], first.attributes["saga.answered_by_attempt"]) == ("none", 2)
    assert (first.error, second.attributes["saga.outcome"]) == (None, "SUCCEEDED")


def test_an_answer_to_the_first_attempt_that_comes_after_the_second_failed_is_the_firsts() -> None:
    player = play(ORDER, "wait:5 wait:1")
    player.tell(player.reply("reserve", Outcome.FAILED, attempt=2))
    player.play("wait:1")
    player.tell(player.reply("reserve", Outcome.SUCCEEDED, attempt=1))
    first, second, third = sorted(
        named(list(spans_of(TRACED, journal_of(player))), "reserve"), key=lambda span: int(span.attributes["saga.attempt"])
    )
    assert [each.attributes["saga.outcome"] for each in (first, second, third)] == ["SUCCEEDED", "FAILED", "none"]
    assert (first.end_us, third.end_us) == (player.now, player.now)
    assert third.attributes["saga.answered_by_attempt"] == 1


def made_of(span: Span) -> list[object]:
    return [span.attributes.get(f"saga.{part}_us") for part in ("queue", "handler", "wire")]


def test_an_attempt_is_split_into_queue_handler_and_wire() -> None:
    found = spans("took:0.25,0.5 wait:1 reserve:SUCCEEDED took: wait:1 charge:SUCCEEDED")
    (reserve,), (charge,) = named(found, "reserve"), named(found, "charge")
    assert (made_of(reserve), made_of(charge)) == ([250_000, 500_000, 250_000], [None, None, None])
    assert [(event.name, event.at_us - reserve.start_us, event.attributes) for event in reserve.events] == [
        ("saga.taken", 250_000, {}),
        ("saga.handled", 750_000, {}),
    ]


def test_each_attempt_is_split_by_the_command_it_was_sent_with() -> None:
    first, second = named(spans("took:0.25,0.5 wait:1 reserve:FAILED wait:2 reserve:SUCCEEDED"), "reserve")
    assert made_of(first) == [250_000, 500_000, 250_000]
    assert made_of(second) == [0, 0, 0], "answered at once: what is said is cut to the attempt"


def test_an_attempt_that_another_answered_is_not_split() -> None:
    first, second = named(spans("took:0.25,0.5 wait:5 wait:1 reserve:SUCCEEDED"), "reserve")
    assert (made_of(first), made_of(second)) == ([None, None, None], [250_000, 500_000, 250_000])


def test_accepted_work_shows_when_it_was_taken_among_its_other_events() -> None:
    script = "took:0.25,0.5 wait:1 reserve:IN_PROGRESS wait:7 took: reserve:SUCCEEDED"
    (first, *_) = named(spans(script), "reserve")
    assert [event.name for event in first.events][:3] == ["saga.taken", "saga.handled", "saga.in_progress"]
    assert [event.at_us for event in first.events] == sorted(event.at_us for event in first.events)
    assert made_of(first)[:2] == [250_000, 500_000]


def test_the_attempts_that_share_a_span_show_the_split_of_the_last() -> None:
    player = play(ORDER, "took:0.25,0.5 cancel " + " ".join(["wait:60"] * 9))
    asked = [sent for sent in player.sent if sent.kind is Kind.COMPENSATION]
    player.now += 1_000_000
    player.tell(player.reply("reserve", Outcome.FAILED))
    while len(player.sent) == len(asked) + 1:
        player.play("wait:5")
    last = player.sent[-1]
    assert last.attempt == asked[-1].attempt + 1
    player.now += 2_000_000
    player.tell(player.reply("reserve", Outcome.UNDONE))
    shared = max(named(list(spans_of(TRACED, journal_of(player))), "undo reserve"), key=lambda span: span.start_us)
    assert shared.attributes["saga.attempt"] == last.attempt
    assert made_of(shared) == [250_000, 500_000, 1_250_000]
    (taken,) = (event for event in shared.events if event.name == "saga.taken")
    assert taken.at_us == last.at_us + 250_000


def test_progress_is_an_event() -> None:
    (reserve,) = named(spans("reserve:IN_PROGRESS wait:1 reserve:SUCCEEDED"), "reserve")
    assert [event.name for event in reserve.events] == ["saga.in_progress"]


def test_attention_is_an_event_of_the_attempt_or_else_of_the_saga() -> None:
    found = spans(
        "reserve:SUCCEEDED charge:SUCCEEDED ship:REJECTED charge:FAILED wait:1 charge:FAILED waive!:charge reserve:UNDONE"
    )
    root = found[-1]
    assert (root.attributes["saga.phase"], root.error) == ("FORCED", "FORCED")
    names = [event.name for event in root.events]
    assert "saga.attention" in names
    assert "saga.waive" in names


def test_an_attempt_without_any_answer_ends_in_error_when_the_saga_turns_back() -> None:
    found = spans("wait:5 wait:26 wait:40 wait:40 reserve:UNDONE")
    silent = named(found, "reserve")
    assert silent
    assert {span.error for span in silent} == {"no answer"}
    assert {span.attributes["error.type"] for span in silent} == {"no_answer"}


def test_of_many_attempts_the_first_five_and_the_last_are_shown() -> None:
    script = "cancel " + " ".join(["wait:60"] * 9)
    player = play(ORDER, script)
    asked = [sent for sent in player.sent if sent.kind.value == "compensation"]
    assert len(asked) > FIRST_ATTEMPTS + 2, "asked for ever"
    player.play("reserve:UNDONE")
    undos = named(list(spans_of(TRACED, journal_of(player))), "undo reserve")
    assert [span.attributes["saga.attempt"] for span in sorted(undos, key=lambda span: span.start_us)] == [
        1,
        2,
        3,
        4,
        5,
        len(asked),
    ]
    last = undos[-1] if undos[-1].attributes["saga.attempt"] == len(asked) else max(undos, key=lambda span: span.start_us)
    assert last.attributes["saga.outcome"] == "UNDONE"
    parents = {
        attempt_span_id(f"m{sent.attempt}", SAGA, 1, sent.step, sent.kind, sent.run, sent.attempt)
        for sent in asked
        if sent.attempt > FIRST_ATTEMPTS
    }
    assert parents == {last.span_id}, "a participant's span of any later attempt hangs below it"


def test_the_events_of_a_span_are_bounded_and_what_is_left_out_is_counted() -> None:
    player = play(ORDER, "cancel " + " ".join(["wait:60"] * (MAX_EVENTS + 20)))
    player.play("reserve:UNDONE")
    busiest = max(spans_of(TRACED, journal_of(player)), key=lambda span: len(span.events))
    assert len(busiest.events) == MAX_EVENTS
    assert int(busiest.attributes["saga.events.dropped"]) > 0


def test_the_callers_span_is_the_roots_parent_and_its_tracestate_goes_on() -> None:
    found = spans("cancel reserve:UNDONE", saga=replace(TRACED, parent_span="12" * 8, tracestate="vendor=1"))
    assert [span.parent_id for span in found if span.span_id == ROOT] == ["12" * 8]
    assert {span.tracestate for span in found} == {"vendor=1"}


def test_the_business_key_is_shown_only_where_the_definition_says_so() -> None:
    assert not any("saga.key" in span.attributes for span in spans("cancel reserve:UNDONE"))
    shown = spans("cancel reserve:UNDONE", saga=replace(TRACED, key="o-17"))
    assert [span.attributes.get("saga.key") for span in shown if span.name in ("started", "order")] == ["o-17", "o-17"]


def test_neither_payloads_nor_an_operators_words_are_told() -> None:
    player = play(ORDER, "reserve:SUCCEEDED cancel charge:SUCCEEDED charge:UNDONE reserve:UNDONE")
    text = repr(list(spans_of(TRACED, journal_of(player))))
    for secret in ("reply-of", "Do.reserve(", "no longer wanted"):
        assert secret not in text
    assert named(list(spans_of(TRACED, journal_of(player))), "order")[0].attributes["saga.reason"] == "cancel"


def test_what_has_no_answer_yet_is_open_and_so_is_the_root() -> None:
    projection, made = folded("reserve:SUCCEEDED wait:5 charge:IN_PROGRESS")
    root, first, second = projection.open()
    assert [span.name for span in made] == ["started", "reserve"]
    assert (root.span_id, root.name, root.start_us) == (ROOT, "order", made[0].start_us)
    assert [(each.name, each.attributes["saga.step"], each.attributes["saga.attempt"]) for each in (first, second)] == [
        ("charge", "charge", 1),
        ("charge", "charge", 2),
    ]
    assert second.start_us - first.start_us == 5_000_000
    assert [event.name for event in second.events] == ["saga.in_progress"]
    assert not {"saga.outcome", "saga.code"} & first.attributes.keys(), "it has none yet"


def test_an_open_undo_says_what_it_undoes() -> None:
    projection, made = folded("reserve:SUCCEEDED charge:REJECTED")
    (undo,) = [each for each in projection.open() if each.name == "undo reserve"]
    assert undo.links == (named(made, "reserve")[0].span_id,)


def test_of_a_finished_saga_nothing_is_open() -> None:
    projection, _ = folded("reserve:REJECTED")
    assert (projection.ended, projection.open()) == (True, [])


def test_without_a_journal_nothing_is_open() -> None:
    assert Projection(TRACED).open() == []


@pytest.mark.parametrize(
    "troubles", [Troubles(), Troubles(operator=0.3, unsafe=True, fail=0.3), Troubles(restore=True, steps=100)]
)
@settings(PROFILE, max_examples=40)
@given(shape=shapes(), seed=SEEDS)
def test_whatever_happens_it_is_one_tree_and_every_attempt_has_its_span(troubles: Troubles, shape: Definition, seed: int) -> None:
    world = World(shape, seed, troubles)
    state = world.run()
    saga = replace(TRACED, id=UUID(state.id))
    journal = [
        JournalFacts(version, at, decode_facts(facts))
        for version, (facts, at) in enumerate(zip(world.journal, world.journal_at, strict=True), start=1)
    ]
    found = list(spans_of(saga, journal))
    assert found == list(spans_of(saga, journal)), "the same journal, the same spans"
    _check_looking(saga, journal, found)
    ids = [span.span_id for span in found]
    assert len(ids) == len(set(ids))
    known, root = set(ids), root_span_id(saga.id)
    for span in found:
        assert (span.parent_id == root) != (span.span_id == root)
        assert set(span.links) <= known
        assert 0 < span.completed_by <= len(journal)
        assert span.end_us >= span.start_us
    if not state.final:
        return
    assert found[-1].span_id == root
    for span in found:
        assert found[-1].start_us <= span.start_us <= span.end_us <= found[-1].end_us


def _check_looking(saga: TracedSaga, journal: list[JournalFacts], found: list[Span]) -> None:
    """What is open is looked at after every record: that changes no span, and each becomes one,
    unless it is open to the last."""
    projection, made, begun = Projection(saga), [], dict[str, int]()
    for record in journal:
        made += projection.record(record)
        is_open = {each.span_id: each.start_us for each in projection.open()}
        assert not is_open.keys() & {span.span_id for span in made}
        begun |= is_open
    assert made == found
    became = {span.span_id: span.start_us for span in found} | is_open
    assert begun.items() <= became.items()
    _check_attempts(saga.id, journal, set(became))


def _check_attempts(saga_id: UUID, journal: list[JournalFacts], ids: set[str]) -> None:
    expected, incarnation = {root_span_id(saga_id), started_span_id(saga_id)}, 1
    for record in journal:
        for ord, fact in enumerate(record.facts):
            incarnation = getattr(fact, "changes", {}).get("incarnation", incarnation)
            if isinstance(fact, CommandSent):
                message_id = command_id(saga_id, incarnation, record.version, ord)
                expected.add(attempt_span_id(message_id, saga_id, incarnation, fact.step, fact.kind, fact.run, fact.attempt))
    assert ids == expected
