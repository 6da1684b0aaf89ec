"""Every metric of a coordinator: its name, type, labels, unit and meaning. docs/metrics.md is made
from it.

Names follow Prometheus: the unit comes last, counters end in `_total`. Units follow OpenTelemetry
(UCUM, with `{row}` and the like for counts). Labels are bounded: definitions, steps and
participants are registered names; reasons and causes are codes. A label never holds an id, a key or
a payload. series.py caps the number of series all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

LATENCY_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
PART_S: Final = (0.001, 0.0025, *LATENCY_S)
DURATION_S: Final = (*LATENCY_S, 21_600.0, 86_400.0)
LATENESS_S: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
BATCH: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0)

_UNIT_WORDS: Final = frozenset({"seconds", "bytes", "rows", "records", "sagas", "requests"})
_OTEL_WRITES_THEM_ELSEWHERE: Final = ("_seconds", "_bytes")


class Type(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric. A counter's name ends in `_total`."""

    name: str
    type: Type
    meaning: str
    unit: str
    """OpenTelemetry's: `s`, `By`, `{row}`."""
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, without infinity."""
    exemplars: bool = False
    """Sampled sagas leave their trace and span ids on it."""

    @property
    def family(self) -> str:
        """The name without `_total`, as OpenMetrics has it."""
        return self.name.removesuffix("_total")

    @property
    def unit_word(self) -> str:
        """OpenMetrics' unit: the name's last word where that is one, else nothing."""
        word = self.family.rpartition("_")[2]
        return word if word in _UNIT_WORDS else ""

    @property
    def otel_name(self) -> str:
        """`saga.step_latency` of `saga_step_latency_seconds`: what a Collector's Prometheus
        exporter turns into the name here."""
        name = self.family
        for suffix in _OTEL_WRITES_THEM_ELSEWHERE:
            name = name.removesuffix(suffix)
        return name.replace("_", ".", 1)


def _counter(name: str, meaning: str, unit: str, labels: tuple[str, ...] = (), *, exemplars: bool = False) -> Metric:
    return Metric(name=name, type=Type.COUNTER, meaning=meaning, unit=unit, labels=labels, exemplars=exemplars)


def _gauge(name: str, meaning: str, unit: str, labels: tuple[str, ...] = ()) -> Metric:
    return Metric(name=name, type=Type.GAUGE, meaning=meaning, unit=unit, labels=labels)


def _histogram(
    name: str, meaning: str, unit: str, buckets: tuple[float, ...], labels: tuple[str, ...] = (), *, exemplars: bool = False
) -> Metric:
    return Metric(name=name, type=Type.HISTOGRAM, meaning=meaning, unit=unit, labels=labels, buckets=buckets, exemplars=exemplars)


# --- sagas and steps: counted once the transition is committed ------------------------------------

OPEN_SAGAS = _gauge("saga_open_sagas", "Sagas that are not finished.", "{saga}", ("definition", "phase"))
STARTED = _counter("saga_started_total", "Sagas started.", "{saga}", ("definition",))
FINISHED = _counter("saga_finished_total", "Sagas finished, by final phase.", "{saga}", ("definition", "phase"), exemplars=True)
DURATION = _histogram(
    "saga_duration_seconds", "From a saga's beginning to its end.", "s", DURATION_S, ("definition", "phase"), exemplars=True
)
STEP_LATENCY = _histogram(
    "saga_step_latency_seconds",
    "From sending a command to applying its answer. If no answer came and it was sent again, from the first sending."
    " For accepted work, from the first sending of the step's action.",
    "s",
    LATENCY_S,
    ("definition", "step", "kind", "outcome"),
    exemplars=True,
)
ATTEMPT_PARTS = _histogram(
    "saga_attempt_part_seconds",
    "What the time from sending a command to applying its answer was made of, where the participant tells it: `queue`"
    " until it began with the command, `handler`, and `wire` from the handler's end on. If it was sent again, queue begins"
    " with the first sending.",
    "s",
    PART_S,
    ("participant", "part"),
    exemplars=True,
)
COMMANDS = _counter(
    "saga_commands_total", "Commands sent, including those that ask again.", "{command}", ("definition", "step", "kind")
)
RETRIES = _counter(
    "saga_retries_total",
    "Commands that ask again: after `silence`, after an answer FAILED (`failed`), or for another reason (`other`).",
    "{command}",
    ("definition", "step", "kind", "cause"),
    exemplars=True,
)
REPLIES = _counter("saga_replies_total", "Replies applied, by outcome.", "{reply}", ("definition", "outcome"))
STALE = _counter("saga_replies_stale_total", "Replies that changed nothing: repeated, of an old run, too late.", "{reply}")

# --- what asks for a person -----------------------------------------------------------------------

ATTENTION = _gauge("saga_attention_rows", "Steps and sagas that ask for a person now.", "{row}", ("reason",))
ATTENTION_RAISED = _counter(
    "saga_attention_raised_total", "Times a step or a saga began to ask for a person.", "{row}", ("definition", "reason")
)
PARKED = _counter(
    "saga_parked_total", "Times a saga could not go on: a bug, an unreadable state, a missing definition.", "{saga}", ("reason",)
)
LOOP_FAILURES = _counter(
    "saga_loop_failures_total", "Unexpected errors (bugs) that a background loop has survived.", "{error}", ("loop",)
)
TROUBLE = _gauge(
    "saga_watchdog_trouble",
    "1 while the watchdog cannot do `what`: /readyz says why, and gauges may be old.",
    "{problem}",
    ("what",),
)

# --- starts ---------------------------------------------------------------------------------------

START_REFUSALS = _counter(
    "saga_start_refusals_total", "Starts refused, by source (HTTP or Kafka) and code.", "{request}", ("source", "cause")
)
START_BATCH = _histogram("saga_start_batch_requests", "Starts carried out in one transaction.", "{request}", BATCH, ("source",))
BAD_TRACE_CONTEXTS = _counter(
    "saga_trace_context_invalid_total",
    "Starts whose trace context was malformed or given twice. It is ignored, and the saga has a trace of its own.",
    "{request}",
    ("source",),
)
HTTP_ANSWERS = _counter("saga_http_answers_total", "HTTP answers.", "{response}", ("method", "route", "status"))

# --- reading replies and starts -------------------------------------------------------------------

REPLY_BATCH = _histogram("saga_reply_batch_records", "Records of reply topics applied in one transaction.", "{record}", BATCH)
LAG = _gauge(
    "saga_consumer_lag_records", "Records of reply topics and of saga.start that are not yet applied.", "{record}", ("topic",)
)
DRAINED_AGE = _gauge(
    "saga_drained_age_seconds",
    "How long ago this instance last read its reply partitions to their end (catch-up): the oldest of each topic.",
    "s",
    ("topic",),
)
DEAD_LETTERS = _counter("saga_dead_letters_total", "Records that could not be read.", "{record}", ("consumer", "reason"))
DEAD_LETTER_ROWS = _gauge("saga_dead_letter_rows", "Dead letters kept.", "{row}")
ORPHANS = _counter("saga_orphan_replies_total", "Replies for sagas that this database does not have.", "{record}")
RECOVERING = _gauge(
    "saga_recovering_sagas",
    "Sagas that recover after a restore, by how far they are: `to_ask` or `asked`.",
    "{saga}",
    ("stage",),
)
RECOVERING_UNANSWERED = _gauge(
    "saga_recovering_unanswered_sagas", "Recovering sagas that wait for this participant.", "{saga}", ("participant",)
)
RECOVERED = _counter("saga_recovered_total", "Sagas that went on after a restore: all had answered.", "{saga}", ("definition",))
UNSWEPT = _gauge(
    "saga_unswept_participants",
    "1 while this participant has not told all its rows since the database was restored.",
    "{participant}",
    ("participant",),
)
TOLD_ROWS = _counter("saga_told_rows_total", "Rows that participants told after a restore.", "{row}", ("participant",))
LOST_EFFECTS_FOUND = _counter(
    "saga_lost_effects_total", "Effects that no saga owns, found among those rows.", "{effect}", ("participant",)
)
LOST_EFFECTS = _gauge(
    "saga_lost_effect_rows", "Effects that no saga owns and nobody has settled: `open` or `undoing`.", "{effect}", ("status",)
)
OLD_REPLIES = _counter(
    "saga_old_replies_total",
    "Replies for sagas that are removed, or of an earlier store on the same Kafka; passed over.",
    "{record}",
)
INBOX = _gauge("saga_inbox_rows", "Replies that wait for a saga which another transaction held.", "{row}")
UNREAD = _gauge(
    "saga_command_topic_unread", "1 while nobody reads this participant's command topic.", "{participant}", ("participant",)
)

# --- timers ---------------------------------------------------------------------------------------

TIMER_BATCH = _histogram("saga_timer_batch_sagas", "Sagas woken by one transaction.", "{saga}", BATCH)
TIMER_LATENESS = _histogram("saga_timer_lateness_seconds", "From a wake-up's due time to its transaction.", "s", LATENESS_S)
TIMER_OVERDUE = _gauge("saga_timer_overdue_seconds", "How long the earliest wake-up is overdue.", "s")

# --- sending --------------------------------------------------------------------------------------

OUTBOX = _gauge("saga_outbox_rows", "Messages not yet known to be published.", "{row}")
OUTBOX_OLDEST = _gauge("saga_outbox_oldest_seconds", "Age of the oldest row of the outbox.", "s")
SWEPT = _counter("saga_outbox_swept_rows_total", "Messages published by the sweeper instead of the hot path.", "{row}")
HELD = _gauge(
    "saga_outbox_held_rows",
    "Messages that this instance's sweeper holds back: the broker refuses them, or they are unreadable.",
    "{row}",
)
SENDER_QUEUE = _gauge("saga_sender_queue_rows", "Messages that wait in the Sender's memory or are on their way.", "{row}")
SENDER_BYTES = _gauge("saga_sender_queue_bytes", "Bytes of these messages.", "By")
SENDER_OLDEST = _gauge("saga_sender_oldest_seconds", "How long the first message in the Sender has waited.", "s")
SENDER_BATCH = _histogram("saga_sender_batch_records", "Records handed to the producer at once.", "{record}", BATCH)
SENT = _counter("saga_sender_sent_records_total", "Records acknowledged by the broker.", "{record}")
DROPPED = _counter(
    "saga_sender_dropped_records_total",
    "Records left to the sweeper: the queue was full, the broker away, or the record too old.",
    "{record}",
)
REFUSED = _counter("saga_sender_refused_records_total", "Records that the broker refused.", "{record}")
REPLACED = _counter("saga_sender_replaced_total", "Producers replaced by a fresh one.", "{producer}")

# --- removing what is no longer kept --------------------------------------------------------------

RETENTION_REMOVED = _counter(
    "saga_retention_removed_total",
    "What was removed because it is no longer kept: sagas (`saga`), journals before their sagas (`journal`), keys after"
    " them (`keys`), and rows of the tables `dead_letter`, `orphan_reply`, `audit`, `batch`, `confirmation`,"
    " `schedule_tick`, `schedule_tick_range`, `schedule_backfill`, `schedule_version` and `lost_effect`.",
    "{item}",
    ("kind",),
)
RETENTION_ROWS = _counter("saga_retention_removed_rows_total", "Rows of all tables that were removed with it.", "{row}")
RETENTION_LAG = _gauge(
    "saga_retention_lag_seconds",
    "For how long the oldest thing that is no longer kept has been due; 0 on instances that do not remove.",
    "s",
)
RETENTION_HELD = _gauge(
    "saga_retention_held_sagas",
    "Sagas that are due and stay for now, by why: `unpublished`, `untraced`, `unexpired`, `locked`, `open`, `unreadable`,"
    " `horizon`.",
    "{saga}",
    ("why",),
)
RETENTION_FAILURES = _counter(
    "saga_retention_failures_total",
    "Times that nothing could be removed, by cause: `archive`, `store` or `bug`. It is tried again.",
    "{attempt}",
    ("cause",),
)

# --- acts on many sagas, letters sent again -------------------------------------------------------

BATCH_SAGAS = _counter(
    "saga_batch_sagas_total", "Sagas that batches came to: `done`, `refused` or `failed`.", "{saga}", ("act", "outcome")
)
BATCHES_OPEN = _gauge("saga_batches_open", "Batches of acts that run.", "{batch}")
BATCH_IDLE = _gauge("saga_batch_idle_seconds", "For how long that batch has done nothing that has done nothing for longest.", "s")
REDRIVES = _counter(
    "saga_redrives_total",
    "Dead letters sent again, by what the broker said: `sent`, `refused`, or `unknown` where it did not answer.",
    "{record}",
    ("consumer", "outcome"),
)

# --- schedules ------------------------------------------------------------------------------------

SCHEDULE_TICKS = _counter(
    "saga_schedule_ticks_total",
    "Ticks of schedules that were decided, by what became of them (`fired`, `queued`, `skipped`, `missed`, `failed`) and by"
    " who asked for them (`calendar`, `trigger`, `backfill`). A tick that was queued counts once more when it fires or not.",
    "{tick}",
    ("outcome", "source"),
)
SCHEDULE_LATENESS = _histogram(
    "saga_schedule_lateness_seconds", "From a tick's due time, jitter included, to the start of its saga.", "s", LATENESS_S
)
SCHEDULE_TURN = _histogram("saga_schedule_turn_seconds", "What one turn of the loop of schedules took.", "s", LATENCY_S)
SCHEDULE_TURN_SIZE = _histogram("saga_schedule_turn_schedules", "Schedules that one turn worked on.", "{schedule}", BATCH)
SCHEDULES = _gauge("saga_schedules", "Schedules, by status: `active` or `paused`.", "{schedule}", ("status",))
SCHEDULE_ATTENTION = _gauge("saga_schedules_attention", "Schedules that ask for a person now.", "{schedule}")
SCHEDULE_OVERDUE = _gauge(
    "saga_schedules_overdue", "Schedules without the success that was expected of them by now.", "{schedule}"
)
SCHEDULE_DUE = _gauge("saga_schedule_due_oldest_seconds", "For how long the oldest tick is due that is not decided.", "s")
SCHEDULE_BACKFILLS = _gauge("saga_schedule_backfills_running", "Backfills that run.", "{backfill}")
SCHEDULES_WAIT = _gauge(
    "saga_schedules_waiting", "1 while this instance can decide no tick: /readyz says why, and gauges may be old.", "{problem}"
)

# --- the horizon ----------------------------------------------------------------------------------

HORIZON_LATE = _gauge(
    "saga_horizon_late_seconds", "How far the horizon is behind where it could be: the clock less the lag.", "s"
)
HORIZON_EXCEPTIONS = _gauge(
    "saga_horizon_excepted_sagas",
    "Sagas below the horizon that nobody may forget: open, or ended no longer ago than the lag.",
    "{saga}",
)
HORIZON_HELD = _gauge(
    "saga_horizon_held",
    "1 while something keeps the horizon lower than it could be: too many `exceptions`, a `recovery` after a restore,"
    " `starts` that do not end, a `definition` of another release, no `store`, or a `bug`.",
    "{problem}",
    ("why",),
)
ANNOUNCEMENTS = _counter(
    "saga_announcements_total",
    "Announcements to participants by kind and what became of them: `sent`, or `failed`, and said again with the next.",
    "{record}",
    ("kind", "outcome"),
)
HORIZON_SILENT = _gauge(
    "saga_participant_horizon_silent",
    "1 while a participant has not said for long that it heard the horizon: it removes none of its barrier rows.",
    "{participant}",
    ("participant",),
)

# --- partitions -----------------------------------------------------------------------------------

PARTITIONS = _gauge("saga_partitions", "Partitions of the journal on PostgreSQL, with the rest.", "{partition}")
PARTITION_REST = _gauge("saga_partition_rest_bytes", "Size of the rest: of sagas that no partition is for.", "By")
PARTITIONS_DROPPED = _counter(
    "saga_partitions_dropped_total",
    "Partitions that were dropped or replaced because nearly nothing was left in them.",
    "{partition}",
)
PARTITIONS_OVERDUE = _gauge(
    "saga_partitions_overdue_seconds", "For how long partitions could be neither made nor dropped; tried again.", "s"
)

# --- a schema registry beside us ------------------------------------------------------------------

REGISTRY_LACKS = _gauge(
    "saga_schema_registry_lacking_schemas", "Schemas that the configured schema registry is not known to have.", "{schema}"
)
REGISTRY_FAILURES = _counter(
    "saga_schema_registry_failures_total", "Times that the configured schema registry took nothing; tried again.", "{attempt}"
)

# --- telemetry itself -----------------------------------------------------------------------------

SPANS_EXPORTED = _counter("saga_spans_exported_total", "Spans that the collector has taken.", "{span}")
SPAN_FAILURES = _counter("saga_span_export_failures_total", "Exports of spans that failed; they are tried again.", "{export}")
SPANS_DUE = _gauge("saga_spans_due_rows", "Transitions of sampled sagas whose spans are still owed.", "{row}")
SPANS_OLDEST = _gauge("saga_spans_due_oldest_seconds", "Age of the oldest of these transitions.", "s")
METRIC_FAILURES = _counter("saga_metric_export_failures_total", "Exports of these metrics over OTLP that failed.", "{export}")

ALL: Final[tuple[Metric, ...]] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
BY_FAMILY: Final = {metric.family: metric for metric in ALL}
