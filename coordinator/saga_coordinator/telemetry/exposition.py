"""The text of `/metrics`: OpenMetrics, which has exemplars, for clients that prefer it, else
Prometheus' classic text."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

CLASSIC: Final = "text/plain"
OPENMETRICS: Final = "application/openmetrics-text"
_CLASSIC_TYPE: Final = f"{CLASSIC}; version=0.0.4; charset=utf-8"
_OPENMETRICS_TYPE: Final = f"{OPENMETRICS}; version=1.0.0; charset=utf-8"


def exposition(registry: CollectorRegistry, accept: str | None) -> tuple[bytes, str]:
    """Returns the text and its media type for this `Accept` header."""
    wanted = _weights(accept or "")
    if wanted.get(OPENMETRICS, 0.0) > 0 and wanted[OPENMETRICS] >= wanted.get(CLASSIC, 0.0):
        text: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
        return text, _OPENMETRICS_TYPE
    return generate_latest(registry), _CLASSIC_TYPE


def _weights(accept: str) -> dict[str, float]:
    """The best `q` of each media type; what is not a number counts as 0."""
    found: dict[str, float] = {}
    for item in accept.split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        given = [text.removeprefix("q=") for text in parameters if text.startswith("q=")]
        found[name] = max(found.get(name, 0.0), _number(given[0]) if given else 1.0)
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
