"""What a saga's transitions count as."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from saga_coordinator.sagas.work import Moved
from saga_coordinator.telemetry import catalog
from saga_coordinator.telemetry.catalog import Type
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.memory import MemoryBroker
from saga_messaging.sender import Sender
from saga_schemas.outcomes import Outcome
from support.hand_clock import HandClock
from support.moves import SAGA, Work, counted, figures, value

ORDER = {"definition": "order"}
CHARGED = {**ORDER, "step": "charge", "kind": "action"}


def test_a_saga_that_went_well() -> None:
    registry = counted("reserve:SUCCEEDED charge:SUCCEEDED ship:SUCCEEDED").registry

    assert value(registry, "saga_started_total", **ORDER) == 1
    assert value(registry, "saga_finished_total", **ORDER, phase="COMPLETED") == 1
    assert value(registry, "saga_duration_seconds_sum", **ORDER, phase="COMPLETED") == 3
    assert value(registry, "saga_commands_total", **CHARGED) == 1
    assert value(registry, "saga_replies_total", **ORDER, outcome="SUCCEEDED") == 3
    assert value(registry, "saga_step_latency_seconds_count", **CHARGED, outcome="SUCCEEDED") == 1
    assert value(registry, "saga_step_latency_seconds_sum", **CHARGED, outcome="SUCCEEDED") == 1
    assert [sample for family in registry.collect() for sample in family.samples if sample.name == "saga_retries_total"] == []


def test_a_saga_that_went_back_counts_each_direction_by_itself() -> None:
    registry = counted("reserve:SUCCEEDED charge:REJECTED reserve:UNDONE").registry

    undone = {**ORDER, "step": "reserve", "kind": "compensation"}
    assert value(registry, "saga_commands_total", **undone) == 1
    assert value(registry, "saga_step_latency_seconds_sum", **undone, outcome="UNDONE") == 1
    assert value(registry, "saga_step_latency_seconds_sum", **CHARGED, outcome="REJECTED") == 1
    assert value(registry, "saga_finished_total", **ORDER, phase="COMPENSATED") == 1


def test_asked_again_in_silence_the_wait_counts_from_the_first_asking() -> None:
    registry = counted("reserve:SUCCEEDED wait:6 wait:20 charge:SUCCEEDED").registry

    assert value(registry, "saga_commands_total", **CHARGED) == 3
    assert value(registry, "saga_retries_total", **CHARGED, cause="silence") == 2
    assert value(registry, "saga_step_latency_seconds_count", **CHARGED, outcome="SUCCEEDED") == 1
    assert value(registry, "saga_step_latency_seconds_sum", **CHARGED, outcome="SUCCEEDED") == 29


def test_a_retry_after_failed_is_a_wait_of_its_own() -> None:
    registry = counted("reserve:SUCCEEDED charge:FAILED wait:2 charge:SUCCEEDED").registry

    assert value(registry, "saga_retries_total", **CHARGED, cause="failed") == 1
    assert value(registry, "saga_step_latency_seconds_sum", **CHARGED, outcome="FAILED") == 1
    assert value(registry, "saga_step_latency_seconds_sum", **CHARGED, outcome="SUCCEEDED") == 1


def test_accepted_work_counts_from_its_first_asking_to_its_end() -> None:
    registry = counted("reserve:SUCCEEDED charge:IN_PROGRESS wait:10 charge:SUCCEEDED").registry

    assert value(registry, "saga_step_latency_seconds_sum", **CHARGED, outcome="IN_PROGRESS") == 1
    assert value(registry, "saga_step_latency_seconds_sum", **CHARGED, outcome="SUCCEEDED") == 13


def test_an_answer_that_nobody_waits_for_any_more_has_no_latency() -> None:
    registry = counted("reserve:SUCCEEDED charge:FAILED charge:SUCCEEDED").registry

    assert value(registry, "saga_replies_total", **ORDER, outcome="SUCCEEDED") == 2
    assert value(registry, "saga_step_latency_seconds_count", **CHARGED, outcome="SUCCEEDED") is None


def parts_of(registry: CollectorRegistry, participant: str) -> dict[str, tuple[float, float]]:
    """By part: how often it was counted, and the seconds in all."""
    found: dict[str, tuple[float, float]] = {}
    for part in ("queue", "handler", "wire"):
        labels = {"participant": participant, "part": part}
        count = value(registry, "saga_attempt_part_seconds_count", **labels)
        total = value(registry, "saga_attempt_part_seconds_sum", **labels)
        if count is not None and total is not None:
            found[part] = (count, total)
    return found


def test_what_a_participant_tells_of_its_time_splits_the_latency() -> None:
    registry = counted("took:0.25,0.5 reserve:SUCCEEDED").registry

    assert parts_of(registry, "reserve-service") == {"queue": (1, 0.25), "handler": (1, 0.5), "wire": (1, 1.25)}
    assert value(registry, "saga_step_latency_seconds_sum", **ORDER, step="reserve", kind="action", outcome="SUCCEEDED") == 2


def test_asked_again_in_silence_the_queue_counts_from_the_first_asking_too() -> None:
    registry = counted("reserve:SUCCEEDED wait:6 took:0.25,0.5 charge:SUCCEEDED").registry

    parts = parts_of(registry, "charge-service")
    assert sum(total for _, total in parts.values()) == value(
        registry, "saga_step_latency_seconds_sum", **CHARGED, outcome="SUCCEEDED"
    )
    assert parts["queue"] == (1, 7.25), "the second was sent after seven seconds"


def test_a_reply_that_tells_one_of_both_or_that_nobody_waited_for_is_not_split() -> None:
    for taken, handler in ((None, 500_000), (1, None), (None, None)):
        work = Work("reserve:SUCCEEDED")
        before, at = work.player.state, work.player.now + 1_000_000
        reply = work.player.reply("charge", Outcome.SUCCEEDED, taken_at_us=taken, handler_us=handler)
        facts = work.player.tell(reply)
        work.moved.append(Moved(at, before, facts, work.player.state))
        instruments = Instruments()
        instruments.committed(work.as_work())
        assert parts_of(instruments.registry, "charge-service") == {}
    late = counted("reserve:SUCCEEDED charge:FAILED took:0.25,0.5 charge:SUCCEEDED").registry
    assert parts_of(late, "charge-service") == {}


def test_accepted_work_is_split_when_it_was_accepted() -> None:
    registry = counted("took:0.25,0.5 reserve:IN_PROGRESS wait:10 took: reserve:SUCCEEDED").registry

    assert parts_of(registry, "reserve-service") == {"queue": (1, 0.25), "handler": (1, 0.5), "wire": (1, 1.25)}


def test_a_lie_spoils_no_more_than_the_parts() -> None:
    registry = counted("took:-99999999,99999999 reserve:SUCCEEDED").registry

    assert parts_of(registry, "reserve-service") == {"queue": (1, 0), "handler": (1, 2), "wire": (1, 0)}


def test_a_sampled_saga_leaves_its_trace_and_another_none() -> None:
    script = "took:0.1,0.2 reserve:SUCCEEDED wait:6 charge:SUCCEEDED ship:SUCCEEDED"

    assert exemplars(counted(script)) == {}
    found = exemplars(counted(script, sampled=True))

    assert found.keys() == {
        "saga_finished",
        "saga_duration_seconds",
        "saga_step_latency_seconds",
        "saga_attempt_part_seconds",
        "saga_retries",
    }
    assert {metric.family for metric in catalog.ALL if metric.exemplars} == found.keys()
    assert {ids["trace_id"] for each in found.values() for ids in each} == {"ab" * 16}


def exemplars(instruments: Instruments) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for family in instruments.registry.collect():
        for sample in family.samples:
            if sample.exemplar is not None:
                found.setdefault(family.name, []).append(dict(sample.exemplar.labels))
    return found


def test_an_attempt_s_figures_lead_to_its_own_span_and_the_end_to_the_root() -> None:
    from saga_coordinator.traces.spans import attempt_span_id, root_span_id
    from saga_schemas.ids import command_id
    from saga_schemas.outcomes import Kind

    found = exemplars(counted("wait:6 reserve:SUCCEEDED charge:SUCCEEDED ship:SUCCEEDED", sampled=True))

    assert [ids["span_id"] for ids in found["saga_finished"]] == [root_span_id(SAGA)]
    again = command_id(SAGA, 1, 2, 0)  # the second transition: reserve is asked again
    assert [ids["span_id"] for ids in found["saga_retries"]] == [attempt_span_id(again, SAGA, 1, "reserve", Kind.ACTION, 1, 2)]


def test_attention_and_stale_replies_are_counted() -> None:
    work = Work("")
    work.stale_replies = 2
    instruments = Instruments()
    instruments.committed(work.as_work())
    instruments.attention_raised("order", "no_answer")

    assert value(instruments.registry, "saga_attention_raised_total", **ORDER, reason="no_answer") == 1
    assert value(instruments.registry, "saga_replies_stale_total") == 2


def test_gauges_show_what_is_and_forget_what_is_no_more() -> None:
    instruments = Instruments()
    instruments.figures(figures({("order", "RUNNING"): 3, ("order", "COMPENSATING"): 1}, {"no_answer": 2}))
    instruments.figures(figures({("order", "RUNNING"): 4}, {}))
    registry = instruments.registry

    assert value(registry, "saga_open_sagas", definition="order", phase="RUNNING") == 4
    assert value(registry, "saga_open_sagas", definition="order", phase="COMPENSATING") is None
    assert value(registry, "saga_attention_rows", reason="no_answer") is None
    assert value(registry, "saga_outbox_oldest_seconds") == 4
    assert value(registry, "saga_timer_overdue_seconds") == 0  # due, but not yet
    assert value(registry, "saga_spans_due_oldest_seconds") == 8


def test_alerts_on_increases_see_the_first_bug_too() -> None:
    """A series that begins with 1 has not increased, for Prometheus."""
    registry = Instruments().registry

    assert value(registry, "saga_parked_total", reason="engine_error") == 0
    assert value(registry, "saga_loop_failures_total", loop="timers") == 0


@pytest.fixture
def watched() -> Instruments:
    clock = HandClock()
    instruments = Instruments()
    instruments.watch(Sender(MemoryBroker(clock, partitions=1), clock, max_rows=10, max_bytes=10_000))
    return instruments


def test_what_is_registered_is_what_the_catalogue_says(watched: Instruments) -> None:
    found = {family.name: family for family in watched.registry.collect()}

    assert found.keys() == catalog.BY_FAMILY.keys()
    for name, metric in catalog.BY_FAMILY.items():
        assert (found[name].type, found[name].documentation, found[name].unit) == (
            metric.type.value,
            metric.meaning,
            metric.unit_word,
        ), name


@pytest.mark.parametrize("metric", catalog.ALL, ids=lambda metric: metric.name)
def test_names_follow_the_conventions(metric: catalog.Metric) -> None:
    assert metric.name.startswith("saga_")
    assert metric.name.endswith("_total") == (metric.type is Type.COUNTER)
    assert (metric.unit == "s") == metric.family.endswith("_seconds")
    assert (metric.unit == "By") == metric.family.endswith("_bytes")
    assert metric.meaning.endswith(".")
    assert bool(metric.buckets) == (metric.type is Type.HISTOGRAM)
    assert list(metric.buckets) == sorted(set(metric.buckets))
    assert not {"saga", "saga_id", "key", "request_id", "trace_id", "partition", "offset"} & set(metric.labels)


def test_a_saga_counts_as_recovered_when_the_last_has_answered() -> None:
    asked = counted("reserve:SUCCEEDED recover reserve:SUCCEEDED")
    assert value(asked.registry, "saga_recovered_total", definition="order") in (0, None)
    answered = counted("reserve:SUCCEEDED recover reserve:SUCCEEDED charge:SUCCEEDED")
    assert value(answered.registry, "saga_recovered_total", definition="order") == 1
