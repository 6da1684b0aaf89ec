"""docs/metrics.md and the alert rules say what there is: every metric, every event, nothing
else."""

from __future__ import annotations

import re
from typing import Any

import promql_parser
import pytest
import yaml

from saga_coordinator.api.problems import CODES as PROBLEMS
from saga_coordinator.telemetry.catalog import ALL, Metric, Type
from saga_coordinator.telemetry.instruments import PARKED_REASONS
from support.paths import ROOT

PAGE = (ROOT / "docs" / "metrics.md").read_text()
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "deploy" / "prometheus-alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
SOURCE = [path.read_text() for path in (ROOT / "coordinator" / "saga_coordinator").rglob("*.py")]


def samples(metric: Metric) -> dict[str, set[str]]:
    """The names a query may use, each with its labels."""
    own = set(metric.labels)
    if metric.type is not Type.HISTOGRAM:
        return {metric.name: own}
    return {f"{metric.name}_bucket": own | {"le"}, f"{metric.name}_sum": own, f"{metric.name}_count": own}


SAMPLES = {name: labels for metric in ALL for name, labels in samples(metric).items()}


# --- metrics --------------------------------------------------------------------------------------


def test_every_metric_has_its_row() -> None:
    table = PAGE.partition("\n## Metrics\n")[2].partition("\n## Alerts\n")[0]
    rows = re.findall(r"^\| `(saga_\w+)` \|", table, re.MULTILINE)

    assert sorted(rows) == sorted(metric.name for metric in ALL)


@pytest.mark.parametrize("page", ["docs/metrics.md", "docs/operations.md", "deploy/prometheus-alerts.yaml"])
def test_a_metric_that_is_named_exists(page: str) -> None:
    known = set(SAMPLES) | {metric.name for metric in ALL} | set(PARKED_REASONS) | set(PROBLEMS)
    others = {"saga_barrier", "saga_id", "saga_participant_", "saga_coordinator"} | {event for _, event in events_on_the_page()}
    named = set(re.findall(r"(?<![\w/.-])saga_[a-z_]+", (ROOT / page).read_text()))

    assert sorted(named - known - others) == []


# --- alerts ---------------------------------------------------------------------------------------


def selectors(node: Any) -> list[Any]:
    if isinstance(node, promql_parser.VectorSelector):
        return [node]
    children = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "vector_selector", "param")]
    children += getattr(node, "args", None) or []
    return [found for child in children if child is not None for found in selectors(child)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_there_is(rule: dict[str, Any]) -> None:
    tree = promql_parser.parse(rule["expr"])
    found = selectors(tree)

    assert {selector.name for selector in found} == set(re.findall(r"saga_\w+", rule["expr"])) <= SAMPLES.keys()
    for selector in found:
        assert {matcher.name for matcher in selector.matchers.matchers} <= SAMPLES[selector.name]
    grouped = {label.strip() for labels in re.findall(r"by \(([^)]*)\)", rule["expr"]) for label in labels.split(",")}
    assert grouped <= {"instance"}.union(*(SAMPLES[selector.name] for selector in found))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"Saga[A-Z][A-Za-z]+", rule["alert"])
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"].keys() == {"summary", "action"}
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))
    for event in re.findall(r"`([a-z]+_[a-z_]+)`", rule["annotations"]["action"]):
        assert event in SAMPLES or any(f'"{event}"' in source for source in SOURCE), event


def test_no_alert_is_there_twice() -> None:
    names = [rule["alert"] for rule in RULES]

    assert sorted(set(names)) == sorted(names)


# --- log events -----------------------------------------------------------------------------------


def events_on_the_page() -> set[tuple[str, str]]:
    return {(level, event) for event, level in re.findall(r"^\| `([a-z_]+)` \| (warning|error) \|", PAGE, re.MULTILINE)}


def events_in_the_source() -> set[tuple[str, str]]:
    return {found for source in SOURCE for found in re.findall(r'\.(warning|error)\(\s*"([a-z_]+)"', source)}


def test_every_warning_and_error_has_its_row_and_no_other() -> None:
    assert len(events_in_the_source()) > 30
    assert events_on_the_page() == events_in_the_source()


def test_a_line_about_a_saga_takes_its_fields_from_one_place() -> None:
    """`saga=` and `trace_id=` written by hand would be a line without the rest."""
    for path in (ROOT / "coordinator" / "saga_coordinator").rglob("*.py"):
        calls = re.findall(r"_?log\.(?:debug|info|warning|error)\((?:[^()]|\([^()]*\))*\)", path.read_text())
        by_hand = [
            call
            for call in calls
            if re.search(r"\b(saga|definition|step|trace_id|span_id)=", re.sub(r"about\w*\([^()]*\)", "", call))
        ]
        assert by_hand == [], path.name
