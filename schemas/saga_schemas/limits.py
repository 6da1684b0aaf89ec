"""Every bound of the wire in one place: what is larger is refused before it is copied or parsed.

The numbers are part of the protocol (docs/wire.md): raising one is safe for readers, lowering one
is a breaking change.
"""

from __future__ import annotations

from typing import Final

PAYLOAD_BYTES: Final = 256 * 1024
"""One framed Avro value. With key and headers a record so has at most 289 KiB."""
KEY_BYTES: Final = 1024
"""A record key: a saga id, or a business key of at most 256 characters."""

HEADER_COUNT: Final = 64
HEADER_VALUE_BYTES: Final = 4096
"""One header that the protocol knows; others are bounded by the sum alone."""
HEADERS_BYTES: Final = 32 * 1024
"""All header names and values of one record together."""

TEXT_CHARS: Final = 256
"""Business keys, tenants, request ids, sources, message ids."""
LABELS: Final = 16
"""Labels of one saga, those included that its definition computes."""
LABEL_NAME_CHARS: Final = 63
TOKEN_BYTES: Final = 128
TRACESTATE_CHARS: Final = 512
BAGGAGE_CHARS: Final = 1024
TOPIC_CHARS: Final = 249
"""Kafka's own limit of a topic name."""

SCHEMA_BYTES: Final = 256 * 1024
"""One schema document with everything it reaches, as canonical JSON."""
SCHEMA_DEPTH: Final = 32
"""Records, arrays, maps and unions inside each other."""
SCHEMA_JSON_DEPTH: Final = 8 * SCHEMA_DEPTH
"""The same in its JSON: a record is an object, a list of fields, an object each; and defaults nest
too."""
SCHEMA_FIELDS: Final = 2000
"""Fields, union branches and enum symbols of one schema, each occurrence of a named type counted.
"""
FIXED_BYTES: Final = 1024
DECIMAL_DIGITS: Final = 77
"""256 bits: more digits than any ledger needs, few enough that arithmetic stays cheap."""
PLAIN_DEPTH: Final = 64

FAILURE_CODE_CHARS: Final = 128
FAILURE_MESSAGE_CHARS: Final = 1024
NOTE_CHARS: Final = 1024
RETRY_AFTER_MS: Final = 24 * 60 * 60 * 1000
"""A participant may put its next delivery off by at most a day."""

HORIZON_EXCEPTIONS: Final = 5000
"""Sagas that one horizon excepts: 37 bytes each, so that it stays below `PAYLOAD_BYTES`."""
SWEEP_ROWS: Final = 500
"""Rows in one answer to a sweep."""

INT32_MAX: Final = 2**31 - 1
INT64_MAX: Final = 2**63 - 1
