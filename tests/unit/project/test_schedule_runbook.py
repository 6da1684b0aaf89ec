"""Each code of schedules has its section or row in the docs, and alerts lead to sections that are
there."""

from __future__ import annotations

import re

import pytest
import yaml

from saga_coordinator.doctor.damage import DamageKind
from saga_coordinator.schedules.words import ATTENTION_CODES, PAUSED, REASON_CODES, attention_words
from support.paths import ROOT

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
SCHEDULES = (ROOT / "docs" / "schedules.md").read_text()
ALERTS = [
    rule
    for group in yaml.safe_load((ROOT / "deploy" / "prometheus-alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
    if rule["alert"].startswith("SagaSchedule")
]


def anchors(page: str) -> set[str]:
    headings = re.findall(r"^#{2,3} (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("code", [*ATTENTION_CODES, PAUSED, "of_a_later_release"])
def test_each_code_of_attention_has_its_section(code: str) -> None:
    assert attention_words(code).anchor in anchors(OPERATIONS)


@pytest.mark.parametrize("code", [*ATTENTION_CODES, PAUSED])
def test_each_code_of_attention_has_its_row(code: str) -> None:
    table = OPERATIONS.partition("### When a schedule needs a person\n")[2].partition("\n### ")[0]
    assert f"| `{code}` |" in table


@pytest.mark.parametrize("code", REASON_CODES)
def test_each_reason_of_a_tick_has_its_row(code: str) -> None:
    assert f"| `{code}` |" in SCHEDULES


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_each_alert_leads_to_its_section(rule: dict[str, dict[str, str]]) -> None:
    named = re.findall(r"operations\.md#([a-z-]+)", rule["annotations"]["action"])
    assert named
    assert set(named) <= anchors(OPERATIONS)


@pytest.mark.parametrize("kind", [kind for kind in DamageKind if kind.startswith(("schedule_", "tick_"))])
def test_each_damage_of_schedules_has_its_row(kind: DamageKind) -> None:
    assert f"| `{kind}` |" in OPERATIONS
