"""The series of one metric, found by their label values, and how many there may be.

Label values are bounded: they are registered names and codes. If that should ever fail, a metric
stops at `MOST_SERIES`, and what is new counts as `other`. The bound is what this is for. A count
also costs 0.4 us, where prometheus_client's `labels()` at each call makes it 1.2 us; a saga has a
dozen, so that alone (1 % of deciding and writing) would be no reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final, Generic, TypeVar

from prometheus_client import Counter, Gauge, Histogram

MOST_SERIES: Final = 1_000
OTHER: Final = "other"

Child = TypeVar("Child", Counter, Gauge, Histogram)


class Series(dict[Any, Child], Generic[Child]):
    """A key is one label value or a tuple of them: `series["order", "action"].inc()`."""

    def __init__(self, metric: Child, labels: int, *, most: int = MOST_SERIES) -> None:
        super().__init__()
        self._metric: Any = metric
        self.most = most
        self.other: Any = OTHER if labels == 1 else (OTHER,) * labels

    def __missing__(self, key: Any) -> Child:
        if len(self) >= self.most and key != self.other:
            return self[self.other]
        child: Child = self._metric.labels(*_values(key))
        self[key] = child
        return child

    def forget(self, key: Any) -> None:
        del self[key]
        self._metric.remove(*_values(key))


def show(gauges: Series[Gauge], values: Mapping[Any, float]) -> None:
    """Set the gauges to these values and forget all others, so that no gauge keeps an old value for
    ever."""
    shown = dict(islice(values.items(), gauges.most))
    if len(values) > gauges.most:
        shown[gauges.other] = sum(islice(values.values(), gauges.most, None))
    for key in [known for known in gauges if known not in shown]:
        gauges.forget(key)
    for key, value in shown.items():
        gauges[key].set(value)


def _values(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)
