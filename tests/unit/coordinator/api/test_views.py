"""The view of one saga: bounded whatever happened, and there even when definition or state cannot
be read."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import orjson
import pytest

from saga_coordinator.engine.events import WakeUp
from saga_coordinator.inbound.dead_letters import encode_headers
from saga_coordinator.pauses.stored import ScopePauses, write
from saga_coordinator.store.pause_port import PauseRow, PauseScope
from saga_coordinator.store.port import (
    AttentionRow,
    DeadLetter,
)
from saga_coordinator.views.journal import record_views
from saga_coordinator.views.payloads import ANSWER_BYTES, SHOWN_BYTES, Payloads
from saga_coordinator.views.step_history import FIRST_SHOWN
from saga_schemas.codec import encode
from saga_schemas.outcomes import Outcome
from saga_schemas.plain import from_plain
from support.saga_rows import SAGA
from unit.coordinator.api.stored import CATALOG, ORDER, SECOND, T0, schema, started, step


async def test_of_many_attempts_the_first_five_and_the_last_are_shown() -> None:
    stored = started()
    for _ in range(30):
        stored.happens(WakeUp(), after_s=400)
    view = await stored.view()
    reserve = step(view, "reserve")
    assert len(reserve.attempts) == FIRST_SHOWN + 1
    assert [attempt.attempt for attempt in reserve.attempts[:FIRST_SHOWN]] == [1, 2, 3, 4, 5]
    assert stored.saga is not None
    assert reserve.attempts[-1].attempt == stored.saga.steps["reserve"].attempt > 10
    assert reserve.attempts_omitted == stored.saga.steps["reserve"].attempt - (FIRST_SHOWN + 1)


async def test_a_failed_attempt_shows_its_code_and_the_next_is_open() -> None:
    view = await started().answered("reserve", Outcome.FAILED).happens(WakeUp(), after_s=60).view()
    first, second = step(view, "reserve").attempts
    assert (first.outcome, first.code, first.duration_ms) == (Outcome.FAILED, "busy", 1000)
    assert (second.attempt, second.outcome, second.answered_at) == (2, None, None)


async def test_an_attempt_shows_what_its_second_was_made_of_and_the_journal_what_was_said() -> None:
    stored = started()
    stored.answered("reserve", Outcome.FAILED, taken_at_us=stored.clock_us + 200_000, handler_us=700_000)
    stored.happens(WakeUp(), after_s=60)
    first, second = step(await stored.view(), "reserve").attempts
    assert (first.duration_ms, first.queue_us, first.handler_us, first.wire_us) == (1000, 200_000, 700_000, 100_000)
    assert (second.queue_us, second.handler_us, second.wire_us) == (None, None, None)
    facts = [fact for record in record_views(stored.records, Payloads(CATALOG)) for fact in record.facts]
    (reply,) = (fact for fact in facts if fact["fact"] == "reply")
    assert (reply["taken_at"], reply["handler_us"]) == ("2023-11-14T22:13:21.200000Z", 700_000)


async def test_accepted_work_shows_when_it_was_taken_and_not_the_wire_of_its_later_answer() -> None:
    stored = started()
    stored.answered("reserve", Outcome.IN_PROGRESS, taken_at_us=stored.clock_us + 200_000, handler_us=700_000)
    (accepted,) = step(await stored.view(), "reserve").attempts
    assert (accepted.outcome, accepted.queue_us, accepted.handler_us, accepted.wire_us) == (
        Outcome.IN_PROGRESS,
        200_000,
        700_000,
        100_000,
    )
    payload = encode(schema("shop.StockReserved"), {"reservation_id": "r-1"})
    (ended,) = step(await stored.answered("reserve", Outcome.SUCCEEDED, payload=payload).view(), "reserve").attempts
    assert (ended.outcome, ended.queue_us, ended.handler_us, ended.wire_us) == (Outcome.SUCCEEDED, 200_000, 700_000, None)


async def test_the_reply_is_plain_json_even_when_no_mapping_reads_it() -> None:
    payload = encode(schema("shop.StockReserved"), {"reservation_id": "r-1"})
    view = await started().answered("reserve", Outcome.SUCCEEDED, payload=payload).view()
    assert step(view, "reserve").reply == {"reservation_id": "r-1"}


def refused(
    at: int, *, step: str = "reserve", reason: str = "unknown_schema", consumer: str = "replies", attempt: int | None = None
) -> DeadLetter:
    """A dead letter as the reply loop leaves it."""
    answers = (("ce_sagakind", "action"), ("ce_sagarun", "1"), ("ce_sagaattempt", f"{attempt}")) if attempt is not None else ()
    return DeadLetter(
        id=UUID(int=at), consumer=consumer, topic="saga.reply.inventory", partition=0, offset=1, at_us=at, reason=reason,
        detail="no schema of id 80000001 is known here", key=str(SAGA).encode(), value=b"\0",
        headers=encode_headers(tuple((name, text.encode()) for name, text in (("ce_sagastep", step), *answers))), relayed=False,
    )  # fmt: skip


async def test_an_attempt_whose_answer_was_refused_says_so_and_where_it_is() -> None:
    stored = started().happens(WakeUp(), after_s=80)
    letters = [refused(stored.clock_us + at, reason="invalid_value", attempt=1) for at in (1, 2)]
    stored.letters += [*letters, refused(stored.clock_us + 3, step="charge", attempt=2), refused(stored.clock_us + 4)]
    first, second = step(await stored.view(), "reserve").attempts
    assert (first.outcome, first.message) == (None, f"answered, refused: invalid_value (saga dlq show {letters[1].id})")
    assert (second.outcome, second.message) == (None, None), "nothing came that answers it"


async def test_an_answer_that_was_read_in_the_end_stands_where_a_refused_one_came_before() -> None:
    stored = started()
    stored.letters.append(refused(stored.clock_us + 1, attempt=1))
    (only,) = step(await stored.answered("reserve", Outcome.SUCCEEDED).view(), "reserve").attempts
    assert (only.outcome, only.message) == (Outcome.SUCCEEDED, None)


@pytest.mark.parametrize(("reason", "way_out"), [("unknown_schema", "saga schema add"), ("schema_mismatch", "saga dlq show")])
async def test_a_step_whose_reply_came_and_could_not_be_read_does_not_wait_for_one(reason: str, way_out: str) -> None:
    stored = started()
    stored.letters.append(refused(stored.clock_us + 1, reason=reason))
    (waiting,) = [one for one in (await stored.view()).waiting if one.step == "reserve"]
    assert waiting.name == "reply_unreadable"
    assert f"{reason}: no schema of id 80000001" in waiting.mover and way_out in waiting.mover


async def test_the_attention_of_a_step_whose_reply_could_not_be_read_names_it() -> None:
    stored = started()
    assert stored.saga is not None
    stuck = stored.saga.steps["reserve"]
    stored.says(replace(stored.saga, steps={**stored.saga.steps, "reserve": replace(stuck, attention="no_answer")}))
    stored.attention.append(AttentionRow(saga_id=SAGA, step="reserve", reason="no_answer", since_us=T0, note=""))
    stored.letters.append(refused(stored.clock_us + 1))
    (attention,) = (await stored.view()).attention
    assert "saga schema add" in attention.way_out and "is it running" not in attention.way_out


@pytest.mark.parametrize(
    "letter",
    [refused(T0 + 10 * SECOND, step="charge"), refused(T0 + 10 * SECOND, consumer="starts"), refused(T0 - SECOND)],
    ids=["another step's", "no reply", "from before it was asked"],
)
async def test_other_dead_letters_leave_a_wait_as_it_is(letter: DeadLetter) -> None:
    stored = started()
    stored.letters.append(letter)
    assert [one.name for one in (await stored.view()).waiting if one.step == "reserve"] == ["reply"]


async def test_a_participant_without_consumer_is_named() -> None:
    view = await started().view({"inventory": "no consumer on saga.cmd.inventory", "mail": "no consumer on saga.cmd.mail"})
    assert view.waiting[0].mover.startswith("no consumer on saga.cmd.inventory")
    assert view.notes == ("no consumer on saga.cmd.inventory",)


@pytest.mark.parametrize("state", [b"{", b'{"phase": "ASLEEP", "steps": {}}', orjson.dumps([])])
async def test_a_state_that_cannot_be_read_is_shown_as_such(state: bytes) -> None:
    stored = started()
    stored.row = replace(stored.row, state=state, state_version=1, wake_at_us=T0)
    stored.attention = [AttentionRow(saga_id=SAGA, step="", reason="engine_error", since_us=T0, note="")]
    view = await stored.view()
    assert (view.phase, view.steps, view.definition, view.input) == ("RUNNING", (), "order", None)
    assert view.waiting[0].name == "attention:state_unreadable"
    assert view.attention[0].reason == "engine_error" and "log" in view.attention[0].way_out
    assert any("cannot be read" in note for note in view.notes)


async def test_a_saga_without_its_definition_says_so_and_shows_its_steps() -> None:
    stored = started()
    stored.without_definition = True
    view = await stored.view()
    assert view.definition is None and view.waiting[0].name == "definition_missing"
    assert {one.name: one.participant for one in view.steps} == {"reserve": None, "charge": None, "ship": None}
    assert any(note.startswith("definition_missing") for note in view.notes)


async def test_a_journal_record_that_cannot_be_read_hides_no_other() -> None:
    stored = started().happens(WakeUp(), after_s=400)
    assert stored.saga is not None
    stored.says(stored.saga)
    stored.records[0] = replace(stored.records[0], facts=b"[[")
    stored.records.append(replace(stored.records[0], version=9, format=7))
    views = record_views(stored.records, Payloads(CATALOG))
    assert [bool(view.facts) for view in views] == [False, True, False]
    assert views[0].note and "format 7" in str(views[2].note)
    assert (await stored.view()).steps


@pytest.mark.parametrize(
    ("scope", "name", "holds"),
    [
        ("definition", "order", True),
        ("definition", "other", False),
        ("participant", "inventory", True),
        ("participant", "mail", False),
    ],
)
async def test_the_pauses_that_hold_it_are_shown_and_no_others(scope: PauseScope, name: str, holds: bool) -> None:
    stored = started()
    value = write(ScopePauses().begun(stored.clock_us))
    stored.pauses = [PauseRow(scope=scope, name=name, value=value, who="ada", why="the bank is down")]
    view = await stored.view()
    assert [(one.scope, one.name, one.by, one.why) for one in view.paused] == [(scope, name, "ada", "the bank is down")] * holds
    assert ("paused" in {one.name for one in view.waiting}) == (holds and scope == "definition")


def test_payloads_are_bounded_one_by_one_and_together() -> None:
    place = schema("shop.PlaceOrder")
    small = encode(place, from_plain(place, ORDER))
    large = encode(place, from_plain(place, ORDER | {"address": "x" * SHOWN_BYTES}))
    payloads = Payloads(CATALOG)
    assert payloads.show(small).value["order_id"] == "o-17"
    assert payloads.show(large).value is None and "too large" in str(payloads.show(large).note)
    middling = encode(place, from_plain(place, ORDER | {"address": "x" * (SHOWN_BYTES - 200)}))
    shown = [payloads.show(middling).note is None for _ in range(40)]
    assert shown.count(True) <= ANSWER_BYTES // len(middling) and not shown[-1]


def test_bytes_of_an_unknown_schema_are_named_as_such() -> None:
    shown = Payloads(CATALOG).show(b"\0\0\0\0\7rest")
    assert shown.value is None and "unknown_schema" in str(shown.note)
