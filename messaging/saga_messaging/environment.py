"""Every environment variable `SAGA_…` that the project knows, and what happens to others.

One table for all processes, so that what one of them reads is no error in another (a pod or a shell
has one environment for several), and what none of them reads is one: a misspelt
`SAGA_KAFKA_SECURITY_PROTOCOL` would otherwise go on in plain text. An empty variable is not set.
What Kubernetes makes for a Service whose name begins with `saga` (`SAGA_PORT=tcp://10.0.0.1:8700`)
is ignored.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Final

from saga_messaging.errors import ConfigurationError

KAFKA: Final = (
    "KAFKA_BOOTSTRAP_SERVERS KAFKA_STAND_IN KAFKA_CLIENT_ID TOPIC_PREFIX KAFKA_PARTITIONS KAFKA_REPLICATION_FACTOR "
    "KAFKA_REQUEST_TIMEOUT_MS KAFKA_SESSION_TIMEOUT_MS KAFKA_MAX_MESSAGE_BYTES KAFKA_SECURITY_PROTOCOL KAFKA_SASL_MECHANISM "
    "KAFKA_SASL_USERNAME KAFKA_SASL_PASSWORD KAFKA_SSL_CAFILE KAFKA_SSL_CERTFILE KAFKA_SSL_KEYFILE KAFKA_SSL_CHECK_HOSTNAME"
)
COORDINATOR: Final = (
    "DATABASE_URL HOST PORT ALLOW_UNAUTHENTICATED INSTANCE TENANT TOKEN_KEYS ROLES ACCEPT_NEW_KAFKA STARTS_FROM_BEGINNING START_GROUP "
    "REPLY_GROUP BATCH_RECORDS BATCH_SAGAS SENDER_ROWS SENDER_BYTES START_QUEUE OTLP_ENDPOINT OTLP_PROTOCOL OTLP_METRICS_INTERVAL_S "
    "TRACE_SAMPLING TRACE_SAMPLE_ON_FAILURE TRACE_BAGGAGE JAEGER_URL LOG_LEVEL LOG_FORMAT START_PATIENCE_S GRACEFUL_STOP_S "
    "SCHEMA_REGISTRY_URL SCHEMA_REGISTRY_USER SCHEMA_REGISTRY_PASSWORD SCHEMA_REGISTRY_TIMEOUT_S "
    "RETENTION_SAGAS RETENTION_JOURNALS RETENTION_KEYS RETENTION_ATTENTION RETENTION_DEAD_LETTERS RETENTION_AUDIT RETENTION_TICKS "
    "RETENTION_RATE ARCHIVE "
    "HORIZON_RESTORE_WINDOW HORIZON_CLOCK_SKEW HORIZON_INTERVAL "
    "STORE_PARTITIONS CONSOLE_PREFIX CONFIRM_ACTS CONFIRM_WITHIN"
)
PARTICIPANT: Final = "INSTANCE LOG_LEVEL LOG_FORMAT START_PATIENCE_S OTLP_ENDPOINT OTLP_PROTOCOL ANNOUNCEMENT_KEYS"
COMMAND_LINE: Final = "SERVER DEBUG"
DEMO: Final = "PARTICIPANT_DATABASE_URL DEMO_LEAN DEMO_GROUPS_OFF DEMO_ALLOW_CRASH"

PREFIX: Final = "SAGA_"
NAMES: Final = frozenset(
    PREFIX + name for group in (KAFKA, COORDINATOR, PARTICIPANT, COMMAND_LINE, DEMO) for name in group.split()
)
"""All names, but for the families below."""
_FAMILIES: Final = re.compile(r"SAGA_(TEST_\w+|CI_\w+|HYPOTHESIS|[A-Z0-9_]+_DATABASE_URL)")
"""Of the tests, and of the databases of single services."""

_ADDRESS: Final = r"[0-9a-fA-F.:\[\]]+"
_URL: Final = rf"(tcp|udp|sctp)://{_ADDRESS}"
_SERVICE_LINKS: Final = (
    (r"SAGA(_\w+)?_SERVICE_HOST", _ADDRESS),
    (r"SAGA(_\w+)?_SERVICE_PORT(_\w+)?", r"\d+"),
    (r"SAGA(_\w+)?_PORT", _URL),
    (r"SAGA(_\w+)?_PORT_\d+_(TCP|UDP|SCTP)", _URL),
    (r"SAGA(_\w+)?_PORT_\d+_(TCP|UDP|SCTP)_PROTO", "tcp|udp|sctp"),
    (r"SAGA(_\w+)?_PORT_\d+_(TCP|UDP|SCTP)_PORT", r"\d+"),
    (r"SAGA(_\w+)?_PORT_\d+_(TCP|UDP|SCTP)_ADDR", _ADDRESS),
)
_NAMED: Final = 3
_LIKE: Final = 0.75


def given(environ: Mapping[str, str]) -> dict[str, str]:
    """The `SAGA_…` variables that are set, without the links of Kubernetes.

    Raises:
        ConfigurationError: Nobody reads one of them; it names that one.
    """
    found = {name: text for name, text in environ.items() if name.startswith(PREFIX) and text and not is_service_link(name, text)}
    for name in found:
        if name not in NAMES and not _FAMILIES.fullmatch(name):
            raise ConfigurationError(f"{name} is not a setting{_meant(name)}")
    return found


def is_service_link(name: str, text: str) -> bool:
    """Whether Kubernetes makes such a variable for a Service whose name begins with `saga`."""
    return any(re.fullmatch(shape, name) and re.fullmatch(value, text) for shape, value in _SERVICE_LINKS)


def ignored(environ: Mapping[str, str]) -> str:
    """One line for the log about the links of Kubernetes; empty where there are none."""
    links = sorted(name for name, text in environ.items() if is_service_link(name, text))
    if not links:
        return ""
    more = f" and {len(links) - _NAMED} more" if len(links) > _NAMED else ""
    return f"ignored, as Kubernetes makes them for a Service whose name begins with saga: {', '.join(links[:_NAMED])}{more}"


def _meant(name: str) -> str:
    close = difflib.get_close_matches(name, sorted(NAMES), n=1, cutoff=_LIKE)
    return f": did you mean {close[0]}?" if close else ": docs/operations.md lists them"
