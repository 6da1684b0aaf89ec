"""The same figures in OpenTelemetry's data model, as the exporters encode them."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from saga_coordinator.telemetry import catalog
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.telemetry.otlp_metrics import metrics_data
from saga_coordinator.traces.spans import root_span_id
from support.moves import SAGA, counted

CUMULATIVE = 2
STARTED_NS, NOW_NS = 1_000_000_000, 9_000_000_000


def exported(registry: CollectorRegistry) -> dict[str, Any]:
    """Protobuf metrics by name."""
    data = metrics_data(registry, Resource({"service.name": "saga-coordinator"}), started_ns=STARTED_NS, now_ns=NOW_NS)
    (resource,) = encode_metrics(data).resource_metrics
    assert [(each.key, each.value.string_value) for each in resource.resource.attributes] == [
        ("service.name", "saga-coordinator")
    ]
    (scope,) = resource.scope_metrics
    return {metric.name: metric for metric in scope.metrics}


def labels(point: Any) -> dict[str, str]:
    return {each.key: each.value.string_value for each in point.attributes}


def test_counters_are_cumulative_sums_and_gauges_are_gauges() -> None:
    instruments = counted("reserve:SUCCEEDED")
    instruments.held(7)
    found = exported(instruments.registry)

    started = found["saga.started"]
    assert (started.unit, started.sum.is_monotonic, started.sum.aggregation_temporality) == ("{saga}", True, CUMULATIVE)
    (point,) = started.sum.data_points
    assert (labels(point), point.as_double, point.time_unix_nano) == ({"definition": "order"}, 1.0, NOW_NS)
    assert point.start_time_unix_nano > STARTED_NS  # the series says itself since when it counts
    held = found["saga.outbox_held_rows"]
    assert (held.unit, [point.as_double for point in held.gauge.data_points]) == ("{row}", [7.0])


def test_a_histogram_has_its_bounds_and_counts_by_bucket() -> None:
    instruments = Instruments()
    for records in (1, 2, 2, 7, 9_999):
        instruments.reply_batch(records)
    (point,) = exported(instruments.registry)["saga.reply_batch_records"].histogram.data_points

    assert tuple(point.explicit_bounds) == catalog.BATCH
    assert list(point.bucket_counts) == [1, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert (point.count, point.sum) == (5, 10_011)
    assert not point.HasField("min") and not point.HasField("max")  # not known, so not said


def test_histograms_of_several_labels_are_kept_apart() -> None:
    found = exported(counted("reserve:SUCCEEDED charge:REJECTED reserve:UNDONE").registry)
    points = found["saga.step_latency"].histogram.data_points

    told = {
        (labels(point)["step"], labels(point)["kind"], labels(point)["outcome"]): (point.count, point.sum) for point in points
    }
    assert told == {
        ("reserve", "action", "SUCCEEDED"): (1, 1.0),
        ("charge", "action", "REJECTED"): (1, 1.0),
        ("reserve", "compensation", "UNDONE"): (1, 1.0),
    }
    assert found["saga.step_latency"].unit == "s"
    assert all(len(point.bucket_counts) == len(point.explicit_bounds) + 1 for point in points)


def test_exemplars_go_along() -> None:
    found = exported(counted("reserve:SUCCEEDED charge:SUCCEEDED ship:SUCCEEDED", sampled=True).registry)

    for exemplars in (
        found["saga.finished"].sum.data_points[0].exemplars,
        found["saga.duration"].histogram.data_points[0].exemplars,
    ):
        (exemplar,) = exemplars
        assert (exemplar.trace_id.hex(), exemplar.span_id.hex()) == ("ab" * 16, root_span_id(SAGA))
        assert exemplar.time_unix_nano > 0
    assert found["saga.duration"].histogram.data_points[0].exemplars[0].as_double == 3.0


def test_a_metric_without_a_series_is_not_sent() -> None:
    assert "saga.finished" not in exported(counted("").registry)


def test_a_series_that_does_not_say_since_when_counts_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prometheus_client.metrics._use_created", False)  # as PROMETHEUS_DISABLE_CREATED_SERIES does
    (point,) = exported(counted("").registry)["saga.started"].sum.data_points

    assert point.start_time_unix_nano == STARTED_NS


@pytest.mark.parametrize("metric", catalog.ALL, ids=lambda metric: metric.name)
def test_a_collector_that_hands_on_to_prometheus_makes_the_same_names_again(metric: catalog.Metric) -> None:
    """Dots become underscores, then comes the unit, then `_total`: opentelemetry.io, "Prometheus
    and OpenMetrics compatibility"."""
    name = metric.otel_name.replace(".", "_") + {"s": "_seconds", "By": "_bytes"}.get(metric.unit, "")

    assert name + ("_total" if metric.type is catalog.Type.COUNTER else "") == metric.name
    assert metric.unit in ("s", "By") or (metric.unit[0], metric.unit[-1]) == ("{", "}")  # `1` would become `_ratio`


def test_what_is_not_in_the_catalogue_is_a_mistake() -> None:
    registry = CollectorRegistry()
    for kind in (Counter, Gauge, Histogram):
        kind(f"stray_{kind.__name__.lower()}", "of nobody", registry=registry)

    with pytest.raises(KeyError):
        exported(registry)
