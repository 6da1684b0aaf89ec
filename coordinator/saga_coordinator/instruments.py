"""What a person on call needs to see, as Prometheus metrics. Stated units, bounded labels, no ids, no payload."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from saga_coordinator.engine.facts import CommandSent, Fact, PhaseChanged, ReplySeen
from saga_coordinator.engine.state import FINAL, Saga
from saga_coordinator.store.port import Figures

_LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
_BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class Instruments:
    """One registry a process; names end in their unit."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._started = Counter("saga_started_total", "Sagas started.", ["definition"], registry=registry)
        self._finished = Counter(
            "saga_finished_total", "Sagas finished, by final phase.", ["definition", "phase"], registry=registry
        )
        self._duration = Histogram(
            "saga_duration_seconds", "Start to end.", ["definition", "phase"], buckets=_LATENCY_BUCKETS, registry=registry
        )
        self._commands = Counter("saga_commands_total", "Commands decided.", ["definition", "kind"], registry=registry)
        self._retries = Counter("saga_retries_total", "Commands that ask again.", ["definition", "kind"], registry=registry)
        self._replies = Counter(
            "saga_replies_total", "Replies applied, by outcome.", ["definition", "outcome"], registry=registry
        )
        self._stale = Counter(
            "saga_replies_stale_total", "Replies that changed nothing (duplicate, old run, finished).", registry=registry
        )
        self._consumed = Counter("saga_replies_consumed_total", "Records read from reply topics.", registry=registry)
        self._batch = Histogram("saga_reply_batch_records", "Records a transaction.", buckets=_BATCH_BUCKETS, registry=registry)
        self._dead = Counter(
            "saga_dead_letters_total", "Records that could not be read.", ["consumer", "reason"], registry=registry
        )
        self._orphans = Counter("saga_orphan_replies_total", "Replies for sagas this database does not have.", registry=registry)
        self._parked = Counter(
            "saga_parked_total", "Sagas parked by a bug or a missing definition.", ["reason"], registry=registry
        )
        self._swept = Counter(
            "saga_outbox_swept_total", "Messages published by the sweeper instead of the hot path.", registry=registry
        )
        self._bad_traces = Counter(
            "saga_trace_context_invalid_total",
            "Starts whose trace context was malformed and ignored.",
            ["source"],
            registry=registry,
        )
        self._spans = Counter("saga_spans_exported_total", "Spans a collector has acknowledged.", registry=registry)
        self._span_failures = Counter(
            "saga_span_export_failures_total", "Exports a collector did not acknowledge.", registry=registry
        )
        self._spans_due = Gauge(
            "saga_spans_due_rows", "Transitions whose spans no collector has acknowledged yet.", registry=registry
        )
        self._open = Gauge("saga_open", "Open sagas.", ["definition", "phase"], registry=registry)
        self._outbox_depth = Gauge("saga_outbox_rows", "Rows not yet known to be published.", registry=registry)
        self._outbox_age = Gauge("saga_outbox_oldest_seconds", "Age of the oldest of them.", registry=registry)
        self._timer_late = Gauge("saga_timer_late_seconds", "How long the earliest wake-up is overdue.", registry=registry)
        self._attention = Gauge("saga_attention", "Steps and sagas that ask for a person.", registry=registry)
        self._letters = Gauge("saga_dead_letter_rows", "Dead letters kept.", registry=registry)
        self._inbox = Gauge("saga_inbox_rows", "Events waiting for a saga another transaction held.", registry=registry)
        self._lag = Gauge("saga_consumer_lag_records", "Records not yet applied.", ["topic"], registry=registry)
        self._unread = Gauge(
            "saga_command_topic_unread", "1: nobody reads this participant's command topic.", ["participant"], registry=registry
        )
        self._sender_queue = Gauge("saga_sender_queue_rows", "Messages waiting in memory.", registry=registry)

    def text(self) -> bytes:
        return generate_latest(self.registry)

    def started(self, definition: str) -> None:
        self._started.labels(definition).inc()

    def transition(self, definition: str, facts: Iterable[Fact], saga: Saga | None) -> None:
        """What one transition's facts count as."""
        for fact in facts:
            match fact:
                case CommandSent():
                    self._commands.labels(definition, fact.kind.value).inc()
                    if fact.attempt > 1:
                        self._retries.labels(definition, fact.kind.value).inc()
                case ReplySeen():
                    self._replies.labels(definition, fact.outcome.value).inc()
                case PhaseChanged(phase=phase) if phase in FINAL and saga is not None:
                    self._finished.labels(definition, phase.value).inc()
                    self._duration.labels(definition, phase.value).observe(((fact.at or saga.started_at) - saga.started_at) / 1e6)

    def replies(self, records: int, *, sagas: int, bad: int) -> None:
        self._consumed.inc(records)
        self._batch.observe(records)

    def stale(self) -> None:
        self._stale.inc()

    def dead_letter(self, consumer: str, reason: str) -> None:
        self._dead.labels(consumer, reason).inc()

    def orphans(self, count: int) -> None:
        self._orphans.inc(count)

    def parked(self, reason: str) -> None:
        self._parked.labels(reason).inc()

    def swept(self, rows: int) -> None:
        self._swept.inc(rows)

    def bad_trace_context(self, source: str) -> None:
        self._bad_traces.labels(source).inc()

    def spans_exported(self, spans: int) -> None:
        self._spans.inc(spans)

    def span_export_failed(self) -> None:
        self._span_failures.inc()

    def figures(self, figures: Figures, now: int) -> None:
        self._open.clear()
        for (definition, phase), count in figures.sagas_by_phase.items():
            self._open.labels(definition, phase).set(count)
        self._outbox_depth.set(figures.outbox_depth)
        self._outbox_age.set(_age_s(figures.outbox_oldest_at, now))
        self._timer_late.set(_age_s(figures.wakeup_earliest_due, now))
        self._attention.set(figures.attention)
        self._letters.set(figures.dead_letters)
        self._inbox.set(figures.inbox)
        self._spans_due.set(figures.spans_due)

    def lag(self, by_topic: Mapping[str, int]) -> None:
        for topic, records in by_topic.items():
            self._lag.labels(topic).set(records)

    def unread(self, participants: Mapping[str, bool]) -> None:
        for name, is_unread in participants.items():
            self._unread.labels(name).set(1 if is_unread else 0)

    def sender_queue(self, rows: int) -> None:
        self._sender_queue.set(rows)


def _age_s(at: int | None, now: int) -> float:
    return 0.0 if at is None else max(now - at, 0) / 1e6
