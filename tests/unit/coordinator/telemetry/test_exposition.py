"""`/metrics` in the format that is preferred."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as classic

from saga_coordinator.telemetry.catalog import BY_FAMILY
from saga_coordinator.telemetry.exposition import exposition
from support.moves import counted

PROMETHEUS = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        "text/plain",
        "application/json",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text; q=nonsense",
        "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;q=0.5",
        ";;;,,,q=",
    ],
)
def test_the_classic_text_is_for_all_who_do_not_ask_for_more(accept: str | None) -> None:
    text, media_type = exposition(counted("", sampled=True).registry, accept)

    assert media_type == "text/plain; version=0.0.4; charset=utf-8"
    assert {"saga_started", "saga_commands"} <= {family.name for family in classic(text.decode())}
    assert b"trace_id" not in text


@pytest.mark.parametrize("accept", [PROMETHEUS, "application/openmetrics-text", "Application/OpenMetrics-Text; version=2.0.0"])
def test_openmetrics_carries_exemplars_and_units(accept: str) -> None:
    registry = counted("reserve:SUCCEEDED charge:REJECTED reserve:UNDONE", sampled=True).registry
    text, media_type = exposition(registry, accept)

    assert media_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = {family.name: family for family in openmetrics(text.decode())}  # type: ignore[no-untyped-call]
    assert families.keys() <= BY_FAMILY.keys()
    assert families["saga_step_latency_seconds"].unit == "seconds"
    marked = [sample for sample in families["saga_finished"].samples if sample.exemplar is not None]
    assert [sample.exemplar.labels["trace_id"] for sample in marked] == ["ab" * 16]
