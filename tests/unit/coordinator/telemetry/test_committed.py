"""What is told of a batch: after its commit, once, with the saga's ids, and without harm."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest
import structlog
from structlog.testing import capture_logs

from saga_coordinator.batch.fold import EventFold
from saga_coordinator.engine.events import Env, Reply
from saga_coordinator.inbound.dead_letters import dead_letter
from saga_coordinator.sagas.work import SagaWork
from saga_coordinator.store.port import AttentionRow
from saga_coordinator.telemetry.committed import CommitTelemetry
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.traces.spans import attempt_span_id, root_span_id
from saga_messaging.broker import Record
from saga_schemas.errors import BadMessage
from saga_schemas.outcomes import Kind, Outcome
from support.moves import SAGA, TRACE, Work, value

RECORD = Record(topic="t", partition=0, offset=7, timestamp_ms=0, key=b"k", value=b"secret 4711", headers=())
LETTER = dead_letter("replies", RECORD, BadMessage("token_invalid"), 0)


def committed(instruments: Instruments, *works: Work) -> None:
    CommitTelemetry(instruments).committed([work.as_work() for work in works], [], [LETTER], 2)


def test_a_committed_batch_is_counted() -> None:
    instruments = Instruments()
    committed(instruments, Work("reserve:SUCCEEDED"))

    assert value(instruments.registry, "saga_started_total", definition="order") == 1
    assert value(instruments.registry, "saga_dead_letters_total", consumer="replies", reason="token_invalid") == 1
    assert value(instruments.registry, "saga_orphan_replies_total") == 2


def test_a_bug_in_telling_does_not_undo_what_is_done() -> None:
    instruments, broken = Instruments(), Work("reserve:SUCCEEDED")
    broken.moved.append(cast(Any, "no transition"))
    with capture_logs() as told:
        committed(instruments, broken)

    assert [line["event"] for line in told] == ["telemetry_failed"]
    assert value(instruments.registry, "saga_loop_failures_total", loop="telemetry") == 1


def test_attention_is_logged_with_the_sagas_ids_and_without_its_note() -> None:
    work, instruments = Work("").as_work(), Instruments()
    row = AttentionRow(saga_id=SAGA, step="charge", reason="no_answer", since_us=0, note="secret 4711")
    with capture_logs() as told:
        CommitTelemetry(instruments).committed([work], [(work, row)], [], 0)

    assert told == [
        {
            "event": "attention_raised",
            "log_level": "warning",
            "saga": str(SAGA),
            "definition": "order",
            "step": "charge",
            "reason": "no_answer",
            "trace_id": TRACE,
            "span_id": root_span_id(SAGA),
        }
    ]
    assert value(instruments.registry, "saga_attention_raised_total", definition="order", reason="no_answer") == 1


@pytest.fixture
def debugging() -> Any:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    yield
    structlog.reset_defaults()


def test_replies_are_logged_for_who_debugs(debugging: None) -> None:
    with capture_logs() as told:
        CommitTelemetry(Instruments()).committed([Work("reserve:SUCCEEDED").as_work()], [], [], 0)
    (line,) = told

    span = attempt_span_id("", SAGA, 1, "reserve", Kind.ACTION, 1, 1)
    assert (line["event"], line["step"], line["outcome"], line["span_id"]) == ("reply_applied", "reserve", "SUCCEEDED", span)
    assert {"saga", "definition", "trace_id"} <= line.keys()


# --- bugs -----------------------------------------------------------------------------------------


class Broken(Work):
    """A saga whose engine breaches an assertion."""

    parked = False

    def apply(self, event: object, env: Env) -> None:
        raise AssertionError("S6")

    def park(self, env: Env) -> None:
        self.parked = True


REPLY = Reply(step="reserve", kind=Kind.ACTION, run=1, attempt=1, incarnation=1, version=1, outcome=Outcome.SUCCEEDED)


def test_a_breach_parks_the_saga_and_says_which() -> None:
    instruments, work = Instruments(), Broken("")
    with capture_logs() as told:
        facts = EventFold(instruments).apply(cast(SagaWork, work), REPLY, Env(now_us=0))
    (line,) = told

    assert (facts, work.parked) == ((), True)
    assert (line["event"], line["reason"], line["on"]) == ("saga_parked", "engine_error", "Reply")
    assert (line["saga"], line["definition"], line["trace_id"]) == (str(SAGA), "order", TRACE)
    assert isinstance(line["exc_info"], AssertionError)
    assert value(instruments.registry, "saga_parked_total", reason="engine_error") == 1


def test_a_reply_that_changes_nothing_is_stale() -> None:
    work = Work("")
    cast(Any, work).apply = lambda event, env: ()
    EventFold(Instruments()).apply(work.as_work(), REPLY, Env(now_us=0))

    assert work.stale_replies == 1
