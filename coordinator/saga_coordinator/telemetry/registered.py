"""How an instrument is made from its row in catalog.py."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from saga_coordinator.telemetry.catalog import Metric
from saga_coordinator.telemetry.series import Series


class Registered:
    """Instruments in one registry: that of the process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

    def _made(self, kind: Any, metric: Metric) -> Any:
        buckets = {"buckets": metric.buckets} if metric.buckets else {}
        return kind(metric.name, metric.meaning, metric.labels, unit=metric.unit_word, registry=self.registry, **buckets)

    def _counters(self, metric: Metric) -> Series[Counter]:
        return Series(self._made(Counter, metric), len(metric.labels))

    def _gauges(self, metric: Metric) -> Series[Gauge]:
        return Series(self._made(Gauge, metric), len(metric.labels))

    def _histograms(self, metric: Metric) -> Series[Histogram]:
        return Series(self._made(Histogram, metric), len(metric.labels))
