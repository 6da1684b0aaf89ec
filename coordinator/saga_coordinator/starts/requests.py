"""What the doors (HTTP, `saga.start`) ask of the coordinator, and how it refuses.

Codes are stable and public: they are the `code` of the HTTP problem and of a start's dead letter.
Details name fields and types, never values: what somebody sent is repeated to nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Final, Literal
from uuid import UUID

from saga_schemas.labels import LabelValue
from saga_schemas.record_class import record
from saga_schemas.trace_context import TraceContext

OnOpen = Literal["return_existing", "reject"]
"""What becomes of a start whose business key an open saga holds."""
OnClosed = Literal["reject", "allow"]
"""What becomes of a start whose business key a finished saga holds: `reject` returns that saga,
`allow` starts anew.
"""

KEY_HELD: Final = "key_held"
REQUEST_REUSED: Final = "request_reused"
DEFINITION_UNKNOWN: Final = "definition_unknown"
DEFINITION_INACTIVE: Final = "definition_inactive"
INPUT_INVALID: Final = "input_invalid"
KEY_MISMATCH: Final = "key_mismatch"
LABELS_INVALID: Final = "labels_invalid"
OVERLOADED: Final = "overloaded"


@record
class StartRequest:
    """A request to start a saga. A door has checked its shape; its meaning is not checked yet."""

    tenant: str
    definition: str
    version: int | None = None
    """None: the active one."""
    input: Mapping[str, Any]
    """Plain JSON: unions untagged, decimals as strings, bytes base64, times RFC 3339."""
    key: str | None = None
    labels: Mapping[str, LabelValue] = field(default_factory=dict)
    """What the saga is found by, beside what its definition computes."""
    request_id: str
    """Starting twice under one (tenant, source, request id) is starting once."""
    source: str
    """The door: `http`, or the CloudEvents source of a message."""
    on_open: OnOpen = "return_existing"
    on_closed: OnClosed = "reject"
    start_at_us: int | None = None
    """When it is to begin; None, or a time that has passed: at once."""
    trace: TraceContext | None = None
    """The caller's."""
    baggage: str | None = None
    """W3C Baggage, as it came."""
    body_hash: bytes
    """SHA-256 over what was asked for. A repeat of the request id with another hash is
    `request_reused`.
    """


@record
class StartResult:
    """The saga a start ended up with."""

    saga_id: UUID
    created: bool
    """False: the request was known, or the key is held by this saga."""


class StartRefused(Exception):
    """A start that is not carried out; nothing was stored.

    `extra` goes into the problem: `field` and `expected` of `input_invalid`, `saga_id` of
    `key_held`.
    """

    def __init__(self, code: str, detail: str, extra: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.extra: Mapping[str, Any] = dict(extra or {})


class SagaUnknown(Exception):
    """No saga of this id."""

    def __init__(self, saga_id: UUID) -> None:
        super().__init__(f"there is no saga {saga_id}")
        self.saga_id = saga_id
