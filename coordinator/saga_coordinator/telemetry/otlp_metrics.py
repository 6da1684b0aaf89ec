"""The registry's values in OpenTelemetry's data model: cumulative sums, gauges, histograms with
explicit bounds, exemplars.

Pure. catalog.py gives names and units; the labels become attributes of the same names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample

from saga_coordinator.telemetry.catalog import BY_FAMILY, Type

SCOPE: Final = InstrumentationScope("saga_coordinator")
_CUMULATIVE: Final = AggregationTemporality.CUMULATIVE
_NS: Final = 1_000_000_000


def metrics_data(registry: CollectorRegistry, resource: Resource, *, started_ns: int, now_ns: int) -> MetricsData:
    """All values as they are now.

    `started_ns` is the beginning of those sums that do not say their own.
    """
    metrics = [
        Metric(name=known.otel_name, description=known.meaning, unit=known.unit, data=data)
        for family in registry.collect()
        for known in (BY_FAMILY[family.name],)
        for data in _data(known.type, list(_series(family.samples, started_ns)), now_ns)
    ]
    scope = ScopeMetrics(scope=SCOPE, metrics=metrics, schema_url="")
    return MetricsData(resource_metrics=[ResourceMetrics(resource=resource, scope_metrics=[scope], schema_url="")])


@dataclass(slots=True)
class _Series:
    """The samples of one set of labels."""

    labels: dict[str, str]
    since_ns: int
    value: float = 0.0
    count: float = 0.0
    total: float = 0.0
    bounds: list[float] = field(default_factory=list)
    reached: list[float] = field(default_factory=list)
    """How many observations were at most each bound, infinity last."""
    exemplars: list[Exemplar] = field(default_factory=list)


def _data(type: Type, series: list[_Series], now_ns: int) -> Iterator[Sum | Gauge | Histogram]:
    """The data of one metric; nothing for a metric without a series."""
    if not series:
        return
    match type:
        case Type.COUNTER:
            yield Sum([_number(one, now_ns) for one in series], aggregation_temporality=_CUMULATIVE, is_monotonic=True)
        case Type.GAUGE:
            yield Gauge([_number(one, now_ns) for one in series])
        case Type.HISTOGRAM:
            yield Histogram([_histogram(one, now_ns) for one in series], aggregation_temporality=_CUMULATIVE)


def _series(samples: Iterable[Sample], started_ns: int) -> Iterator[_Series]:
    """Group the samples by their labels. prometheus_client gives cumulative buckets, in order."""
    found: dict[tuple[tuple[str, str], ...], _Series] = {}
    for sample in samples:
        labels = {name: value for name, value in sample.labels.items() if name != "le"}
        series = found.setdefault(tuple(labels.items()), _Series(labels=labels, since_ns=started_ns))
        suffix = sample.name.rpartition("_")[2]
        if suffix == "created":
            series.since_ns = int(sample.value * _NS)
        elif suffix == "bucket":
            series.bounds.append(float(sample.labels["le"]))
            series.reached.append(sample.value)
        elif suffix == "count":
            series.count = sample.value
        elif suffix == "sum":
            series.total = sample.value
        else:
            series.value = sample.value
        if sample.exemplar is not None:
            series.exemplars.append(_exemplar(sample.exemplar))
    yield from found.values()


def _number(series: _Series, now_ns: int) -> NumberDataPoint:
    return NumberDataPoint(
        attributes=series.labels,
        start_time_unix_nano=series.since_ns,
        time_unix_nano=now_ns,
        value=series.value,
        exemplars=series.exemplars,
    )


def _histogram(series: _Series, now_ns: int) -> HistogramDataPoint:
    below = [0.0, *series.reached]
    unknown: Any = None
    return HistogramDataPoint(
        attributes=series.labels,
        start_time_unix_nano=series.since_ns,
        time_unix_nano=now_ns,
        count=int(series.count),
        sum=series.total,
        bucket_counts=[int(reached - before) for before, reached in zip(below, series.reached, strict=False)],
        explicit_bounds=series.bounds[:-1],
        min=unknown,
        max=unknown,
        exemplars=series.exemplars,
    )


def _exemplar(given: Any) -> Exemplar:
    return Exemplar(
        filtered_attributes={},
        value=float(given.value),
        time_unix_nano=int(given.timestamp * _NS),
        span_id=int(given.labels["span_id"], 16),
        trace_id=int(given.labels["trace_id"], 16),
    )
