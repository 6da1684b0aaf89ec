"""Turns the Sender's own counts into metrics when the metrics are read: sending pays nothing for
it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from saga_coordinator.telemetry import catalog
from saga_coordinator.telemetry.catalog import Metric
from saga_messaging.sender import Sender


class SenderCollector(Collector):
    """The gauges and counters of one Sender."""

    def __init__(self, sender: Sender[Any]) -> None:
        self._sender = sender

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        sender = self._sender
        yield _gauge(catalog.SENDER_QUEUE, sender.depth)
        yield _gauge(catalog.SENDER_BYTES, sender.queued_bytes)
        yield _gauge(catalog.SENDER_OLDEST, _oldest_s(sender))
        yield _counter(catalog.SENT, sender.sent)
        yield _counter(catalog.DROPPED, sender.dropped)
        yield _counter(catalog.REFUSED, sender.refused)
        yield _counter(catalog.REPLACED, sender.replaced)


def _oldest_s(sender: Sender[Any]) -> float:
    try:
        return sender.oldest_age_s
    except IndexError:  # the metrics are read in a thread: the queue became empty meanwhile
        return 0.0


def _gauge(metric: Metric, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(metric.name, metric.meaning, value=value, unit=metric.unit_word)


def _counter(metric: Metric, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(metric.name, metric.meaning, value=value, unit=metric.unit_word)
