"""What the API counts: answers by route and status."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, generate_latest


class Counters:
    """One application's counters, in a registry of their own so that two applications of one process do not meet."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "saga_http_answers", "Answers by method, route and status.", ("method", "route", "status"), registry=self._registry
        )

    def answered(self, method: str, route: str, status: int) -> None:
        self._answers.labels(method, route, str(status)).inc()

    def text(self) -> bytes:
        return generate_latest(self._registry)
