"""Writes what comes from elsewhere into the docs: blocks from the code, between
`<!-- NAME: generated -->` and `<!-- end -->`, and tables and plots of a benchmark's run.

    python tools/generate_docs.py            writes what differs
    python tools/generate_docs.py --check    only says so, and exits 1

Everything else in a page is written by hand. tests/unit/project/test_docs.py runs the check.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import canonical_examples
import record_transcripts
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from saga_coordinator.api.problems import CODES as PROBLEMS
from saga_coordinator.definitions import CODES as FINDINGS
from saga_coordinator.engine import diagram
from saga_coordinator.settings import Settings
from saga_coordinator.telemetry.catalog import ALL as METRICS
from saga_coordinator.telemetry.catalog import Metric
from saga_messaging.settings import KafkaSettings
from saga_schemas.catalog import Catalog
from saga_schemas.inbound import envelope, payload
from saga_schemas.records import OWN

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(ROOT / "benchmarks"))

import performance_page  # noqa: E402  (it stands there, beside the run that it reads)


def transition_table() -> str:
    return diagram.markdown_table()


def state_diagram() -> str:
    return f"```mermaid\n{diagram.mermaid()}```\n"


def lint_codes() -> str:
    rows = [
        (f"`{code}`", "warning" if said.warning else "error", said.meaning, said.cure) for code, said in sorted(FINDINGS.items())
    ]
    return _table(("code", "", "meaning", "what to do"), rows)


def settings() -> str:
    rows = [
        (f"`SAGA_{name.upper()}`", _default(field), _meaning(Settings, name, field))
        for name, field in Settings.model_fields.items()
        if name != "kafka"
    ]
    return _table(("variable", "default", "meaning"), rows)


def kafka_settings() -> str:
    rows = []
    for name, field in KafkaSettings.model_fields.items():
        variable = "SAGA_TOPIC_PREFIX" if name == "topic_prefix" else f"SAGA_KAFKA_{name.upper()}"
        rows.append((f"`{variable}`", _default(field), field.description or ""))
    return _table(("variable", "default", "value"), rows)


def metrics() -> str:
    rows = [
        (
            f"`{metric.name}`",
            metric.type.value + (", exemplars" if metric.exemplars else ""),
            ", ".join(metric.labels),
            metric.unit,
            metric.meaning,
            ", ".join(_fed_by(metric)),
        )
        for metric in METRICS
    ]
    return _table(("metric", "type", "labels", "unit", "meaning", "alert"), rows)


def alerts() -> str:
    rows = [
        (
            f"`{rule['alert']}`",
            rule["labels"]["severity"],
            f"`{rule['expr']}`" + (f" for {rule['for']}" if "for" in rule else ""),
            rule["annotations"]["summary"],
            rule["annotations"]["action"],
        )
        for rule in _alert_rules()
    ]
    return _table(("alert", "", "when", "meaning", "what to do"), rows)


def _alert_rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((ROOT / "deploy" / "prometheus-alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _fed_by(metric: Metric) -> list[str]:
    """The alerts whose expression reads this metric."""
    name = re.compile(rf"\b{metric.name}(_bucket|_sum|_count)?\b")
    return [f"`{rule['alert']}`" for rule in _alert_rules() if name.search(rule["expr"])]


def problem_codes() -> str:
    return _table(("code", "status", "meaning"), [(f"`{code}`", str(status), told) for code, (status, told) in PROBLEMS.items()])


def decode_stages() -> str:
    numbered = [f"{number}. {stage}\n" for number, stage in enumerate((*envelope.STAGES, *payload.STAGES), start=1)]
    first, second = numbered[: len(envelope.STAGES)], numbered[len(envelope.STAGES) :]
    return f"**Envelope**, of the record alone:\n\n{''.join(first)}\n**Payload**, under the reader's schema:\n\n{''.join(second)}"


def protocol_records() -> str:
    parts = []
    for schema in OWN:
        document = (resources.files("saga_schemas") / "avro" / f"{schema.full_name}.avsc").read_text().strip()
        parts.append(f"`{schema.full_name}`, id `{schema.id:08x}`\n\n```json\n{document}\n```\n")
    return "\n".join(parts)


def example_schemas() -> str:
    found = [schema for schema in record_transcripts.catalog() if not schema.full_name.startswith("saga.")]
    return "\n".join(
        f"`{schema.full_name}`, id `{schema.id:08x}`\n\n```json\n{schema.canonical.decode()}\n```\n" for schema in Catalog(found)
    )


def transcripts() -> str:
    return record_transcripts.markdown()


def performance(table: Callable[[], tuple[tuple[str, ...], list[tuple[str, ...]]]]) -> Callable[[], str]:
    """A table of docs/performance.md."""
    return lambda: _table(*table())


BLOCKS: dict[str, dict[str, Callable[[], str]]] = {
    "ARCHITECTURE.md": {"transition table": transition_table, "state diagram": state_diagram},
    "definitions.md": {"lint codes": lint_codes},
    "operations.md": {
        "settings": settings,
        "kafka settings": kafka_settings,
        "problem codes": problem_codes,
    },
    "metrics.md": {"metrics": metrics, "alerts": alerts},
    "wire.md": {
        "decode stages": decode_stages,
        "protocol records": protocol_records,
        "canonical examples": canonical_examples.markdown,
        "example schemas": example_schemas,
        "transcripts": transcripts,
    },
    "performance.md": {
        "machine": performance(performance_page.machine),
        "bars": performance(performance_page.bars),
        "loads": performance(performance_page.loads),
        "open loops": performance(performance_page.open_loops),
        "bytes and memory": performance(performance_page.bytes_and_memory),
    },
}
FILES: dict[str, Callable[[], str]] = {
    "assets/performance-throughput.svg": performance_page.throughput_plot,
    "assets/performance-latency.svg": performance_page.latency_plot,
    "assets/performance-cpu.svg": performance_page.cpu_plot,
}


def _filled(content: str, found: re.Match[str]) -> str:
    return f"{found[1]}\n{content}\n{found[2]}"


def generated(page: str, text: str) -> str:
    """The page with its blocks as the code has them now.

    LookupError when one has no place in the page.
    """
    for name, make in BLOCKS[page].items():
        block = re.compile(rf"(<!-- {re.escape(name)}: generated -->\n).*?(<!-- end -->)", re.DOTALL)
        content = make()
        text, places = block.subn(partial(_filled, content), text)
        if places != 1:
            raise LookupError(f"docs/{page} has {places} places for the block {name!r}")
    return text


def main(arguments: list[str]) -> int:
    stale = []
    for name in (*BLOCKS, *FILES):
        path = DOCS / name
        before = path.read_text() if path.exists() else ""
        after = FILES[name]() if name in FILES else generated(name, before)
        if after != before:
            stale.append(name)
            if "--check" not in arguments:
                path.write_text(after)
    print(
        f"{'stale' if '--check' in arguments else 'written'}: {', '.join(stale)}" if stale else "all pages are as the code says"
    )
    return 1 if stale and "--check" in arguments else 0


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value == "":
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _meaning(model: type[BaseModel], name: str, field: FieldInfo) -> str:
    return field.description or _MEANINGS[name]


_MEANINGS = {
    "host": "address of the HTTP API",
    "port": "its port; 0 takes a free one",
    "allow_unauthenticated": "needed to listen on an address other than loopback: there is no login yet",
    "instance": "gives static group membership under this name; a second live instance of the name is refused",
    "tenant": "the tenant this coordinator serves",
    "token_keys": "`id:base64,…`, each of at least 16 bytes. The first signs, all verify. Required on PostgreSQL; made once on SQLite",
    "roles": "which loops this instance runs; the watchdog always runs",
    "accept_new_kafka": "accept a Kafka cluster other than the one this store belongs to",
    "starts_from_beginning": "let a [new store](#a-new-store-on-an-old-kafka) carry out the starts that Kafka still holds",
    "start_group": "consumer group of `saga.start`",
    "reply_group": "consumer group of the reply topics",
    "batch_records": "most replies or starts in one transaction",
    "batch_sagas": "most sagas in one batch of the timers",
    "sender_rows": "most messages that wait in memory; a message that is dropped keeps its outbox row",
    "sender_bytes": "most bytes of messages that wait in memory",
    "start_queue": "starts over HTTP that may wait for a transaction; more are refused with 503 `overloaded`",
    "otlp_endpoint": "the OTLP collector that spans and metrics go to, such as `http://127.0.0.1:4317`; "
    "without it nothing is sent and no saga is sampled",
    "otlp_protocol": "`grpc` (a collector's port 4317) or `http/protobuf` (4318)",
    "trace_sampling": "share of the sagas that are [traced](tracing.md#sampling) when their caller has not decided; "
    "without the setting 1 if there is a collector; 0 turns tracing off for all",
    "trace_sample_on_failure": "when a saga that was sampled out fails or needs attention, send the coordinator's spans of it",
    "trace_baggage": "keys of W3C Baggage that go from a start to all its commands, separated by commas",
    "jaeger_url": "where Jaeger's pages are, such as `http://127.0.0.1:16686`; answers of the API then link to the trace",
    "otlp_metrics_interval_s": "how often the metrics go to the collector, in seconds; 0 means never (a collector that takes only traces)",
    "schema_registry_url": "a Confluent-compatible [schema registry](other-readers.md#a-registry-beside-the-coordinator) that is given "
    "every schema, and asked for those that are unknown; the coordinator needs none",
    "schema_registry_user": "the user name there, for HTTP basic authentication",
    "schema_registry_password": "the password",
    "schema_registry_timeout_s": "how long one call of the registry may take, in seconds",
    "archive": "where finished sagas are [kept](archive.md) before they are removed: `file:///PATH` or "
    "`s3://BUCKET/PREFIX?endpoint=…&region=…`",
    "log_level": "debug, info, warning or error",
    "log_format": "json, console, or auto (console on a terminal, else json)",
    "start_patience_s": "how long a start waits for a database or a Kafka that is not up yet, in seconds; 0 does not wait",
    "retention_sagas": "how long [finished sagas are kept](#what-is-kept-and-for-how-long) from their end on: `30d`, `12h`, `5m`; "
    "`never` (or `0`) removes none",
    "retention_journals": "how long their journals are kept; none: as long as the saga, and never longer",
    "retention_keys": "how long their request ids and business keys are kept; none: as long as the saga, and never shorter",
    "retention_attention": "how long sagas are kept that ended FORCED or ever needed a person",
    "retention_dead_letters": "how long dead letters that are on their topic, and orphan replies, are kept",
    "retention_audit": "how long it is kept what operators did",
    "retention_ticks": "how long it is kept what became of the ticks of schedules",
    "confirm_acts": "acts that [a second person confirms](#two-people), separated by commas: `waive`, `terminate`, `batch`",
    "confirm_within": "how long such an act waits for a second person, `1s` to `1d`",
    "retention_rate": "most sagas, or rows of other tables, that are removed in a second",
    "horizon_restore_window": "how old a backup of the coordinator's database is at most that may be restored: [the horizon](#the-horizon) "
    "lags by it",
    "horizon_clock_skew": "how far the clocks of databases and machines differ at most",
    "horizon_interval": "how often the horizon is raised and announced, `1s` to `1d`",
    "console_prefix": "what a proxy puts before `/console`, as `/ops`: the console's links begin with it",
    "store_partitions": "how much time a [partition](#partitions) of the journal has on PostgreSQL: `week`, `month`, or `none`: "
    "no more are made",
    "graceful_stop_s": "how long a stop waits for open requests and for what is queued to be sent",
}


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
