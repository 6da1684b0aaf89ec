"""The instruments of the house: what is removed, forgotten and dropped, and acts on many sagas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from prometheus_client import Counter, Gauge

from saga_coordinator.telemetry import catalog
from saga_coordinator.telemetry.registered import Registered
from saga_coordinator.telemetry.series import show

RETENTION_CAUSES: Final = ("archive", "store", "bug")


class UpkeepInstruments(Registered):
    """Those of retention, the horizon, partitions and batches."""

    def __init__(self) -> None:
        super().__init__()
        self._retention_removed = self._counters(catalog.RETENTION_REMOVED)
        self._retention_rows = self._made(Counter, catalog.RETENTION_ROWS)
        self._retention_lag = self._made(Gauge, catalog.RETENTION_LAG)
        self._retention_held = self._gauges(catalog.RETENTION_HELD)
        self._retention_failures = self._counters(catalog.RETENTION_FAILURES)
        self._partitions = self._made(Gauge, catalog.PARTITIONS)
        self._partition_rest = self._made(Gauge, catalog.PARTITION_REST)
        self._partitions_dropped = self._made(Counter, catalog.PARTITIONS_DROPPED)
        self._partitions_overdue = self._made(Gauge, catalog.PARTITIONS_OVERDUE)
        self._horizon_late = self._made(Gauge, catalog.HORIZON_LATE)
        self._horizon_exceptions = self._made(Gauge, catalog.HORIZON_EXCEPTIONS)
        self._horizon_held = self._gauges(catalog.HORIZON_HELD)
        self._announcements = self._counters(catalog.ANNOUNCEMENTS)
        self._horizon_silent = self._gauges(catalog.HORIZON_SILENT)
        self._batch_sagas = self._counters(catalog.BATCH_SAGAS)
        self._batches_open = self._made(Gauge, catalog.BATCHES_OPEN)
        self._batch_idle = self._made(Gauge, catalog.BATCH_IDLE)
        self._redrives = self._counters(catalog.REDRIVES)
        self.batch_trouble: str | None = None
        """Why no batch of acts goes on now; None: nothing stands in the way."""
        self.retention_trouble: str | None = None
        """Why nothing is removed now; None: nothing stands in the way."""
        for cause in RETENTION_CAUSES:
            self._retention_failures[cause]

    # --- removing what is no longer kept ----------------------------------------------------------

    def removed(self, kind: str, items: int, rows: int) -> None:
        if items:
            self._retention_removed[kind].inc(items)
            self._retention_rows.inc(rows)

    def retention_lag(self, seconds: float) -> None:
        self._retention_lag.set(seconds)

    def retention_held(self, by_why: Mapping[str, int]) -> None:
        show(self._retention_held, by_why)

    def retention_failed(self, cause: str) -> None:
        self._retention_failures[cause].inc()

    def retention_waits(self, why: str | None) -> None:
        self.retention_trouble = why

    # --- acts on many sagas, letters sent again ---------------------------------------------------

    def batches(self, count: int, idle_s: float) -> None:
        self._batches_open.set(count)
        self._batch_idle.set(idle_s)

    def batch_saga(self, act: str, outcome: str) -> None:
        self._batch_sagas[act, outcome].inc()

    def batches_wait(self, why: str | None) -> None:
        self.batch_trouble = why

    def redriven(self, consumer: str, outcome: str) -> None:
        self._redrives[consumer, outcome].inc()

    # --- the horizon ------------------------------------------------------------------------------

    def horizon(self, late_s: float, exceptions: int) -> None:
        self._horizon_late.set(late_s)
        self._horizon_exceptions.set(exceptions)

    def horizon_held(self, why: str | None) -> None:
        show(self._horizon_held, {} if why is None else {why: 1})

    def announced(self, kind: str, sent: int, failed: int) -> None:
        self._announcements[kind, "sent"].inc(sent)
        self._announcements[kind, "failed"].inc(failed)

    def horizon_silent(self, participants: Mapping[str, bool]) -> None:
        show(self._horizon_silent, participants)

    # --- partitions -------------------------------------------------------------------------------

    def partitions(self, count: int, rest_bytes: int) -> None:
        self._partitions.set(count)
        self._partition_rest.set(rest_bytes)

    def partition_dropped(self) -> None:
        self._partitions_dropped.inc()

    def partitions_overdue(self, seconds: float) -> None:
        self._partitions_overdue.set(seconds)
